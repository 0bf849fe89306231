"""An address of an interface that comes later, goes, and comes back with another number (RFC 4007 §6): over each transport, with two workers,
and no answer at the other addresses is lost meanwhile."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.certificates import make
from tests.whole.server import ROOT
from tests.whole.test_clients import needs_netns

SCRIPT = r"""
set -eu
ip link set lo up
cd "$1"
"$2" -m dnsdisco.cli serve --config dnsdisco.yaml --services services.yaml --upstream none --state-dir off --control "$1/control.sock" \
    --workers 2 --http '[fe80::1%late]:8053' $3 2> log &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true' EXIT
for _ in $(seq 300); do grep -q '^ready:' log && break; sleep 0.1; done
grep -q '^ready:' log
"$2" client.py $4
"""

CLIENT = """
import base64, http.client, json, socket, ssl, subprocess, sys, threading, time
import dns.message, dns.query, dns.rcode

others = sys.argv[1:]  # addresses that are there all the time
trust = ssl.create_default_context(cafile="one.pem")
trust.check_hostname = False

def query(where, ask, **more):
    return ask(dns.message.make_query("web.svc.local", "A"), where, timeout=1, **more).answer[0][0].address

def over_https(where):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = trust.wrap_socket(socket.create_connection((where, 443), timeout=1))
    try:
        wire = dns.message.make_query("web.svc.local", "A").to_wire()
        connection.request("GET", "/q?dns=" + base64.urlsafe_b64encode(wire).rstrip(b"=").decode())
        return dns.message.from_wire(connection.getresponse().read()).answer[0][0].address
    finally:
        connection.close()

def admin(where):
    connection = http.client.HTTPConnection(where, 8053, timeout=1)
    try:
        connection.request("GET", "/ready", headers={"Host": "[fe80::1]:8053"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()

def degraded():
    ran = subprocess.run(
        [sys.executable, "-c", '''
import http.client, socket
c = http.client.HTTPConnection("localhost")
c.sock = socket.socket(socket.AF_UNIX); c.sock.connect("control.sock")
c.request("GET", "/ready"); print(c.getresponse().read().decode())
'''], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)["degraded"]

def works(act, *arguments, **more):
    try:
        return act(*arguments, **more)
    except Exception as error:
        return error

def until(act, *arguments, **more):
    ends = time.monotonic() + 20
    while isinstance(got := works(act, *arguments, **more), Exception) or not got:
        assert time.monotonic() < ends, (act, arguments, got, open("log").read())
        time.sleep(0.05)
    return got

def run(words):
    subprocess.run(words.split(), check=True)

def make():
    run("ip link add late type veth peer name far")
    run("ip address add fe80::1/64 dev late nodad")
    run("ip address add fe80::2/64 dev far nodad")
    run("ip link set late up"); run("ip link set far up")

lost = []
is_over = threading.Event()

def load(where):
    while not is_over.is_set():
        got = works(query, where, dns.query.udp)
        if got != "10.0.0.1":
            lost.append((where, got))

threads = [threading.Thread(target=load, args=(each,)) for each in others]
for thread in threads:
    thread.start()
try:
    assert len([each for each in until(degraded) if "late" in each]) >= 3
    for round in range(2):
        make()
        where = f"fe80::1%far"
        for ask in (dns.query.udp, dns.query.tcp):
            for _ in range(2 if round else 8):  # both workers
                assert until(query, where, ask) == "10.0.0.1"
        assert until(query, where, dns.query.tls, ssl_context=trust) == "10.0.0.1"
        assert until(over_https, where) == "10.0.0.1"
        assert until(admin, where)["ready"]
        until(lambda: not degraded())
        run("ip link del late")
        until(lambda: any("late" in each for each in degraded()))
finally:
    is_over.set()
    for thread in threads:
        thread.join()
assert not lost, lost[:5]
log = open("log").read()
assert "internal error" not in log, log
assert " ended: " not in log, log  # no worker has been started again
print(log)
"""


LATE = ("[fe80::1%late]:53", "tls://[fe80::1%late]:853", "https://[fe80::1%late]:443/q")


@needs_netns
@pytest.mark.parametrize("others", [["127.0.0.1", "::1"], []], ids=["beside others", "alone"])
def test_an_interface_that_comes_and_goes_and_comes_back(tmp_path: Path, others: list[str]) -> None:
    (tmp_path / "services.yaml").write_text("web: {address: 10.0.0.1, port: 80}\n")
    (tmp_path / "dnsdisco.yaml").write_text(f"tls: {make(tmp_path).settings}\n")
    (tmp_path / "client.py").write_text(textwrap.dedent(CLIENT))
    listen = [*(f"[{other}]:53" if ":" in other else f"{other}:53" for other in others), *LATE]
    script = [
        "sh",
        "-c",
        SCRIPT,
        "sh",
        str(tmp_path),
        sys.executable,
        " ".join(f"--listen {each}" for each in listen),
        " ".join(others),
    ]
    done = subprocess.run(
        ["unshare", "-n", *script],
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log").read_text()
