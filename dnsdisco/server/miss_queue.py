"""The queue of queries that the table of compiled answers does not hold, so that those which it holds need not wait for them.

A known answer costs a microsecond, another one up to a hundred. In a flood of names that have to be forwarded, a batch of 64 would
hold up the next one for 6 ms; so the work on them is done in short turns, and between two of them the sockets are read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from dnsdisco.answer.admit import ClientKey
from dnsdisco.server.serve import Responder
from dnsdisco.server.statistics import BacklogStatistics

TURN_S = 0.0005  # as long as a batch of known answers takes; at least one query is answered in it
WAITING_MAX = 1024  # a tenth of a second's work: a client that waits longer asks again


class Waiting(NamedTuple):
    message: bytes
    peer: str
    client: ClientKey  # what the datagram loop knows *peer* by
    send: Callable[[bytes], None]


class MissQueue(BacklogStatistics):
    """The queue of one socket. `dropped` counts queries that came when WAITING_MAX were there."""

    def __init__(self, responder: Responder, loop: asyncio.AbstractEventLoop, *, clock: Callable[[], float] = perf_counter) -> None:
        self._responder, self._loop, self._clock = responder, loop, clock
        self._waiting: deque[Waiting] = deque()
        self._has_turn = False  # it has been asked for

    def __bool__(self) -> bool:
        """True if a query waits."""
        return bool(self._waiting)

    def put(self, waiting: Waiting) -> None:
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(waiting)
        else:
            self.dropped += 1

    def begin(self) -> None:
        """A batch is answered: a query that waits alone is answered now."""
        if self._waiting and not self._has_turn:
            self._work()

    def finish(self) -> None:
        """Answer all of them."""
        while self._waiting:
            self._answer(self._waiting.popleft())

    def _work(self) -> None:
        self._has_turn = False  # first: a fault of ours must not be the last turn of all
        until = self._clock() + TURN_S
        while self._waiting:
            self._answer(self._waiting.popleft())
            if self._clock() >= until:
                break
        if self._waiting:
            self._has_turn = True
            self._loop.call_soon(self._work)

    def _answer(self, waiting: Waiting) -> None:
        message, peer, client, send = waiting
        self._responder.respond(message, peer, is_tcp=False, send=send, client=client)
