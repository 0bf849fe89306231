"""Queries of a real server as they are answered: by the stream, by the command, through the death of a worker, and under load."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import httpx
import pytest

from dnsdisco.cli import main, server_client
from tests.forward.upstream import ScriptedUpstream
from tests.whole.server import Server

pytestmark = pytest.mark.slow


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Server]:
    (folder / "services.yaml").write_text("web: {instances: [{id: a, address: 10.0.0.1, port: 80}]}\n")
    with Server("--services", "services.yaml", "--control", "s", "--state-dir", "off", *arguments, cwd=folder) as server:
        yield server


class Looking:
    """Keeps the events of a stream, in a thread."""

    def __init__(self, path: str, **query: str) -> None:
        self.events: list[server_client.ServerSentEvent] = []
        self._stream = server_client.events(path, "/v1/queries", query)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for event in self._stream:
            self.events.append(event)

    @property
    def queries(self) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.kind == "query"]

    @property
    def dropped(self) -> int:
        return sum(event.data["dropped"] for event in self.events if event.kind == "dropped")

    def until(self, name: str, ask: Any, seconds: float = 10.0) -> dict[str, Any]:
        """The event of *name*, which is asked again and again."""
        deadline = time.monotonic() + seconds
        while not (found := [each for each in self.queries if each["name"] == name]):
            assert time.monotonic() < deadline, self.events
            ask()
            time.sleep(0.1)
        return found[0]


def test_each_source_of_a_real_server(tmp_path: Path) -> None:
    with (
        ScriptedUpstream() as upstream,
        serving(tmp_path, "--upstream", upstream.address, "--http", "127.0.0.1:0", "--workers", "2") as server,
    ):
        looking = Looking(str(tmp_path / "s"))
        looking.until("first.svc.local.", lambda: server.ask("first.svc.local"))
        time.sleep(1.5)  # the other worker has been told, too
        for name, rtype in (("web.svc.local", "A"), ("web.svc.local", "MX"), ("x.onion", "A")):
            server.ask(name, rtype)
        dns.query.udp(dns.message.make_query("svc.local.", "IXFR"), server.address, 5, server.port)
        for _ in range(8):
            server.ask("www.example.com")
            server.ask("web.svc.local")
        server.ask("web.svc.local", tcp=True)
        deadline = time.monotonic() + 5
        while {each["source"] for each in looking.queries} < {"table", "catalog", "cache", "upstream", "special", "refused"}:
            assert time.monotonic() < deadline, looking.queries
            time.sleep(0.05)
        first = looking.queries[0]
        assert list(first) == ["time", "client", "transport", "name", "type", "rcode", "source", "ms", "ede"]
        assert abs(time.time() - time.mktime(time.strptime(first["time"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 30
        assert {each["transport"] for each in looking.queries} == {"udp", "tcp"}
        (mx,) = [each for each in looking.queries if each["type"] == "MX"]
        assert mx["ede"] == [{"code": 0, "text": "web has no MX record"}]
        assert looking.dropped == 0
        url = server.wait_for(r'event="http listening" address=(\S+)')[1]
        with httpx.stream("GET", f"{url}/v1/queries?name=api.*", trust_env=False, timeout=10) as stream:
            lines = stream.iter_lines()
            next(lines)
            time.sleep(0.5)
            server.ask("web.svc.local")
            server.ask("api.svc.local")
            data = next(line for line in lines if line.startswith("data: "))
            assert json.loads(data[6:])["name"] == "api.svc.local."


def test_a_worker_that_died_is_succeeded_by_one_that_is_looked_at(tmp_path: Path) -> None:
    with serving(tmp_path, "--upstream", "none", "--http", "off") as server:
        looking = Looking(str(tmp_path / "s"), name="web.*")
        looking.until("web.svc.local.", lambda: server.ask("web.svc.local"))
        (pid,) = server.children()["server"]
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while server.children()["server"] in ([], [pid]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        looking.events.clear()
        looking.until("web.svc.local.", lambda: server.ask("web.svc.local", timeout=5))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "s")
    with serving(tmp_path, "--upstream", "none", "--http", "off") as server:
        stop = threading.Event()

        def ask() -> None:
            while not stop.wait(0.05):
                server.ask("web.svc.local")
                server.ask("nosuch.svc.local")

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            assert main(["log", "-n", "3", "--name", "NOSUCH.*", "--control", path]) == 0
            lines = capsys.readouterr().out.splitlines()
            assert len(lines) == 3
            assert all(" NXDOMAIN " in line and "nosuch.svc.local. A" in line for line in lines)
            assert main(["log", "-f", "-n", "2", "--json", "--rcode", "noerror", "--source", "table", "--control", path]) == 0
            assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["web.svc.local."] * 2
            assert main(["log", "--rcode", "NOSUCH", "--control", path]) == 2
            assert "expected one of NOERROR" in capsys.readouterr().err
        finally:
            stop.set()
            thread.join()
        ended: list[int] = []
        thread = threading.Thread(target=lambda: ended.append(main(["log", "-f", "--control", path])))
        thread.start()
        time.sleep(0.5)
        server.stop()
        thread.join(10)
        assert ended == [1]
    assert main(["log", "--control", path]) == 1
    assert "no server listens at" in capsys.readouterr().err
