"""Costly pieces of work, one in each turn of the loop: between two of them the datagrams are answered.

A TLS handshake costs as much as a hundred answers. Done as they come, those of a flood would all be done in one turn.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

REST_S = 0.0005  # since the last piece: by then the loop has turned, if it had anything else to do


class CostlyWork:
    """First come, first served. Whoever takes a turn waits for it before it takes another, which bounds the queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float] = time.monotonic) -> None:
        self._loop = loop
        self._now = now
        self._worked_at = float("-inf")
        self._waiting: deque[Callable[[], None]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, work: Callable[[], None]) -> None:
        """Call *work* in one of the next turns. It may no longer be wanted by then: that is for it to see."""
        self._waiting.append(work)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._run)

    def try_now(self, work: Callable[[], None]) -> bool:
        """Call *work* at once if no other waits and nothing was done a moment ago: a lone client need not wait for a turn. False: not called."""
        if self._waiting or self._now() - self._worked_at < REST_S:
            return False
        work()
        self._worked_at = self._now()
        return True

    def _run(self) -> None:
        work = self._waiting[0]
        try:
            work()
        finally:
            self._worked_at = self._now()
            self._waiting.popleft()  # not before: what it takes anew goes behind the others, in a later turn
            if self._waiting:
                self._loop.call_soon(self._run)
