"""What the page is shown: a real server, its services, and instances that are well or not."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.admin.page.chromium import PROGRAM
from tests.whole.server import Server

IN_CHROMIUM = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium here (Debian: apt-get install chromium)"),
]


class Backend(http.server.ThreadingHTTPServer):
    """An instance of a service, well or not."""

    is_well = True
    daemon_threads = True

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.server.is_well else 503)  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass


@contextlib.contextmanager
def backend(address: str = "127.0.0.1") -> Iterator[Backend]:
    with Backend((address, 0), Backend.Page) as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield made
        finally:
            made.shutdown()


@contextlib.contextmanager
def serving(folder: Path, services: object, *more: str, http_port: int = 0, upstream: str = "none") -> Iterator[tuple[Server, str]]:
    """The server, and the URL of its page."""
    write(folder, services)
    words = ["--services", "services.json", "--provider", "static", "--upstream", upstream, "--state-dir", "off", "--control", "s"]
    with Server(*words, "--http", f"127.0.0.1:{http_port}", *more, cwd=folder) as server:
        yield server, server.wait_for(r'event="http listening" address=(\S+)')[1] + "/"


def write(folder: Path, services: object) -> None:
    (folder / "new.json").write_text(json.dumps(services))
    (folder / "new.json").rename(folder / "services.json")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def instances(*numbers: int) -> list[dict[str, object]]:
    return [{"id": f"i{number}", "address": f"10.0.{number // 250}.{number % 250 + 1}", "port": 8080} for number in numbers]


SHOP = {
    "web": {"instances": instances(1, 2), "tags": ["v1"], "meta": {"team": "shop"}},
    "db": {"instances": [{**instances(3)[0], "health": "critical"}, *instances(4)]},
    "empty": {"instances": []},
}
