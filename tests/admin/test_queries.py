"""/v1/queries with workers in the same loop: who sees what, what the workers are told, and what one that does not read costs."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.admin import queries
from dnsdisco.control import query_log
from dnsdisco.control.query_log import Looker
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc, until, Worker


def bench(workers: int = 1, **settings: Any) -> HttpBench:
    return HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, workers, **settings)


def told(worker: Worker) -> list[list[Any]]:
    """The filters of each `record` that comes from now on."""
    said: list[list[Any]] = []
    worker.on_record = lambda message: said.append(message["filters"])
    return said


def row(numbers: list[int], client: str = "10.1.2.3", name: str = "web.svc.local.") -> list[Any]:
    return [numbers, 1796059717123, client, "udp", name, "A", "NOERROR", "table", 0.123, [[0, "why"]]]


class Stream:
    """One that looks, over TCP or over the control socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def events(self, count: int) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        kind = ""
        while len(found) < count:
            line = (await asyncio.wait_for(self.reader.readline(), 5)).decode().strip()
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                found.append((kind, json.loads(line[6:])))
        return found


async def look(made: HttpBench, query: str = "", path: Path | None = None) -> Stream:
    if path is None:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port, limit=2**20)
    else:
        await until(path.exists)
        reader, writer = await asyncio.open_unix_connection(str(path), limit=2**20)
    writer.write(f"GET /v1/queries?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert b" 200 " in head.splitlines()[0], head
    assert b"text/event-stream" in head
    return Stream(reader, writer)


def test_each_sees_what_passes_its_filter_and_over_tcp_no_single_client(tmp_path: Path) -> None:
    async def scenario(made: HttpBench) -> None:
        said = told(made.worker)
        over_tcp = await look(made, "name=*.svc.local&rcode=noerror&source=Table&client=10.0.0.0/8")
        await until(lambda: said)
        assert said[-1] == [[1, ["*.svc.local", "10.0.0.0/8", "NOERROR", "table"]]]
        owner = await look(made, "", tmp_path / "s")
        await until(lambda: len(said[-1]) == 2)
        made.worker.say(
            "queries", rows=[row([1, 2]), row([2], "2001:db8:1:2::3", "other."), row([1, 2], "127.0.0.1"), row([99])], missed=0
        )
        whole = {
            "time": "2026-11-30T17:28:37.123Z",
            "client": "10.1.2.3",
            "transport": "udp",
            "name": "web.svc.local.",
            "type": "A",
            "rcode": "NOERROR",
            "source": "table",
            "ms": 0.123,
            "ede": [{"code": 0, "text": "why"}],
        }
        seen = await owner.events(3)
        assert list(seen[0][1]) == list(whole)
        assert seen[0] == ("query", whole)
        assert [(data["client"], data["name"]) for _, data in seen[1:]] == [
            ("2001:db8:1:2::3", "other."),
            ("127.0.0.1", "web.svc.local."),
        ]
        assert [(kind, data["client"]) for kind, data in await over_tcp.events(2)] == [
            ("query", "10.1.2.0/24"),
            ("query", "127.0.0.1"),
        ]
        made.worker.say("queries", rows=[], missed=7)
        assert await owner.events(1) == await over_tcp.events(1) == [("dropped", {"dropped": 7})]
        over_tcp.writer.close()
        await until(lambda: len(said[-1]) == 1)
        owner.writer.close()
        await until(lambda: said[-1] == [])
        count = len(said)
        await asyncio.sleep(1.3)
        assert len(said) == count  # nobody looks: nothing more is said

    with_http(bench(control=str(tmp_path / "s")), scenario)


def test_a_worker_that_comes_later_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_log, "SAID_AGAIN_S", 0.05)

    async def scenario(made: HttpBench) -> None:
        said = told(made.worker)
        stream = await look(made)
        await until(lambda: len(said) > 3)
        assert said[0] == said[-1] == [[1, [None, None, None, None]]]
        stream.writer.close()
        await until(lambda: said[-1] == [])

    with_http(bench(), scenario)


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("client=nobody", 400, "client: expected a network such as 10.0.0.0/8"),
        ("rcode=NOSUCH", 400, "rcode: expected one of NOERROR"),
        ("source=nowhere", 400, "source: expected one of table, catalog"),
        ("name=" + "*" * 256, 400, "at most 255 characters"),
        ("name=", 400, "expected 1 to"),
        ("name=a&name=b", 400, "given twice"),
        ("client=10.1.2.3", 403, "over the control socket alone"),
        ("client=10.1.2.0/25", 403, "over the control socket alone"),
        ("client=2001:db8::1", 403, "over the control socket alone"),
    ],
)
def test_what_is_asked_wrongly(query: str, status: int, reason: str) -> None:
    async def scenario(made: HttpBench) -> None:
        reply = await made.get(f"/v1/queries?{query}")
        assert (reply.status_code, reason in reply.json()["error"]) == (status, True), reply.text
        assert "record" not in made.worker.seen

    with_http(bench(), scenario)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.0.0.0/8", "10.1.2.0/24", "2001:db8::/48", "::1"])
