"""Questions that are to be sent, a few in each turn of the loop: between two turns our own names are answered.

A socket, a datagram and a timer cost a hundred microseconds. A burst of new names, all sent as they come in, would hold up an answer from
the table for milliseconds; one turn of the loop makes no difference to a client that waits for an upstream.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

BEGINS_A_TURN = 8


class Beginning(Protocol):
    def begin(self) -> None: ...


class StartQueue:
    """Event loop only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Beginning] = deque()
        self._left = BEGINS_A_TURN
        self._handle: asyncio.Handle | None = None

    def begin(self, who: Beginning) -> None:
        """Call its begin() now, or in one of the next turns."""
        if self._handle is None:
            self._handle = self._loop.call_soon(self._turn)
        if self._left:
            self._left -= 1
            who.begin()
        else:
            self._waiting.append(who)

    def close(self) -> None:
        self._waiting.clear()
        if self._handle is not None:
            self._handle.cancel()

    def _turn(self) -> None:
        waiting, self._left = self._waiting, BEGINS_A_TURN
        self._handle = self._loop.call_soon(self._turn) if waiting else None
        while waiting and self._left:
            self._left -= 1
            waiting.popleft().begin()
