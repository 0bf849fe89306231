"""An address that the machine does not have yet: the others are served, it is told, and it is served as soon as it is there."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.whole.server import ROOT
from tests.whole.test_clients import needs_netns

SCRIPT = r"""
set -eu
ip link set lo up
cd "$1"
"$2" -m dnsdisco.cli serve --services services.yaml --upstream none --state-dir off --workers 2 --http 127.0.0.1:8053 \
    --listen 127.0.0.1:53 --listen "$3:53" --listen "$4:53" 2> log &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true' EXIT
for _ in $(seq 300); do grep -q '^ready:' log && break; sleep 0.1; done
"$2" client.py "$5"
"""

CLIENT = """
import json, subprocess, sys, time, urllib.request
import dns.message, dns.query

late = sys.argv[1]

def answered(address, ask=dns.query.udp):
    try:
        return str(ask(dns.message.make_query("web.svc.local", "A"), address, timeout=1).answer[0][0])
    except Exception as error:
        return type(error).__name__

def ready():
    with urllib.request.urlopen("http://127.0.0.1:8053/ready") as reply:
        return json.load(reply)

def until(condition):
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, (ready(), open("log").read())
        time.sleep(0.1)

assert answered("127.0.0.1") == "10.0.0.1"
until(lambda: any(late in reason for reason in ready()["degraded"]))
assert ready()["ready"]
subprocess.run(["ip", "address", "add", late + ("/128" if ":" in late else "/32"), "dev", "lo"], check=True)
until(lambda: not any(late in reason for reason in ready()["degraded"]))
until(lambda: answered(late) == "10.0.0.1")
assert answered(late, dns.query.tcp) == "10.0.0.1"
log = open("log").read()
assert "this machine does not have an address of `listen`" in log
assert "this machine has an address of `listen` now" in log
"""


@needs_netns
@pytest.mark.parametrize("late", ["10.77.0.7", "fd00:77::7"])
def test_one_of_two_is_not_there_yet(tmp_path: Path, late: str) -> None:
    (tmp_path / "services.yaml").write_text("web: {address: 10.0.0.1, port: 80}\n")
    (tmp_path / "client.py").write_text(textwrap.dedent(CLIENT))
    script = ["sh", "-c", SCRIPT, "sh", str(tmp_path), sys.executable, "10.77.0.7", "[fd00:77::7]", late]
    done = subprocess.run(
        ["unshare", "-n", *script],
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log").read_text()
