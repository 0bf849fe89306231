"""Bounds the requests that are answered in a second, for all clients together. Time is an argument."""

from __future__ import annotations


class RequestRate:
    """A token bucket whose tokens may be lent: a request that comes too soon gets the time to wait, in the order of arrival."""

    def __init__(self, rate: float, burst: int, wait_s_max: float) -> None:
        """*rate* a second on average, *burst* at once; A request that would wait for longer than *wait_s_max* gets None."""
        self._interval_s, self._ahead_s, self._wait_s_max = 1 / rate, burst / rate, wait_s_max
        self._next_at = float("-inf")  # when the next one's turn would be, had all come evenly

    def wait_s(self, now: float) -> float | None:
        at = max(self._next_at, now - self._ahead_s)
        if at - now > self._wait_s_max:
            return None
        self._next_at = at + self._interval_s
        return max(0.0, at - now)
