"""Questions that failed, remembered for a moment, so that clients that ask again and again do not make it worse (RFC 9520)."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

Reasons = tuple[tuple[int, str], ...]  # Extended DNS Errors: code and text


class Failure(NamedTuple):
    until: float
    delay_s: float
    reasons: Reasons


class Failures:
    """Questions that failed lately, at most *entries_max*; dropping the oldest costs one more question to an upstream."""

    def __init__(self, entries_max: int) -> None:
        self.entries_max = entries_max
        self._failures: OrderedDict[bytes, Failure] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def get(self, key: bytes, now: float) -> Failure | None:
        """The failure that still counts."""
        failure = self._failures.get(key)
        return failure if failure is not None and now < failure.until else None

    def add(self, key: bytes, now: float, reasons: Reasons, *, first_s: float, most_s: float) -> None:
        """Remember it for *first_s*, or for twice as long as the time before, when that was not long ago; at most for *most_s*."""
        before = self._failures.pop(key, None)
        delay_s = first_s
        if before is not None and now < before.until + most_s:
            delay_s = max(first_s, min(2 * before.delay_s, most_s))
        while self._failures and len(self._failures) >= self.entries_max:
            self._failures.popitem(last=False)
        self._failures[key] = Failure(now + delay_s, delay_s, reasons)

    def forget(self, key: bytes) -> bool:
        return self._failures.pop(key, None) is not None

    def known(self) -> list[bytes]:
        return list(self._failures)

    def clear(self) -> None:
        self._failures.clear()
