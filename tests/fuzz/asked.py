"""What control is asked over HTTP, through both of its doors. Nothing that comes may cost a fault of ours."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from concurrent.futures import Future
from functools import cache
from typing import Any

import h11

from dnsdisco.admin.api import Api
from dnsdisco.admin.connection import Connection, Connections, READ_OCTETS
from dnsdisco.admin.gate import Gate
from dnsdisco.admin.rate import RequestRate
from dnsdisco.control.asked_workers import AskedWorkers
from dnsdisco.control.counters import Counters, Totals
from dnsdisco.control.facts import ConfigView, ControlFacts, Explained, Reloaded, ServerStatus
from dnsdisco.control.query_log import QueryLog
from dnsdisco.presentation.question import owner_of, type_of
from dnsdisco.wire.constants import type_to_text
from dnsdisco.wire.name import from_text, to_text
from tests.control.harness import Log
from tests.fuzz.reader import Reader

REPLY = bytes.fromhex("000084000000000000000000")
REPLY_MAX = 65536
SENT_MAX = READ_OCTETS  # of one case: behind more of it, the end of a client that follows shows later
STATUSES = frozenset({200, 400, 403, 404, 405, 413, 421, 429, 431, 501, 503, 505})


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


# a worker's word for a flush


def _flushed(octets: bytes) -> None:
    """A message of a worker: it counts, or it is passed over."""
    try:
        message = json.loads(octets)
    except (ValueError, RecursionError):
        return
    if isinstance(message, dict):
        _loop().run_until_complete(_told(message))


async def _told(message: dict[str, Any]) -> None:
    AskedWorkers(lambda: None, None, lambda: "svc.local", Log()).take(0, message)  # type: ignore[arg-type,return-value]


# pages


class _Control:
    """Of no services: the pages themselves have tests of their own."""

    def view(self) -> ControlFacts:
        return ControlFacts(7, 1e9, True, (), (), 0, 0, 1, 0, 0)

    def services(self) -> list[Any]:
        return []

    def service(self, name: str) -> None:
        assert isinstance(name, str)

    def totals(self) -> Totals:
        return Counters(1, {}, lambda _: None).totals()

    def figures(self) -> dict[str, int]:
        return {}

    def status(self) -> ServerStatus:
        return ServerStatus(self.view(), None, False, (), ("svc.local",), (), ())

    def configuration(self) -> ConfigView:
        return ConfigView(None, {}, {})

    def reload(self) -> Reloaded:
        return Reloaded()

    @property
    def workers(self) -> _Control:
        return self

    @property
    def queries(self) -> QueryLog:
        return QueryLog(lambda: self)  # type: ignore[arg-type,return-value]

    def tell(self, message: dict[str, Any], worker: int | None = None) -> None:
        json.dumps(message)

    def explain(self, name: str, rtype: str, client: str) -> Future[Explained]:
        question = owner_of(name, "svc.local"), type_of(rtype, name)
        ipaddress.ip_address(client)
        future: Future[Explained] = Future()
        future.set_result(Explained(to_text(question[0]), type_to_text(question[1]), REPLY, (), (), 7, 0))
        return future

    def flush(self, name: str | None, *, is_tree: bool) -> Future[list[int | None]]:
        assert name is None or (isinstance(name, str) and name)
        assert isinstance(is_tree, bool)
        from_text(name or "")
        future: Future[list[int | None]] = Future()
        future.set_result([0, None])
        return future

    def ask(self, question: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(question())
        return future


def _pages(octets: bytes) -> None:
    """Over TCP, and over the control socket."""
    for names in ({"here.example"}, None):
        _loop().run_until_complete(_ask_pages(octets, names))


async def _ask_pages(octets: bytes, names: set[str] | None) -> None:
    """Replies that can be read, of known kinds, as many as were asked for at the most; and nothing is logged as a fault of ours."""
    log = Log()
    pages = Api(_Control(), "0", 7, log)  # type: ignore[arg-type]
    door = Connections(pages, Gate(pages, names))
    door.gate._rate = RequestRate(1e9, 10**6, 1.0)  # a pace is for clients, and costs no octets
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours, limit=READ_OCTETS)
    with theirs:
        theirs.setblocking(False)
        theirs.send(octets[:SENT_MAX])
        theirs.shutdown(socket.SHUT_WR)
        serving = asyncio.ensure_future(Connection(door, reader, writer).serve())
        out = bytearray()
        while more := await _loop().sock_recv(theirs, REPLY_MAX):
            out += more
        await serving
    assert not log.said("internal error in a page")
    assert not door.ordinary
    assert not door.watchers
    _are_replies(bytes(out))


def _are_replies(out: bytes) -> None:
    while out:
        head, end, out = out.partition(b"\r\n\r\n")
        assert end
        line, *headers = head.split(b"\r\n")
        assert int(line.split(b" ")[1]) in STATUSES, line
        fields = {name.lower(): value for name, _, value in (header.partition(b": ") for header in headers)}
        if out.startswith(b"HTTP/1.1 "):
            continue  # to HEAD: no body
        if fields.get(b"content-type") == b"text/event-stream":
            return  # it ends when the client does
        if b"content-length" in fields:
            body, out = out[: int(fields[b"content-length"])], out[int(fields[b"content-length"]) :]
            assert not body or fields[b"content-type"] != b"application/json" or isinstance(json.loads(body), dict)
        else:
            reader = h11.Connection(h11.CLIENT)
            reader.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
            reader.send(h11.EndOfMessage())
            reader.receive_data(head + end + out)
            while not isinstance(event := reader.next_event(), h11.EndOfMessage):
                assert event is not h11.NEED_DATA
            out = reader.trailing_data[0]


_GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
_HTTP_WORDS = (
    b"\r\n", b"\n", b"\r", b" ", b"\0", b":", b"GET ", b"HEAD ", b"POST ", b"OPTIONS ", b"CONNECT ", b" HTTP/1.0\r\n", b" HTTP/1.1\r\n", b"Host: 127.0.0.1\r\n", b"Host: evil.example\r\n", b"Host: [::1]:80\r\n", b"Origin: http://evil.example\r\n",
    b"Origin: null\r\n", b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Upgrade: websocket\r\nConnection: upgrade\r\n", b"Expect: 100-continue\r\n", b"http://localhost", b"//", b"/..", b"%00", b"%ff", b"%2f",
    b"/v1/services/", b"/v1/services", b"?name=", b"&tree=true", b"?index=99999999999", b"?wait=5m", b"/v1/sd/prometheus", b"/v3/discovery:endpoints", b"/v1/status", b"/v1/openapi.json", b"/v1/reload", b"[" * 3000, b"/metrics", b"?x=y", b"#", b"\xff", b"*", b"x" * 400, _GET,
)  # fmt: skip

READERS = {
    "word of a flush": Reader((b'{"op": "flushed", "id": 1, "dropped": 3}',), (b"id", b"dropped", b"op"), _flushed, is_tree=True),
    "pages": Reader(
        (_GET, _GET * 3, b"HEAD /v1/services HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /v1/services/web HTTP/1.1\r\nHost: here.example\r\nOrigin: http://here.example\r\n\r\n", b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
         b"POST /v1/cache/flush?name=Example.com&tree=1 HTTP/1.1\r\nHost: dnsdisco\r\n\r\n", b'POST /v3/discovery:endpoints HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n{"resource_names": ["web"]}',
         b"GET /v1/services/web?index=7&wait=0.01s HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 3\r\n\r\n"),
        _HTTP_WORDS, _pages,
    ),
}  # fmt: skip
