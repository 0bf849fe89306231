"""Decides the wait between two questions to an agent. There is no tight loop, whatever it answers."""

from __future__ import annotations

import threading
import time

BURST, PER_S = 10, 100.0  # answers in a row, and per second: more often nothing is published
WORK_SHARE = 4  # and a rest of so many times the work that an answer made: at most a fifth of a core for each asker
ALL_PER_S = 500.0  # answers about single services, of all together: where everything flaps, the agent's work and ours stay bounded
IDLE_MIN_S, IDLE_MAX_S = 0.1, 2.0  # after an answer that came at once with the index it had; doubled each time
AT_ONCE_S = 1.0


class TokenBucket:
    """So many at once, and then so many a second. May be used by several threads at once."""

    def __init__(self, burst: float, per_s: float) -> None:
        self.per_s = per_s
        self._burst = burst
        self._tokens, self._at = burst, time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Seconds to wait for what was taken now."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self.per_s) - 1
            self._at = now
            return max(0.0, -self._tokens / self.per_s)


class Pace:
    """The pace of one thread that asks again and again."""

    def __init__(self, per_s: float = PER_S, shared: TokenBucket | None = None) -> None:
        """*shared*: with other paces. Belongs to the thread that makes it."""
        self._own, self._shared = TokenBucket(BURST, per_s), shared
        self._idle_s = IDLE_MIN_S
        self._worked_s = time.thread_time()

    def after(self, *, is_moved: bool, took_s: float, per_s: float | None = None) -> float:
        """The wait after a question. *is_moved*: the index has changed. *took_s*: of the question, waiting included. *per_s*: from now on."""
        self._own.per_s = per_s or self._own.per_s
        worked_s, self._worked_s = self._worked_s, time.thread_time()
        waits_s = [self._own.take(), WORK_SHARE * (self._worked_s - worked_s)]
        if self._shared is not None:
            waits_s.append(self._shared.take())
        if is_moved or took_s >= AT_ONCE_S:
            self._idle_s = IDLE_MIN_S
            return max(waits_s)
        wait_s, self._idle_s = self._idle_s, min(2 * self._idle_s, IDLE_MAX_S)
        return max(wait_s, *waits_s)
