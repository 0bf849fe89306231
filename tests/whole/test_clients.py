"""Unmodified programs: dig, and the C library through resolv.conf in a network namespace of its own, on port 53."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from tests.whole.server import EXAMPLE, ROOT, Server


def _can_unshare() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, check=False).returncode == 0
    )


needs_dig = pytest.mark.skipif(shutil.which("dig") is None, reason="no dig on this machine")
needs_netns = pytest.mark.skipif(not _can_unshare() or shutil.which("ip") is None, reason="no network namespace can be made here")


@needs_dig
def test_dig(tmp_path):
    with Server("--services", str(EXAMPLE), "--upstream", "none", cwd=tmp_path) as server:

        def dig(*words: str) -> str:
            command = ["dig", f"@{server.address}", "-p", str(server.port), "+tries=1", "+time=3", *words]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        full = dig("web.svc.local", "SRV")
        assert "status: NOERROR" in full
        assert "flags: qr aa rd ra" not in full  # no upstream: recursion is not available
        assert "COOKIE:" in full
        assert "ADDITIONAL SECTION" in full
        assert "WARNING" not in full.replace(";; WARNING: .local is reserved for Multicast DNS", "").replace(
            ";; WARNING: recursion requested but not available", ""
        )
        assert dig("+short", "+tcp", "web.svc.local", "A")
        assert "status: NXDOMAIN" in dig("nosuch.svc.local")
        assert "EDE: 20" in dig("www.example.com")


SCRIPT = r"""
set -eu
ip link set lo up
printf 'nameserver 127.0.0.1\noptions timeout:2 attempts:1\n' > "$1/resolv.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
printf 'hosts: files dns\n' > "$1/nsswitch.conf"
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
cd "$1"
"$2" -m dnsdisco.cli serve --services "$3" --http off --state-dir off 2> "$1/log" &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true' EXIT
for _ in $(seq 150); do grep -q '^ready:' "$1/log" && break; sleep 0.1; done
getent ahosts web.svc.local > "$1/getent"  # not ahostsv4: it wants an IPv4 address beside the loopback
! getent hosts nosuch.svc.local
"$2" - <<'PYTHON' > "$1/python"
import json, socket
print(json.dumps({
    "web": sorted({info[4][0] for info in socket.getaddrinfo("web.svc.local", 80, type=socket.SOCK_STREAM)}),
    "localhost": socket.getaddrinfo("some.localhost", 80, socket.AF_INET)[0][4][0],
    "reverse": socket.gethostbyaddr(socket.gethostbyname("auth.svc.local"))[0],
}))
PYTHON
"""


@needs_netns
def test_the_c_library_finds_services_through_resolv_conf(tmp_path):
    command = [
        "unshare",
        "-n",
        "-m",
        "-p",
        "-f",
        "--kill-child",
        "sh",
        "-c",
        SCRIPT,
        "sh",
        str(tmp_path),
        sys.executable,
        str(EXAMPLE),
    ]
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("SERVICE_", "CONSUL_", "KUBE"))}
    ran = subprocess.run(command, env={**environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False)
    log = (tmp_path / "log").read_text()
    assert ran.returncode == 0, textwrap.dedent(f"{ran.stderr}\n{log}")
    found = json.loads((tmp_path / "python").read_text())
    assert {line.split()[0] for line in (tmp_path / "getent").read_text().splitlines()} <= set(found["web"])
    assert len(found["web"]) > 1
    assert found["localhost"] == "127.0.0.1"
    assert found["reverse"].endswith(".auth.svc.local")
