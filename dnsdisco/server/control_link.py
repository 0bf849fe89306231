"""A worker's end of the link: control's messages into the replica, one piece a loop turn, and ours out without ever waiting.

What the messages are and how they follow each other is in `model/delta.py`. Nothing that comes on the link can end the worker: what
cannot be read is counted, and the whole catalog is asked for again; the one in use goes on answering.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from dnsdisco.model import unread
from dnsdisco.model.delta import (
    Assembler,
    Joiner,
    Message,
    pack,
    PIECE_OCTETS,
    records_from_plain,
    states_from_plain,
    ZoneRecord,
)
from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.model.unread import Unread

log = logging.getLogger("dnsdisco.link")

ASK_S = 1.0  # between two requests for the whole catalog
SILENCE_S = 3.0  # in the middle of a whole catalog: its sender has gone
REPLAY_DATAGRAMS = 16  # taken before the loop's other users have a turn: a few ms
UPSTREAMS_MAX = 64  # whose state is reported to control, each in a line of its pages
QUEUE_DATAGRAMS_MAX = 64  # that control has not read; the oldest go first, for each `applied` includes the one before
_OF_A_WHOLE = frozenset(("begin", "services", "put", "zone", "end"))


class CatalogSink(Protocol):
    """The target of the messages (`replica.py`). A method returns False if its message does not fit the catalog; then the whole is needed."""

    def begin(self, serial: int) -> None: ...
    def put(self, entries: Iterable[Entry]) -> None: ...
    def put_unread(self, services: Unread) -> None: ...
    def end(self, serial: int, states: Iterable[ProviderState]) -> bool: ...
    def change(
        self,
        base: int,
        serial: int,
        put: Iterable[Entry],
        drop: Iterable[str],
        states: Iterable[ProviderState] | None,
        *,
        more: bool,
    ) -> bool: ...
    def set_states(self, states: Iterable[ProviderState]) -> None: ...
    def set_records(self, base: int, serial: int, records: Iterable[ZoneRecord], *, more: bool) -> bool: ...
    def flush(self, name: str | None, *, is_tree: bool) -> int: ...


class ControlLink:
    """Event loop only. Does not own the socket. *tick* is to be called about once a second."""

    def __init__(
        self,
        sock: socket.socket,
        replica: CatalogSink,
        loop: asyncio.AbstractEventLoop,
        *,
        on_settings: Callable[[dict[str, Any]], None],
        on_whole: Callable[[], None],
        on_closed: Callable[[], None],
        statistics: Callable[[], Mapping[str, int]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """*on_whole*: a whole catalog is in use now. *on_closed*: no process holds the other end any more."""
        self.counters: Counter[str] = Counter()
        self.serial = 0  # of the catalog in use; 0: none yet
        self._life = time.time_ns()  # tells our counters from those of the worker before us
        self._sock, self._replica, self._loop = sock, replica, loop
        self._on_settings, self._on_whole, self._on_closed = on_settings, on_whole, on_closed
        self._statistics = statistics
        self.inspect: Callable[[Message], None] = lambda _: None  # what control asks for people
        self.upstreams: Callable[[], Sequence[Mapping[str, object]]] = tuple  # each as JSON, for control's pages
        self._now = now
        self._assembler, self._joiner = Assembler(), Joiner()
        self._queue: deque[bytes] = deque()
        self._is_writing = self._is_closed = False
        self._is_lost = True  # what comes does not continue what is here: pass it over until a whole begins
        self._whole_serial: int | None = None  # between begin and end
        self._asked_at = self._piece_at = float("-inf")
        self._heard_at = now()
        self._is_replaying = False

    @property
    def silent_s(self) -> float:
        """Seconds since control's last message, or since this link began."""
        return self._now() - self._heard_at

    @property
    def is_free(self) -> bool:
        """Nothing waits to be read by control."""
        return not self._queue

    async def replay(self, datagrams: Iterable[bytes]) -> None:
        """Before start(): take the catalog that is kept (journal.py) as if it came now. What then comes on the link does not continue it."""
        self._is_replaying = True
        for number, datagram in enumerate(datagrams, 1):
            self._take_datagram(datagram)
            if self.counters["resyncs"]:
                break
            if number % REPLAY_DATAGRAMS == 0:
                await asyncio.sleep(0)
        self._assembler = Assembler()
        self._is_replaying, self._is_lost, self._whole_serial = False, True, None
        if self.serial:
            self._on_whole()

    def start(self) -> None:
        self._sock.setblocking(False)
        self._loop.add_reader(self._sock.fileno(), self._readable)
        self._ask()

    def tick(self) -> None:
        """Ask again for what has not come; send the counters."""
        if self._is_closed:
            return
        if self._is_lost and (self._whole_serial is None or self._now() - self._piece_at > SILENCE_S):
            self._ask()
        if not self._queue:  # else control does not read: newer figures will do
            self._count()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._sock.fileno())
            self._write(is_wanted=False)

    # in

    def _readable(self) -> None:
        """One datagram a turn: a catalog of 10,000 services comes in a few hundred turns, and between two of them queries are answered."""
        try:
            datagram = self._sock.recv(PIECE_OCTETS + 1)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            log.warning("the link to control: %s", error.strerror or error)
            self._lose()
            return
        if not datagram:
            self._lose()
            return
        self._heard_at = self._now()
        self._take_datagram(datagram)

    def _take_datagram(self, datagram: bytes) -> None:
        try:
            message = self._assembler.feed(datagram)
            if message is None or message["op"] in _OF_A_WHOLE:
                self._piece_at = self._now()
            if message is not None:
                self.counters["messages"] += 1
                self._take(message)
        except Exception as error:  # noqa: BLE001  # whatever it was: it came from outside, and the whole makes it good
            self.counters["faults"] += 1
            log.warning("a message on the link cannot be used (%s: %s)", type(error).__name__, error)
            self._resync()

    def _lose(self) -> None:
        self.close()
        self._on_closed()

    def _take(self, message: Message) -> None:
        replica = self._replica
        match message["op"]:
            case "begin":
                self._is_lost, self._whole_serial = True, int(message["serial"])
                self._joiner = Joiner()
                replica.begin(self._whole_serial)
            case "services" if self._whole_serial is not None:
                replica.put_unread(unread.from_plain(message))
            case "put" if self._whole_serial is not None:
                replica.put(self._joiner.take(message["entries"]))
            case "zone" if self._whole_serial is not None or not self._is_lost:
                self._take_zone(message)
            case "end" if self._whole_serial == message["serial"]:
                serial, self._whole_serial = message["serial"], None
                if not replica.end(serial, states_from_plain(message["providers"])):
                    self._resync()
                    return
                self._is_lost = False
                self._applied(serial)
                if not self._is_replaying:
                    self._on_whole()
            case "delta" if not self._is_lost:
                self._take_change(message)
            case "providers" if not self._is_lost or (self.serial and self._whole_serial is None):
                replica.set_states(states_from_plain(message["providers"]))
            case "alive":
                pass
            case "settings":
                self._on_settings(message["settings"])
            case "flush":
                dropped = replica.flush(message["name"], is_tree=bool(message["tree"]))
                self._count()
                self.send({"op": "flushed", "id": message["id"], "dropped": dropped})
            case "explain" | "record":
                self.inspect(message)
            case "begin" | "services" | "put" | "zone" | "end" | "delta" | "providers":
                self.counters["passed_over"] += 1
            case op:
                self.counters["unknown"] += 1
                log.debug("unknown message %r on the link", op)

    def _take_change(self, message: Message) -> None:
        plain_states = message.get("providers")
        more = bool(message["more"])
        fits = self._replica.change(
            message["base"],
            message["serial"],
            self._joiner.take(message["put"]),
            message["drop"],
            None if plain_states is None else states_from_plain(plain_states),
            more=more,
        )
        if not fits:
            self._resync()
        elif not more:
            self._applied(message["serial"])

    def _take_zone(self, message: Message) -> None:
        more = bool(message["more"])
        records = records_from_plain(message["records"])
        if not self._replica.set_records(message["base"], message["serial"], records, more=more):
            self._resync()
        elif not more and self._whole_serial is None:
            self._applied(message["serial"])

    # out

    def _count(self) -> None:
        upstreams = self.upstreams()[:UPSTREAMS_MAX]
        self.send(
            {"op": "counters", "life": self._life, "pid": os.getpid(), "counters": dict(self._statistics()), "upstreams": upstreams}
        )

    def _applied(self, serial: int) -> None:
        self.serial = serial
        if not self._is_replaying:
            self.send({"op": "applied", "serial": serial})

    def _resync(self) -> None:
        """Ask for the whole catalog, because a message does not fit the one in use, which stays in use."""
        self.counters["resyncs"] += 1
        self._is_lost, self._whole_serial = True, None
        self._ask()

    def _ask(self) -> None:
        if self._now() - self._asked_at >= ASK_S and not self._is_replaying:
            self._asked_at = self._now()
            self.send({"op": "resync" if self.serial else "hello", "serial": self.serial})

    def send(self, message: Message) -> None:
        """Queue it. Beyond the bound the oldest ones are left out."""
        self._queue.extend(pack(message))
        while len(self._queue) > QUEUE_DATAGRAMS_MAX:
            self._queue.popleft()
            self.counters["unsent"] += 1
        self._pump()

    def _pump(self) -> None:
        while self._queue and not self._is_closed:
            try:
                self._sock.send(self._queue[0])
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.counters["unsent"] += 1  # reading shows whether the other end is gone for good
            self._queue.popleft()
        self._write(is_wanted=bool(self._queue) and not self._is_closed)

    def _write(self, *, is_wanted: bool) -> None:
        if is_wanted != self._is_writing:
            self._is_writing = is_wanted
            if is_wanted:
                self._loop.add_writer(self._sock.fileno(), self._pump)
            else:
                self._loop.remove_writer(self._sock.fileno())
