"""Decides when a child that has died may start again: at once, unless it dies young again and again."""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0  # in which deaths are counted; a child that has lived this long had started well
AT_ONCE_MAX = 5  # deaths in WINDOW_S that cost no wait: a child that a person or a test kills is back at once
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.25, 5.0  # then; doubling with each further young death


class Restarts:
    """The restarts of one child. `young` counts its deaths in a row that came within WINDOW_S of a start."""

    def __init__(self) -> None:
        self.young = 0
        self._deaths: deque[float] = deque()
        self._waits = 0  # in a row

    def died(self, started_at: float, now: float) -> float:
        """Seconds to wait before the next start."""
        is_young = now - started_at < WINDOW_S
        self.young = self.young + 1 if is_young else 1
        self._deaths.append(now)
        while self._deaths[0] <= now - WINDOW_S:
            self._deaths.popleft()
        if not is_young:
            self._waits = 0
        if len(self._deaths) <= AT_ONCE_MAX and not self._waits:
            return 0.0
        self._waits += 1
        return float(min(BACKOFF_MIN_S * 2 ** min(self._waits - 1, 8), BACKOFF_MAX_S))
