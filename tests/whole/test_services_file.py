"""A services file that goes bad under a running server, and before a start: degraded, told in every place, and never a name that vanishes."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import dns.edns
import dns.rcode
import pytest

from tests.kit import errors
from tests.whole.server import Server

GOOD = "api: {address: 10.0.0.1, port: 80}\n"
CONFIG = """\
stale_after: 0.5
startup_timeout: 1
state_dir: state
forward: {{upstreams: []}}
http: 127.0.0.1:{port}
providers: [{{type: static, path: services.yaml}}]
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def http(tmp_path: Path) -> int:
    port = free_port()
    (tmp_path / "dnsdisco.yaml").write_text(CONFIG.format(port=port))
    (tmp_path / "services.yaml").write_text(GOOD)
    return port


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def eventually(is_so, seconds: float = 8.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def state(port: int) -> str:
    return json.loads(page(port, "/v1/providers")[1])["providers"][0]["state"]


def serve(tmp_path: Path, **more) -> Server:
    return Server("--config", "dnsdisco.yaml", cwd=tmp_path, **more)


@pytest.mark.parametrize("spoil", ["braces", "removed", "folder"])
def test_a_file_that_goes_bad_degrades_everything_and_its_mending_is_one_line(tmp_path: Path, http: int, spoil: str) -> None:
    file = tmp_path / "services.yaml"
    with serve(tmp_path) as server:
        assert server.answers("api.svc.local") == {"10.0.0.1"}
        eventually(lambda: state(http) == "up")
        if spoil == "braces":
            file.write_text("api: {{\n")
        else:
            file.unlink()
            if spoil == "folder":
                file.mkdir()
        eventually(lambda: state(http) == "stale")
        status, ready = page(http, "/ready")
        assert status == 200
        assert json.loads(ready)["degraded"] == ["provider static: stale"]
        assert 'dnsdisco_control_provider_state{provider="static",state="stale"} 1.0' in page(http, "/metrics")[1]
        eventually(lambda: dns.edns.EDECode.STALE_ANSWER in errors(server.ask("api.svc.local")))
        assert server.answers("api.svc.local") == {"10.0.0.1"}
        assert server.stderr.count("provider lost") == 1
        if spoil == "folder":
            file.rmdir()
        file.write_text(GOOD + "more: {address: 10.0.0.2}\n")
        server.until("more.svc.local", {"10.0.0.2"}, 5.0)
        eventually(lambda: state(http) == "up")
        assert errors(server.ask("api.svc.local")) == {}
        assert server.stderr.count("provider back") == 1


@pytest.mark.parametrize("spoil", ["braces", "removed"])
def test_a_start_with_a_bad_file_uses_the_view_of_the_last_run(tmp_path: Path, http: int, spoil: str) -> None:
    file = tmp_path / "services.yaml"
    with serve(tmp_path) as server:
        assert server.answers("api.svc.local") == {"10.0.0.1"}
        eventually((tmp_path / "state" / "views" / "static.view").exists)
    if spoil == "braces":
        file.write_text("api: {{\n")
    else:
        file.unlink()
    with serve(tmp_path) as server:
        assert server.answers("api.svc.local") == {"10.0.0.1"}
        assert dns.edns.EDECode.STALE_ANSWER in errors(server.ask("api.svc.local"))
        assert state(http) == "stale"
        assert "last known services restored" in server.stderr
        assert "provider not reached" in server.stderr
        file.write_text("api: {address: 10.0.0.9}\n")
        server.until("api.svc.local", {"10.0.0.9"}, 5.0)
        assert errors(server.ask("api.svc.local")) == {}
        eventually(lambda: state(http) == "up")


def test_the_view_of_another_file_is_no_view(tmp_path: Path, http: int) -> None:
    with serve(tmp_path) as server:
        assert server.answers("api.svc.local") == {"10.0.0.1"}
    config = tmp_path / "dnsdisco.yaml"
    config.write_text(config.read_text().replace("services.yaml", "other.yaml"))
    (tmp_path / "other.yaml").write_text("api: {{\n")
    with serve(tmp_path, wait=False) as server:
        assert server.process.wait(15) == 1
        server.wait_for("other.yaml:1:")


def test_a_start_with_a_bad_file_and_nothing_kept_ends(tmp_path: Path, http: int) -> None:
    (tmp_path / "services.yaml").write_text("api: {{\n")
    with serve(tmp_path, wait=False) as server:
        assert server.process.wait(15) == 1
        server.wait_for("services.yaml:1:")


BAD = """\
short: {address: a b}
number: 7
web: {instances: [{address: a b}]}
good: {address: 10.0.0.1}
"""
WRONG = "expected an IP address or a host name, found 'a b'"


def test_what_cannot_be_used_says_why_in_dns(tmp_path: Path) -> None:
    """A service in the short form, one that is no service at all, one of the variables, an instance; until it is mended."""
    (tmp_path / "services.yaml").write_text(BAD)
    bad = {"SERVICE_VARIABLE_HOST": "a b", "SERVICE_MANY_1_HOST": "a b", "SERVICE_MANY_2_HOST": "10.0.0.2"}
    options = ("--services", "services.yaml", "--provider", "static", "--provider", "env")
    with Server(*options, "--upstream", "none", "--http", "off", "--state-dir", "off", cwd=tmp_path, env=bad) as server:
        for name, rtype, rcode, reason in (
            ("short", "A", dns.rcode.NXDOMAIN, f"short was left out: services.yaml: address: {WRONG}"),
            ("number", "SRV", dns.rcode.NXDOMAIN, "number was left out: services.yaml: expected a mapping such as"),
            ("variable", "A", dns.rcode.NXDOMAIN, f"variable was left out: SERVICE_VARIABLE_HOST: {WRONG}"),
            ("web", "A", dns.rcode.NOERROR, f"1 instance of web was left out: address: {WRONG}"),
            ("many", "AAAA", dns.rcode.NOERROR, f"many has only IPv4 addresses; 1 instance of many was left out: SERVICE_MANY_1_HOST: {WRONG}"),
            ("many", "SRV", dns.rcode.NOERROR, f"no instance of many has a port; 1 instance of many was left out: SERVICE_MANY_1_HOST: {WRONG}"),
        ):  # fmt: skip
            reply = server.ask(f"{name}.svc.local", rtype, use_edns=0)
            assert (reply.rcode(), reply.answer) == (rcode, [])
            assert errors(reply)[0].startswith(reason)
        (tmp_path / "services.yaml").write_text(BAD.replace("number: 7", "number: {address: 10.0.0.7}"))
        eventually(lambda: server.ask("number.svc.local", use_edns=0).rcode() == dns.rcode.NOERROR)
        assert errors(server.ask("short.svc.local", use_edns=0))
