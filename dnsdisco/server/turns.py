"""Costly pieces of work, one in each turn of the loop: between two of them the datagrams are answered.

A TLS handshake costs as much as a hundred answers. Done as they come, those of a flood would all be done in one turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """First come, first served. Whoever takes a turn waits for it before it takes another, which bounds the queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, work: Callable[[], None]) -> None:
        """Call *work* in one of the next turns. It may no longer be wanted by then: that is for it to see."""
        self._waiting.append(work)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        work = self._waiting[0]
        try:
            work()
        finally:
            self._waiting.popleft()  # not before: what it takes anew goes behind the others, in a later turn
            if self._waiting:
                self._loop.call_soon(self._run)
