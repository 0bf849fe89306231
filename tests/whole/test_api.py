"""The API of a running server: curl through both doors as docs/http.md has it, upstreams as they do, and what is never shown."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dnsdisco.admin import routes
from dnsdisco.cli import main, server_client
from dnsdisco.errors import ServerError
from tests.certificates import make
from tests.forward.upstream import a_record, free_port, reply, ScriptedUpstream
from tests.whole.server import ROOT, Server

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "http.md"
WEB = "web: {instances: [{id: a, address: 10.0.0.1, port: 80}]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "services.yaml").write_text(WEB)
    (tmp_path / "dnsdisco.yaml").write_text(
        "providers: [{type: static, path: services.yaml}]\nforward: {upstreams: []}\nstate_dir: state\nttl: 5s\n"
    )
    return tmp_path


def until(told: Callable[[], Any], condition: Callable[[Any], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not condition(found := told()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def socket_of(server: Server) -> str:
    return server.wait_for(r'event="control socket" path=(\S+)')[1]


def commands() -> list[str]:
    """The lines of the page that are for a shell."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_every_command_of_the_page_works(folder: Path) -> None:
    assert len(commands()) >= 3
    with Server("--http", "127.0.0.1:0", cwd=folder) as server:
        url, path = server.wait_for(r'event="http listening" address=(\S+)')[1], socket_of(server)
        for command in commands():
            line = command.replace("http://127.0.0.1:8053", url).replace("~/.local/state/dnsdisco/control.sock", path)
            done = subprocess.run(
                ["bash", "-c", f"{line} -sS --fail-with-body"], capture_output=True, text=True, timeout=20, check=False
            )
            assert done.returncode == 0, (line, done)
            assert json.loads(done.stdout)["version"] == 1
        assert server.stderr.count("event=reloaded") == 1


def test_the_page_names_every_path() -> None:
    rows = re.findall(r"^\| `(?:POST )?(/[^`]*)` \|", PAGE.read_text(), re.MULTILINE)
    assert set(rows) == {route.path for route in routes.TABLE}


def test_a_reload_and_the_status_of_a_real_server(folder: Path) -> None:
    with Server("--http", "off", "--workers", "2", cwd=folder) as server:
        path = socket_of(server)

        def status() -> Any:
            return server_client.ask(path, "GET", "/v1/status")

        page = until(status, lambda page: all(worker["pid"] for worker in page["workers"]))
        assert sorted(worker["pid"] for worker in page["workers"]) == sorted(server.children()["server"])
        assert page["state"] == "well"
        assert page["config"] == {"file": str(folder / "dnsdisco.yaml"), "found": True}
        assert [address.rpartition(":")[0] for address in page["listen"]] == ["127.0.0.1"]
        assert server_client.ask(path, "POST", "/v1/reload", seconds=30) == {"version": 1, "ok": True, "changed": []}
        text = (folder / "dnsdisco.yaml").read_text()
        (folder / "dnsdisco.yaml").write_text(text.replace("ttl: 5s", "ttl: 7s"))
        assert server_client.ask(path, "POST", "/v1/reload", seconds=30)["changed"] == ["ttl"]
        assert server.ask("web.svc.local").answer[0].ttl == 7
        (folder / "dnsdisco.yaml").write_text(text.replace("ttl: 5s", "ttl: soon"))
        with pytest.raises(server_client.ServerRefused) as refused:
            server_client.ask(path, "POST", "/v1/reload", seconds=30)
        (problem,) = refused.value.reply["problems"]
        assert (refused.value.status, problem["line"], problem["path"]) == (422, 4, "ttl")
        assert status()["problems"][0]["code"] == "file"
        assert server.ask("web.svc.local").answer[0].ttl == 7
        os.kill(server.children()["server"][0], signal.SIGSTOP)  # the supervisor ends it after two seconds
        until(
            status,
            lambda page: any(each["code"] == "worker" for each in page["problems"]) or server.stderr.count("does not answer"),
        )