def test_networks_that_are_shown_may_be_chosen(client: str) -> None:
    async def scenario(made: HttpBench) -> None:
        (await look(made, f"client={client}")).writer.close()

    with_http(bench(), scenario)


def test_few_look_at_a_time() -> None:
    async def scenario(made: HttpBench) -> None:
        streams = [await look(made) for _ in range(query_log.LOOKERS_MAX)]
        reply = await made.get("/v1/queries")
        assert reply.status_code == 503
        assert reply.json()["error"] == "8 clients look at the queries"
        streams[0].writer.close()
        await until(lambda: len(made.control.workers.queries._lookers) == query_log.LOOKERS_MAX - 1)
        (await look(made)).writer.close()
        for stream in streams:
            stream.writer.close()
        await until(lambda: not made.control.workers.queries._lookers)

    with_http(bench(), scenario)


def test_one_that_does_not_read_holds_no_more_than_its_bound_and_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnsdisco.admin.connection.REPLY_S", 1.0)
    monkeypatch.setattr("dnsdisco.admin.connection.UNREAD_OCTETS", 4096)

    async def scenario(made: HttpBench) -> None:
        stream = await look(made)
        stream.writer.transport.pause_reading()  # type: ignore[attr-defined]
        lookers = made.control.workers.queries._lookers
        (looker,) = [each for _, each in lookers.values()]
        deadline = time.monotonic() + 10
        while lookers:
            assert time.monotonic() < deadline
            made.worker.say("queries", rows=[row([1]) for _ in range(100)], missed=0)
            await asyncio.sleep(0.005)
            assert len(looker._rows) <= query_log.UNREAD_MAX
        assert looker._missed > 0
        stream.writer.transport.abort()
        await asyncio.sleep(0)

    with_http(bench(), scenario)


def test_a_looker_loses_no_count() -> None:
    woken: list[int] = []
    looker = Looker(lambda: woken.append(1))
    for _ in range(30):
        looker.hear([row([1])[1:]] * 100, 1)
    assert woken == [1]
    rows, missed = looker.take(10_000)
    assert (len(rows), missed) == (query_log.UNREAD_MAX, 30 + 3000 - query_log.UNREAD_MAX)
    looker.hear([], 0)
    assert woken == [1]
    looker.hear([], 1)
    assert woken == [1, 1]
    assert looker.take(5) == ([], 1)


@pytest.mark.parametrize("rows", [None, "x", [[]]])
def test_a_message_that_is_none_is_passed_over(rows: Any) -> None:
    async def scenario(made: HttpBench) -> None:
        stream = await look(made)
        made.worker.say("queries", rows=rows if rows != [[]] else [[[]]], missed="x" if rows != [[]] else 0)
        made.worker.say("queries", rows=[row([1])], missed=0)
        assert (await stream.events(1))[0][0] == "query"
        stream.writer.close()

    with_http(bench(), scenario)


def test_what_is_shown_of_a_client() -> None:
    assert queries._network("127.0.0.9") == "127.0.0.9"
    assert queries._network("::1") == "::1"
    assert queries._network("192.0.2.77") == "192.0.2.0/24"
    assert queries._network("fe80::1%eth0") == "fe80::/48"
