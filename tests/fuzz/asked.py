"""What control is asked: the private socket's one line, and the pages over HTTP. Nothing that comes may cost a fault of ours."""

from __future__ import annotations

import asyncio
import json
import socket
from concurrent.futures import Future
from functools import cache
from typing import Any

import h11
import uvicorn
from uvicorn.server import ServerState

from dnsdisco.admin import app, connection
from dnsdisco.admin.middleware import HEAD_OCTETS_MAX
from dnsdisco.admin.rate import RequestRate
from dnsdisco.control.console import Console, REQUEST_OCTETS_MAX
from dnsdisco.control.counters import Counters, Totals
from dnsdisco.control.facts import ControlFacts
from tests.control.harness import Log
from tests.fuzz.reader import Reader

REPLY_MAX = 8192
STATUSES = frozenset({200, 400, 403, 404, 405, 413, 421, 429, 431, 501, 503, 505})


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


# the private socket


class _Workers:
    """That have forgotten at once whatever they are told to."""

    def __init__(self) -> None:
        self.links = [object(), object()]
        self.console: Console | None = None
        self.flushed: list[tuple[str | None, bool]] = []

    def flush(self, request: int, name: str | None, *, is_tree: bool) -> None:
        assert name is None or (isinstance(name, str) and name)
        assert isinstance(is_tree, bool)
        self.flushed.append((name, is_tree))
        assert self.console is not None
        for number in range(len(self.links)):
            self.console.take(number, {"id": request, "dropped": number})


def _request(octets: bytes) -> None:
    """One line of JSON back, whatever came; what was not asked for in full is not done."""
    _loop().run_until_complete(_converse(octets))


async def _converse(octets: bytes) -> None:
    workers = _Workers()
    console = Console(lambda: workers, Counters(2, {}, lambda _: None).totals, Log())  # type: ignore[arg-type,return-value]
    workers.console = console
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        theirs.send(octets[: 2 * REQUEST_OCTETS_MAX])
        theirs.shutdown(socket.SHUT_WR)
        await console._converse(ours)
        reply = theirs.recv(2 * REPLY_MAX)
    assert len(reply) <= REPLY_MAX
    assert reply.endswith(b"\n")
    assert reply.count(b"\n") == 1
    said = json.loads(reply)
    assert set(said) in ({"error"}, {"dropped"}, {"workers", "counters"})
    assert bool(workers.flushed) == ("dropped" in said)
    assert b"flush" in octets or not workers.flushed
    assert not console._flushes


# a worker's word for the same


def _flushed(octets: bytes) -> None:
    """A message of a worker: it counts, or it is passed over."""
    try:
        message = json.loads(octets)
    except (ValueError, RecursionError):
        return
    if isinstance(message, dict):
        _loop().run_until_complete(_told(message))


async def _told(message: dict[str, Any]) -> None:
    Console(lambda: None, lambda: None, Log()).take(0, message)  # type: ignore[arg-type,return-value]


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

    def ask(self, question: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(question())
        return future


class _Transport(asyncio.Transport):
    """What is written to it, in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.out = bytearray()
        self.is_closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.out += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def _pages(octets: bytes) -> None:
    _loop().run_until_complete(_ask_pages(octets))


async def _ask_pages(octets: bytes) -> None:
    """Replies that can be read, of known kinds, as many as were asked for at the most; and nothing is logged as a fault of ours."""
    log = Log()
    pages = app.make(_Control(), {"here.example"}, "0", log)  # type: ignore[arg-type]
    pages._pace = RequestRate(1e9, 10**6, 1.0)  # type: ignore[attr-defined]  # a pace is for clients, and costs no octets
    config = uvicorn.Config(pages, interface="asgi3", ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False, proxy_headers=False, server_header=False, h11_max_incomplete_event_size=HEAD_OCTETS_MAX)  # fmt: skip
    config.load()
    state, transport = ServerState(), _Transport()
    each = connection.HttpConnection(config=config, server_state=state, app_state={})
    each.connection_made(transport)
    if octets:  # asyncio brings no empty ones
        each.data_received(octets)
    while state.tasks:
        await asyncio.wait(state.tasks)
        await asyncio.sleep(0)
    each.connection_lost(None)
    await asyncio.sleep(0)
    assert not log.said("a fault of ours in a page")
    _are_replies(bytes(transport.out))


def _are_replies(out: bytes) -> None:
    while out:
        head, end, out = out.partition(b"\r\n\r\n")
        assert end
        line, *headers = head.split(b"\r\n")
        assert int(line.split(b" ")[1]) in STATUSES, line
        fields = {name.lower(): value for name, _, value in (header.partition(b": ") for header in headers)}
        if out.startswith(b"HTTP/1.1 "):
            continue  # to HEAD: no body
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
    b"/v1/services/", b"/v1/services", b"/metrics", b"?x=y", b"#", b"\xff", b"*", b"x" * 400, _GET,
)  # fmt: skip

READERS = {
    "control socket": Reader(
        (b'{"op": "flush", "name": "Example.com", "tree": true}\n', b'{"op": "flush", "name": null}\n', b'{"op": "cache"}\n', b"{}\n"),
        (b"\n", b'"', b"{", b"[" * 3000, b"\xff", b"\\ud800", b"null", b"1e999", b"a.", b"\\\\", b'"op"', b'"name"', b"flush", b"x" * 5000), _request,
    ),
    "word of a flush": Reader((b'{"op": "flushed", "id": 1, "dropped": 3}',), (b"id", b"dropped", b"op"), _flushed, is_tree=True),
    "pages": Reader(
        (_GET, _GET * 3, b"HEAD /v1/services HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /v1/services/web HTTP/1.1\r\nHost: here.example\r\nOrigin: http://here.example\r\n\r\n", b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        _HTTP_WORDS, _pages,
    ),
}  # fmt: skip
