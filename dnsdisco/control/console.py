"""The private socket behind `dnsdisco cache`: one request and one reply a connection, each a line of JSON.

{"op": "flush", "name": "example.com"|null, "tree": false}  →  {"dropped": [3, 0], …}   by worker; null: no answer
{"op": "cache"}                                             →  {"workers": 2, "counters": {"hits": 17, …}}
whatever cannot be done                                     →  {"error": "…"}

HTTP reads alone (ADR 0013); what changes something comes this way. Only this user and root may ask: the socket's mode is 0600, and the
peer's user as the kernel reports it (SO_PEERCRED) is checked. Whatever is sent here costs DNS nothing: it is another process.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from dnsdisco.control.console_socket import bind, unbind
from dnsdisco.control.counters import Totals
from dnsdisco.control.log import Logger
from dnsdisco.errors import WireError
from dnsdisco.model.delta import Message
from dnsdisco.wire.name import from_text

REQUEST_OCTETS_MAX = 4096  # a name of 255 octets, each of them escaped, takes 1,020
REQUEST_S = 5.0  # from the connection to the end of the request: the client is a program
FLUSHED_S = 3.0  # for the workers to report that it is done; the largest cache takes one a second and a half
CONVERSATIONS_MAX = 8  # at a time; one more ends the longest silent, and waits in the kernel where none is silent
CACHE = "cache."  # what these counters of the workers begin with


class CommandRefused(Exception):
    """A request that is not carried out; the text is for a person."""


class Workers(Protocol):
    """The publisher, as seen from here."""

    @property
    def links(self) -> Sequence[object]: ...
    def flush(self, request: int, name: str | None, *, is_tree: bool) -> None: ...


class Console:
    """All methods belong to the loop's thread; none waits, none raises for what is wrong with the path."""

    def __init__(self, workers: Callable[[], Workers], totals: Callable[[], Totals], log: Logger) -> None:
        self._workers, self._totals, self._log = workers, totals, log
        self._loop = asyncio.get_running_loop()
        self._path: str | None = None
        self._socket: socket.socket | None = None
        self._conversations: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.Task[None], None] = {}  # of them, those without a whole request; the oldest first
        self._leaving: set[asyncio.Task[None]] = set()  # those that were sent away, until they have ended
        self.sent_away = 0
        self._is_accepting = False
        self._requests = 0
        self._flushes: dict[int, _Flush] = {}

    def apply(self, path: str | None) -> None:
        """Listen there from now on; None: nowhere. Nothing happens when it is the one there is."""
        if path == self._path:
            return
        self._shut()
        self._path = path
        if path is None:
            return
        try:
            self._socket = bind(path)
        except OSError as error:
            self._log.info("no control socket: `dnsdisco cache` cannot reach this server", path=path, reason=error.strerror)
            return
        self._log.info("control socket", path=path)
        self._accept(is_wanted=True)

    def take(self, worker: int, message: Message) -> None:
        """A `flushed` message of a worker. One that no request waits for any more is passed over."""
        request, dropped = message.get("id"), message.get("dropped")
        flush = self._flushes.get(request) if isinstance(request, int) else None
        if flush is not None and isinstance(dropped, int):
            flush.take(worker, dropped)

    def close(self) -> None:
        self._shut()
        for conversation in self._conversations:
            conversation.cancel()

    def _shut(self) -> None:
        if self._socket is not None and self._path is not None:
            self._accept(is_wanted=False)
            unbind(self._path, self._socket)
        self._socket = None

    def _accept(self, *, is_wanted: bool) -> None:
        if self._socket is None or is_wanted == self._is_accepting:
            return
        self._is_accepting = is_wanted
        if is_wanted:
            self._loop.add_reader(self._socket.fileno(), self._acceptable)
        else:
            self._loop.remove_reader(self._socket.fileno())

    def _acceptable(self) -> None:
        assert self._socket is not None
        try:
            peer, _ = self._socket.accept()
        except OSError:  # it has gone again, or there are no descriptors: it waits
            return
        peer.setblocking(False)
        conversation = self._loop.create_task(self._converse(peer))
        self._conversations.add(conversation)
        self._silent[conversation] = None
        conversation.add_done_callback(self._ended)
        conversation.add_done_callback(lambda _: peer.close())  # one that is cancelled before it begins closes nothing
        if len(self._conversations) > CONVERSATIONS_MAX:
            longest = next(iter(self._silent))  # not this one: it is the newest, and taken only where another is silent
            del self._silent[longest]
            self._conversations.discard(longest)  # its place is free now
            self._leaving.add(longest)
            self.sent_away += 1
            longest.cancel()
        self._look()

    def _ended(self, conversation: asyncio.Task[None]) -> None:
        self._conversations.discard(conversation)
        self._leaving.discard(conversation)
        self._silent.pop(conversation, None)
        self._look()

    def _look(self) -> None:
        """Accept another connection while there is room, or one that can make room."""
        self._accept(is_wanted=len(self._conversations) < CONVERSATIONS_MAX or bool(self._silent))

    async def _converse(self, peer: socket.socket) -> None:
        with peer, suppress(OSError, TimeoutError):  # a client that goes away without an answer needs none
            try:
                reply = await self._reply(peer)
            except CommandRefused as error:
                reply = {"error": str(error)}
            async with asyncio.timeout(REQUEST_S):
                await self._loop.sock_sendall(peer, json.dumps(reply).encode() + b"\n")

    async def _reply(self, peer: socket.socket) -> dict[str, Any]:
        async with asyncio.timeout(REQUEST_S):
            request = await self._request(peer)  # first: what is left unread would cost the peer our reply
        if (conversation := asyncio.current_task()) is not None:
            self._silent.pop(conversation, None)
        if not _may_ask(peer):
            raise CommandRefused("only the user that the server runs as, and root, may ask this")
        match request.get("op"):
            case "flush":
                return await self._flush(request.get("name"), is_tree=bool(request.get("tree")))
            case "cache":
                return self._cache()
            case _:
                raise CommandRefused("this server does not know that request; is it of an older version?")

    async def _request(self, peer: socket.socket) -> dict[str, Any]:
        octets = b""
        while not octets.endswith(b"\n"):
            more = await self._loop.sock_recv(peer, REQUEST_OCTETS_MAX)
            octets += more
            if not more or len(octets) > REQUEST_OCTETS_MAX:
                raise CommandRefused("expected one line of JSON")
        try:
            request = json.loads(octets)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            raise CommandRefused("expected one line of JSON")
        return request

    async def _flush(self, name: object, *, is_tree: bool) -> dict[str, Any]:
        """In every worker. A worker that does not report in time has been killed, and its successor begins empty, or hangs."""
        if name is not None and not (name and isinstance(name, str)):
            raise CommandRefused("expected a domain name")
        try:
            from_text(name or "")
        except WireError as error:
            raise CommandRefused(f"{name!r} is not a domain name: {error}") from None
        workers = self._workers()
        self._requests += 1
        number = self._requests  # others may come before this one is done
        flush = self._flushes[number] = _Flush(len(workers.links))
        try:
            workers.flush(number, name, is_tree=is_tree)
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSHED_S):
                    await flush.is_done.wait()
        finally:
            del self._flushes[number]
        self._log.info("cache flushed", name=name or "(all)", tree=is_tree, dropped=sum(filter(None, flush.dropped)))
        return {"dropped": flush.dropped}

    def _cache(self) -> dict[str, Any]:
        totals = self._totals()
        figures = {**totals.counts, **totals.levels}
        counters = {name.removeprefix(CACHE): count for name, count in figures.items() if name.startswith(CACHE)}
        return {"workers": len(totals.workers), "counters": counters}


class _Flush:
    """One that is on its way."""

    def __init__(self, workers: int) -> None:
        self.dropped: list[int | None] = [None] * workers
        self.is_done = asyncio.Event()

    def take(self, worker: int, dropped: int) -> None:
        self.dropped[worker] = dropped
        if None not in self.dropped:
            self.is_done.set()


def _may_ask(peer: socket.socket) -> bool:
    """Where the kernel does not report the user, the mode of the socket and of its folder has to do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid in (0, os.geteuid())