@contextlib.contextmanager
def udp_path_to(port: int) -> Iterator[int]:
    """The port of a path that leads to *port*, as a redirection of a firewall does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        near.bind(("127.0.0.1", 0))
        far.connect(("127.0.0.1", port))
        clients: dict[bytes, Any] = {}  # by the id of their question
        is_over = threading.Event()

        def carry() -> None:
            while not is_over.is_set():
                for sock in select.select([near, far], [], [], 0.1)[0]:
                    with contextlib.suppress(OSError):
                        octets, client = sock.recvfrom(65536)
                        if sock is near:
                            clients[octets[:2]] = client
                            far.send(octets)
                        else:
                            near.sendto(octets, clients[octets[:2]])

        carrier = threading.Thread(target=carry)
        carrier.start()
        try:
            yield near.getsockname()[1]
        finally:
            is_over.set()
            carrier.join()


def test_everything_that_a_server_lacks_is_a_problem_with_its_code(folder: Path) -> None:
    """Each caused for real, all at once: state folder, zone files, certificate, upstreams that lead back, a refused configuration."""
    pair = make(folder, ends=timedelta(days=60))
    (folder / "good.zone").write_text("www 60 IN A 10.0.0.9\n")
    text = (
        "providers: [{type: static, path: services.yaml}]\nzone_files: [good.zone, absent.zone]\n"
        f"state_dir: state\ncontrol: control.sock\ntls: {json.dumps(pair.settings)}\n"
    )
    (folder / "dnsdisco.yaml").write_text(text + "forward: {upstreams: []}\n")
    with Server("--http", "127.0.0.1:0", cwd=folder) as server, udp_path_to(server.port) as way_back:
        path, url = socket_of(server), server.wait_for(r'event="http listening" address=(\S+)')[1]

        def found() -> dict[tuple[str, str], str]:
            page = server_client.ask(path, "GET", "/v1/status")
            assert all(each["since"] for each in page["problems"])
            assert page["state"] == ("degraded" if page["problems"] else "well")
            return {(each["code"], each["subject"]): each["text"] for each in page["problems"]}

        absent, good = ("file", str(folder / "absent.zone")), ("file", str(folder / "good.zone"))
        assert found() == {absent: "there is no such zone file"}
        (folder / "dnsdisco.yaml").write_text(
            text.replace("state_dir: state", "state_dir: services.yaml/below")
            + f"forward: {{upstreams: ['127.0.0.1:{way_back}', '127.0.0.1:{server.port}']}}\n"
        )
        server_client.ask(path, "POST", "/v1/reload", seconds=30)
        (folder / "new").write_text("www 60 IN A 10.0.0.999\n")
        (folder / "new").rename(folder / "good.zone")
        pair.certificate.write_text("not one")
        (folder / "dnsdisco.yaml").write_text("ttl: soon\n")
        with pytest.raises(server_client.ServerRefused):
            server_client.ask(path, "POST", "/v1/reload", seconds=30)
        expected = {
            absent,
            good,
            ("file", str(folder / "dnsdisco.yaml")),
            ("state", str(folder / "services.yaml" / "below")),
            ("certificate", str(pair.certificate)),
            ("upstream", f"127.0.0.1:{way_back}"),
            ("upstream", f"127.0.0.1:{server.port}"),
        }
        texts = until(found, lambda texts: texts.keys() == expected, 20)
        assert texts["upstream", f"127.0.0.1:{way_back}"].startswith("it leads back to this server")
        assert texts["upstream", f"127.0.0.1:{server.port}"].startswith("it is this server itself")
        ready = httpx.get(f"{url}/ready", trust_env=False, timeout=5)
        assert ready.status_code == 200
        assert {tuple(reason.split(": ")[0].split(" ")) for reason in ready.json()["degraded"]} == expected
        told = httpx.get(f"{url}/metrics", trust_env=False, timeout=5).text
        figures = dict(re.findall(r'dnsdisco_control_problems\{code="(\w+)"\} (\d+)', told))
        assert figures == {
            "provider": "0",
            "worker": "0",
            "upstream": "2",
            "address": "0",
            "file": "3",
            "state": "1",
            "certificate": "1",
        }
        assert server.answers("web.svc.local") == {"10.0.0.1"}


def test_the_settings_in_use_and_where_each_comes_from(folder: Path) -> None:
    """Through a reload that is used, one that is not, and a control process that is killed."""
    token = "hunter2-c0ffee"
    text = (
        "providers:\n- {type: static, path: services.yaml}\n"
        f"- {{type: consul, address: '127.0.0.1:{free_port()}', token: {token}, optional: true}}\n"
        "forward: {upstreams: []}\nstate_dir: state\nttl: 5s\ncache:\n  size: 77\n"
    )
    (folder / "dnsdisco.yaml").write_text(text)
    with Server("--http", "127.0.0.1:0", cwd=folder) as server:
        path = socket_of(server)

        def config() -> Any:
            return server_client.ask(path, "GET", "/v1/config")

        page = config()
        assert page["file"] == str(folder / "dnsdisco.yaml")
        assert (page["settings"]["ttl"], page["settings"]["cache"]["size"], page["settings"]["zones"]) == (5, 77, ["svc.local"])
        origins = {key: page["origins"][key] for key in ("listen", "ttl", "zones", "cache.size", "http", "providers", "state_dir")}
        lines = {"ttl": "file:6", "cache.size": "file:8", "providers": "file:1", "state_dir": "file:5"}
        assert origins == {"listen": "flag", "http": "flag", "zones": "default", **lines}
        assert [each["type"] for each in page["settings"]["providers"]] == ["static", "consul"]
        url = server.wait_for(r'event="http listening" address=(\S+)')[1]
        over_tcp = httpx.get(f"{url}/v1/config", trust_env=False, timeout=5)
        assert over_tcp.json() == page
        assert token not in over_tcp.text
        assert page["settings"]["providers"][1]["token"] == "***"
        (folder / "dnsdisco.yaml").write_text("# a line more\n" + text.replace("ttl: 5s", "ttl: soon"))
        with pytest.raises(server_client.ServerRefused):
            server_client.ask(path, "POST", "/v1/reload", seconds=30)
        assert config() == page
        (folder / "dnsdisco.yaml").write_text("# a line more\n" + text.replace("ttl: 5s", "ttl: 9s"))
        assert server_client.ask(path, "POST", "/v1/reload", seconds=30)["changed"] == ["ttl"]
        after = config()
        assert (after["settings"]["ttl"], after["origins"]["ttl"]) == (9, "file:7")
        os.kill(server.children()["control"][0], signal.SIGKILL)
        server.wait_for(r"(?s)control socket.*control socket", 15)
        assert config() == after


def test_upstreams_as_they_do(folder: Path) -> None:
    with ScriptedUpstream() as upstream:
        upstream.on(lambda _: True, lambda asked: reply(asked, records=(a_record("192.0.2.1", 0),) if asked.qtype == 1 else ()))
        nobody = f"127.0.0.1:{free_port()}"
        with Server("--upstream", upstream.address, "--upstream", nobody, "--http", "127.0.0.1:0", cwd=folder) as server:
            path, url = socket_of(server), server.wait_for(r'event="http listening" address=(\S+)')[1]

            def upstreams() -> Any:
                return {each["address"]: each for each in server_client.ask(path, "GET", "/v1/upstreams")["upstreams"]}

            for number in range(5):
                server.ask(f"n{number}.test")
            found = until(upstreams, lambda found: found and found[upstream.address]["asked"] >= 5)
            assert list(found) == [upstream.address, nobody]
            first = found[upstream.address]
            assert (first["state"], first["zone"], first["failed"], first["last_error"]) == ("up", ".", 0, "")
            assert 0 < first["rtt_ms"] < 1000
            told = httpx.get(f"{url}/metrics", trust_env=False).text
            assert f'dnsdisco_forward_upstream_state{{address="{upstream.address}",state="up"}} 1.0' in told
            asked = re.search(rf'dnsdisco_forward_upstream_asked_total{{address="{upstream.address}"}} (\d+)', told)
            assert asked is not None
            assert int(asked[1]) >= 5
            upstream.on(lambda _: True, lambda _: None)  # it falls silent
            for number in range(3):
                server.ask(f"silent{number}.test", timeout=8)
            found = until(upstreams, lambda found: found[upstream.address]["state"] == "dead", 20)
            assert found[upstream.address]["failed"] >= 1
            assert found[nobody]["failed"] >= 1
            assert found[nobody]["last_error"] == "Connection refused"
            page = until(lambda: server_client.ask(path, "GET", "/v1/status"), lambda page: page["problems"])
            assert ("upstream", upstream.address) in [(each["code"], each["subject"]) for each in page["problems"]]


def test_passwords_are_nowhere_over_tcp(tmp_path: Path) -> None:
    secret = "hunter2-c0ffee"
    (tmp_path / "services.yaml").write_text(
        f'db: {{url: "postgres://admin:{secret}@10.0.0.9:5432/x", meta: {{password: {secret}, dsn: "mysql://u:{secret}@h/x"}}}}\n'
        f'api: {{url: "https://10.0.0.8/x?api_token={secret}&a=b", instances: [{{address: 10.0.0.8, port: 1, meta: {{apiKey: {secret}}}}}]}}\n'
    )
    arguments = (
        "--services",
        "services.yaml",
        "--http",
        "127.0.0.1:0",
        "--upstream",
        "none",
        "--state-dir",
        "off",
        "--control",
        "s",
    )
    with Server(*arguments, cwd=tmp_path) as server:
        url = server.wait_for(r'event="http listening" address=(\S+)')[1]
        seen = {}
        for route in routes.TABLE:
            target = url + route.path.replace("{name}", "db") + "?name=db&type=TXT" * (route.path == "/v1/explain")
            if route.path in ("/v1/events", "/v1/queries"):
                with httpx.stream("GET", target, trust_env=False, timeout=5, headers={"Last-Event-ID": "1"}) as stream:
                    pieces = stream.iter_text()
                    first = next(pieces)
                    if route.path == "/v1/queries":
                        server.ask("db.svc.local", "TXT")
                    seen[route.path] = first + next(pieces)
                continue
            more = {"json": {"resource_names": ["db", "api"]}} if route.body_octets_max else {}
            seen[route.path] = httpx.request(route.method, target, trust_env=False, timeout=5, **more).text
        assert "10.0.0.8" in seen["/v1/sd/prometheus"]
        assert "10.0.0.8" in seen["/v3/discovery:endpoints"]
        assert [path for path, text in seen.items() if secret in text] == []


def test_the_client_finds_the_server_by_flag_environment_and_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert server_client.path(None, None, "flag") == "flag"
    assert server_client.path(None, None, None) == f"{folder}/state/control.sock"  # of the file that is found
    assert server_client.path(None, "off", None) == "/run/dnsdisco/control.sock"
    monkeypatch.setenv(server_client.VARIABLE, "/there")
    assert server_client.path(None, None, None) == "/there"
    assert server_client.path(None, None, "flag") == "flag"
    monkeypatch.delenv(server_client.VARIABLE)
    (folder / "off.yaml").write_text("control: off\n")
    with pytest.raises(ServerError, match="control: off"):
        server_client.path("off.yaml", None, None)
    with Server("--http", "off", "--control", "elsewhere", cwd=folder) as server:
        path = socket_of(server)
        monkeypatch.setenv(server_client.VARIABLE, path)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert main(["cache", "--json"]) == 0
        assert json.loads(out.getvalue())["workers"] == 1


def test_the_client_follows_events_and_says_why_it_cannot(folder: Path) -> None:
    with Server("--http", "off", cwd=folder) as server:
        path = socket_of(server)
        events = server_client.events(path, "/v1/events", last="1")
        assert isinstance(events, Generator)
        first = next(events)
        assert (first.kind, first.number) == ("reset", str(first.data["serial"]))
        (folder / "services.yaml").write_text(WEB.replace("10.0.0.1", "10.0.0.2"))
        second = next(events)
        assert (second.kind, second.data["changed"]) == ("change", ["web"])
        events.close()
        with pytest.raises(server_client.ServerRefused, match="no such page"):
            next(server_client.events(path, "/nosuch"))
        with pytest.raises(server_client.ServerRefused, match="no such service"):
            server_client.ask(path, "GET", "/v1/services/nosuch")
        events = server_client.events(path, "/v1/events", last=first.number)
        assert next(events) == second
        server.stop()
        assert list(events) == []  # it ends with the server
    with pytest.raises(ServerError, match="no server listens at"):
        server_client.ask(path, "GET", "/v1/status")
    (folder / "dead").write_text("")
    with pytest.raises(ServerError, match=r"no server listens at"):
        server_client.ask(str(folder / "dead"), "GET", "/v1/status")
