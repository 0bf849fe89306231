"""The link between control and a worker, from both sides: what cannot be read is counted, and a whole catalog makes it good."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from functools import cache
from typing import Any

from dnsdisco.control.counters import Counters
from dnsdisco.control.publisher import Publisher
from dnsdisco.control.serials import Serials
from dnsdisco.errors import WireError
from dnsdisco.model import delta
from dnsdisco.model.delta import Assembler, pack
from dnsdisco.model.entry import ProviderState
from dnsdisco.server.control_link import ControlLink
from dnsdisco.server.replica import Replica
from tests.conformance.oracle import judge
from tests.conformance.probes import header, name, opt, question
from tests.fuzz.reader import Reader
from tests.kit import Answers

logging.getLogger("dnsdisco.link").setLevel(logging.CRITICAL)  # a line for each fault is what is wanted, elsewhere
CONTROL = header(counts=(1, 0, 0, 1)) + question(name("_grpc._tcp.web.svc.local"), 33) + opt()
SERIAL = 7
COUNT_MAX = 2**63


def _datagrams(octets: bytes) -> list[bytes]:
    """A list of messages, or the datagrams themselves, a line each."""
    try:
        listed = json.loads(octets)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        return octets.split(b"\n")
    return [datagram for each in listed for datagram in _packed(each)]


def _packed(message: Any) -> list[bytes]:
    """As pack(), also of what is no message. `lines` are octets, which a list of messages has as text."""
    if not isinstance(message, dict):
        return [b"\3" + json.dumps(message).encode()]
    if "lines" not in message:
        return pack(message)
    lines = message["lines"] if isinstance(message["lines"], list) else [message["lines"]]
    return pack({**message, "lines": [str(line).encode("utf-8", "surrogatepass") for line in lines]})


def _assembled(octets: bytes) -> None:
    """Messages, or WireError; what was put into one comes out of it again."""
    assembler = Assembler()
    for datagram in _datagrams(octets):
        try:
            message = assembler.feed(datagram)
        except WireError as error:
            assert error.rcode is None
            continue
        if message is not None:
            fresh = Assembler()
            assert [fresh.feed(each) for each in pack(message)][-1] == message


# the worker's side


class _Worker:
    """One that outlives every case: so does a real one."""

    def __init__(self) -> None:
        self.answers = Answers(recursion=False)
        self.entries = [entry for entry in self.answers.merger.entries.values() if entry.key in ("web", "auth")]
        self.loop = asyncio.new_event_loop()
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.theirs.setblocking(False)
        self.link = ControlLink(
            ours,
            Replica(self.answers.catalog, self.answers.responder),
            self.loop,
            on_settings=_settings,
            on_whole=lambda: None,
            on_closed=lambda: None,
            statistics=dict,
        )
        self.ours = ours

    def take(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.link._take_datagram(datagram)
        self._drain()

    def _drain(self) -> None:
        while True:
            try:
                self.theirs.recv(65536)
            except BlockingIOError:
                return

    def is_right(self) -> None:
        replies: list[bytes] = []
        self.answers.responder.respond(CONTROL, "127.0.0.1", is_tcp=False, send=replies.append)
        assert not (wrong := judge(CONTROL, replies[0], is_tcp=False)), wrong


def _settings(settings: dict[str, Any]) -> None:
    """As the worker's, which reads them as a whole or not at all."""
    if not isinstance(settings, dict):
        raise TypeError("settings that are none")


@cache
def _worker() -> _Worker:
    return _Worker()


def _to_worker(octets: bytes) -> None:
    """Whatever comes, the worker goes on; after a whole catalog it answers from that one, as if nothing had been."""
    worker = _worker()
    worker.take(_datagrams(octets))
    whole = delta.whole(SERIAL, worker.entries, [ProviderState("static", True)])
    worker.take([datagram for message in whole for datagram in pack(message)])
    assert worker.link.serial == SERIAL
    worker.is_right()


# control's side


