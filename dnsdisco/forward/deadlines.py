"""Timers for many that hardly ever ring: a question sets one, and nearly always its reply comes first.

The event loop's heap costs each of them several comparisons and keeps the cancelled ones; here it is a set a step of time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

STEP_S = 0.02  # timers ring up to this much late, never early; the shortest one is ten times as long
RINGS_A_TURN = 16  # when a thousand questions run out of time together, the loop's other users have their turn in between


class Ringing(Protocol):
    """Holds one timer at most. `slot`: the ticker's; 0: none."""

    slot: int

    def on_time(self) -> None: ...


class Deadlines:
    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        self._loop = loop
        self._now = now
        self._slots: dict[int, set[Ringing]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, exchange: Ringing, after_s: float) -> None:
        """Ring *exchange* in *after_s* seconds, in place of its earlier deadline."""
        self.forget(exchange)
        slot = int((self._now() + after_s) / STEP_S) + 1
        exchange.slot = slot
        self._slots.setdefault(slot, set()).add(exchange)
        if self._timer is None:
            self._timer = self._loop.call_later(STEP_S, self._tick)

    def forget(self, exchange: Ringing) -> None:
        if exchange.slot:
            waiting = self._slots.get(exchange.slot)
            if waiting is not None:
                waiting.discard(exchange)
            exchange.slot = 0

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._slots.clear()

    def _tick(self) -> None:
        current = int(self._now() / STEP_S)
        left = RINGS_A_TURN
        try:
            for slot in sorted(slot for slot in self._slots if slot <= current):
                waiting = self._slots[slot]
                while waiting and left:
                    left -= 1
                    exchange = waiting.pop()
                    exchange.slot = 0
                    exchange.on_time()
                if not left:
                    return
                del self._slots[slot]
        finally:
            if not self._slots:
                self._timer = None
            else:
                self._timer = self._loop.call_later(STEP_S if left else 0, self._tick)
