"""A start while the backend is down answers from what the last run kept in `state_dir`; a crash of control as well."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dns.rcode
import pytest

from tests.kit import errors
from tests.whole.server import ROOT, Server

PLUG_IN = """
import json, urllib.request
from dnsdisco import ProviderError, ServiceDiscovery

class Inventory(ServiceDiscovery):
    type = "inventory"
    poll_interval = 0.1

    def __init__(self, url):
        self.url = url

    def get_services(self):
        try:
            with urllib.request.urlopen(self.url, timeout=2) as reply:
                return json.load(reply)
        except (OSError, ValueError) as error:
            raise ProviderError(self.type, str(error)) from None
"""
WEB = b'{"web": {"instances": [{"id": "a", "address": "10.0.0.1", "port": 80}]}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a plug-in that is installed, in the way that pip does it."""
    package = tmp_path / "site"
    (package / "inventory-1.0.dist-info").mkdir(parents=True)
    (package / "inventory_plug_in.py").write_text(PLUG_IN)
    (package / "inventory-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: inventory\nVersion: 1.0\n")
    (package / "inventory-1.0.dist-info" / "entry_points.txt").write_text(
        "[dnsdisco.providers]\ninventory = inventory_plug_in:Inventory\n"
    )
    return tmp_path


@contextlib.contextmanager
def backend(port: int = 0) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(WEB)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def serve(folder: Path, port: int, *arguments: str, state: str = "state", startup_timeout: float = 1.0) -> Server:
    (folder / "dnsdisco.yaml").write_text(
        f"startup_timeout: {startup_timeout}\nhttp: off\nstate_dir: {state}\nforward: {{upstreams: []}}\n"
        f"providers: [{{type: inventory, url: 'http://127.0.0.1:{port}/'}}]\n"
    )
    env = {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder / 'site'}"}
    return Server("--config", "dnsdisco.yaml", *arguments, cwd=folder, env=env)


def test_a_start_without_the_backend_answers_the_names_of_the_last_run(folder: Path) -> None:
    with backend() as port, serve(folder, port) as server:
        assert server.answers("web.svc.local") == {"10.0.0.1"}
        assert errors(server.ask("web.svc.local")) == {}
        assert server.stop() == 0
    with serve(folder, port) as server:
        reply = server.ask("web.svc.local")
        assert {rdata.to_text() for rrset in reply.answer for rdata in rrset} == {"10.0.0.1"}
        assert 3 in errors(reply)
        assert "known from 20" in errors(reply)[3]
        assert server.answers("a.web.svc.local") == {"10.0.0.1"}
        unknown = server.ask("nosuch.svc.local")
        assert unknown.rcode() == dns.rcode.SERVFAIL
        assert 14 in errors(unknown)
        assert "last known services restored" in server.stderr
        with backend(port):
            server.wait_for("provider synced", 4.0)
            server.until("web.svc.local", {"10.0.0.1"})
            for _ in range(100):
                reply = server.ask("web.svc.local")
                if not errors(reply):
                    break
            assert errors(server.ask("web.svc.local")) == {}
            assert server.ask("nosuch.svc.local").rcode() == dns.rcode.NXDOMAIN
        assert "Traceback" not in server.stderr


def test_a_control_process_that_dies_while_the_backend_is_down_takes_no_name_away(folder: Path) -> None:
    with backend() as port:
        server = serve(folder, port, startup_timeout=0.5)
        server.__enter__()
    with contextlib.closing(server.process.stderr), contextlib.ExitStack() as stack:  # type: ignore[type-var]
        stack.callback(server.stop)
        for _ in range(2):
            (pid,) = server.children()["control"]
            os.kill(pid, signal.SIGKILL)
            for _ in range(100):
                assert server.answers("web.svc.local") == {"10.0.0.1"}
                if server.children()["control"] not in ([], [pid]) and 3 in errors(server.ask("web.svc.local")):
                    break
                threading.Event().wait(0.02)
            assert 3 in errors(server.ask("web.svc.local"))  # from the disk: control has caught up, and knows that it is away
            assert server.ask("nosuch.svc.local").rcode() == dns.rcode.SERVFAIL


def test_a_state_folder_that_cannot_be_used_is_told_and_changes_nothing(folder: Path) -> None:
    (folder / "state").write_text("no folder")
    with backend() as port, serve(folder, port) as server:
        assert server.answers("web.svc.local") == {"10.0.0.1"}
        server.wait_for("views are not kept")
        assert server.stderr.count("views are not kept") == 1
        assert "Traceback" not in server.stderr
        assert server.stop() == 0