class _Control:
    def __init__(self) -> None:
        self.counters = Counters(1, {}, json.dumps)
        self.flushed: list[Any] = []
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.theirs.setblocking(False)
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        self.publisher = Publisher(
            [self.ours],
            Serials(1_700_000_000, 0, lambda _: None),
            is_successor=False,
            on_applied=lambda: None,
            on_counters=self.counters.take,
            on_told=lambda _, message: self.flushed.append(message),
        )

    def take(self, datagrams: list[bytes]) -> None:
        link = self.publisher.links[0]
        for datagram in datagrams:
            if not 0 < len(datagram) <= delta.PIECE_OCTETS:
                continue
            self.theirs.send(datagram)
            link._readable()
            for _ in _received(self.theirs):
                link._pump()


def _received(sock: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield sock.recv(65536)
        except BlockingIOError:
            return


@cache
def _control() -> _Control:
    return _Control()


def _to_control(octets: bytes) -> None:
    """Whatever a worker says, control goes on, and can tell what was counted."""
    control = _control()
    control.take(_datagrams(octets))
    totals = control.counters.totals()
    json.dumps([dict(totals.counts), dict(totals.levels), totals.restarts, [list(each) for each in totals.answers]])
    for figures in totals.workers:
        assert isinstance(figures.serial, int)
        assert figures.started is None or isinstance(figures.started, float)
    assert isinstance(control.publisher.is_applied(1), bool)
    control.take(pack({"op": "applied", "serial": SERIAL}))
    assert control.publisher.links[0].applied == SERIAL


def _seed(*messages: Any) -> bytes:
    return json.dumps(messages, default=bytes.decode).encode()


_SAID = Answers(recursion=False)
_ENTRIES = tuple(_SAID.merger.entries.values())
_STATES = (ProviderState("static", True), ProviderState("consul", True, is_stale=True, reason="no contact"))
_TO_WORKER = (
    _seed(*delta.whole(9, _ENTRIES[:4], _STATES)),
    _seed(*delta.change(SERIAL, 8, _ENTRIES[4:7], ["web"], _STATES)),
    _seed(*delta.zone(SERIAL, 8, [((b"svc", b"local"), _ENTRIES[1].records[0])])),
    _seed({"op": "flush", "id": 1, "name": "example.com", "tree": True}, {"op": "alive"}, {"op": "settings", "settings": {}}),
    _seed({"op": "providers", "providers": delta.states_to_plain(_STATES)}),
)  # fmt: skip
_TO_CONTROL = (
    _seed({"op": "hello", "serial": 0}, {"op": "applied", "serial": 5}, {"op": "resync", "serial": 5}),
    _seed(
        {"op": "counters", "life": 1, "counters": {"answers.1.0": 5, "serial": 3, "tcp.open": 1}},
        {"op": "counters", "life": 2, "counters": {"cache.hits": 1}},
    ),
    _seed({"op": "flushed", "id": 1, "dropped": 3}),
)
_RAW = (b"\n".join(pack({"op": "hello", "serial": 0})), b"\1{\n\2}\n\3[]\n\3{}")
_WORDS = (b"op", b"serial", b"base", b"put", b"drop", b"more", b"entries", b"services", b"keys", b"named", b"addressed", b"tags", b"providers", b"records", b"paths", b"instances", b"counters", b"life", b"id", b"name", b"begin", b"end", b"delta", b"zone", b"flush", b"\1", b"\2", b"\3{", b"\n", b"[" * 3000, b"\3" + b"[" * 30_000, b"answers.1.0", b"answers.1")  # fmt: skip

READERS = {
    "pieces on the link": Reader((*_TO_WORKER, *_TO_CONTROL, *_RAW), _WORDS, _assembled),
    "messages to a worker": Reader(_TO_WORKER, _WORDS, _to_worker, is_tree=True),
    "messages to control": Reader(_TO_CONTROL, _WORDS, _to_control, is_tree=True),
}
