"""The rate limit between two hosts: network namespaces joined by a veth pair, forged senders and all."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest

from tests.whole.server import EXAMPLE, ROOT
from tests.whole.test_clients import needs_netns

SCRIPT = r"""
set -eu
ip link set lo up
mkfifo "$1/theirs"
unshare -n sh -c 'echo $$ > "$0/theirs"; exec sleep 60' "$1" &
sleeper=$!
read -r other < "$1/theirs"
ip link add ours type veth peer name theirs netns "$other"
ip address add 198.51.100.1/24 dev ours
ip link set ours up
ip route add 203.0.113.0/24 via 198.51.100.2
nsenter -t "$other" -n sh -c 'ip link set lo up; ip address add 198.51.100.2/24 dev theirs; ip address add 203.0.113.1/24 dev lo; ip link set theirs up'
cd "$1"
"$2" -m dnsdisco.cli serve --config config.yaml --services "$3" --listen 198.51.100.1:53 2> "$1/log" &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true; kill $sleeper' EXIT
for _ in $(seq 150); do grep -q '^ready:' "$1/log" && break; sleep 0.1; done
nsenter -t "$other" -n "$2" "$1/client.py"
"""

CLIENT = """
import json, socket, time
import dns.flags, dns.message, dns.query

def flood(source, name, seconds):
    query = dns.message.make_query(name, "TXT" if "web" in name else "A", use_edns=0, payload=4096)
    octets = query.to_wire()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind((source, 0))
    sock.connect(("198.51.100.1", 53))
    sock.setblocking(False)
    sent = got = full = cut = 0

    def read():
        nonlocal got, full, cut
        while True:
            try:
                reply = sock.recv(4096)
            except BlockingIOError:
                return
            got += len(reply)
            if reply[2] & 2:
                cut += 1
            else:
                full += 1

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(20):
            sock.send(octets)
            sent += 1
        time.sleep(0.01)
        read()
    until = time.monotonic() + 3
    while full + cut < sent and time.monotonic() < until - 2.5 * (cut > 0):  # what is dropped never comes
        time.sleep(0.05)
        read()
    tcp = dns.query.tcp(query, "198.51.100.1", 5, source=source)
    return {"sent": sent, "in": sent * len(octets), "out": got, "full": full, "cut": cut, "tcp": len(tcp.answer)}

print(json.dumps({"limited": flood("203.0.113.1", "web.svc.local.", 2.0), "exempt": flood("198.51.100.2", "web.svc.local.", 0.5)}))
"""


@needs_netns
@pytest.mark.skipif(shutil.which("nsenter") is None, reason="no nsenter here")
def test_between_two_hosts(tmp_path):
    import json

    (tmp_path / "client.py").write_text(textwrap.dedent(CLIENT))
    (tmp_path / "config.yaml").write_text(
        "acl: {allow: [0.0.0.0/0]}\nrate_limit: {responses_per_second: 50, exempt: [198.51.100.0/24]}\n"
        "forward: {upstreams: []}\nhttp: off\nstate_dir: off\ncontrol: off\n"
    )
    command = ["unshare", "-n", "sh", "-c", SCRIPT, "sh", str(tmp_path), sys.executable, str(EXAMPLE)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    log = (tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""
    assert done.returncode == 0, done.stderr + log
    told = json.loads(done.stdout)
    limited, exempt = told["limited"], told["exempt"]
    assert limited["full"] <= 50 * 8  # a burst, and what grows in two seconds and a bit; some 4,000 are sent
    assert limited["cut"] > 0
    assert limited["tcp"] == 1  # over TCP it gets all of it
    assert limited["out"] <= 1.5 * limited["in"]
    assert (exempt["cut"], exempt["full"]) == (0, exempt["sent"])
