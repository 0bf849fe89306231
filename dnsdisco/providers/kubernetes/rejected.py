"""Objects, and parts of them, that cannot be used: each logged once, all counted."""

from __future__ import annotations

from dnsdisco.model.diff import Key
from dnsdisco.providers.forked import Lock
from dnsdisco.providers.kubernetes.credentials import TYPE
from dnsdisco.providers.log import logger

REASONS_MAX = 10_000  # remembered, so that each is logged once; then they may be logged again
LINES_MAX = 100  # lines of one provider; what comes after is only counted, for no one reads more


class Faults:
    """May be used by several threads at once."""

    def __init__(self) -> None:
        self.count = 0  # objects, or parts of them, left out since the start, repetitions included
        self._lock = Lock()
        self._logged: set[tuple[str, Key | None, str]] = set()
        self._lines = 0

    def log(self, kind: str, key: Key | None, reason: str) -> None:
        with self._lock:
            self.count += 1
            fault = (kind, key, reason)
            if fault in self._logged:
                return
            if len(self._logged) >= REASONS_MAX:
                self._logged.clear()
            self._logged.add(fault)
            self._lines += 1
            line = self._lines
        if line <= LINES_MAX:
            name = "/".join(part for part in key if part) if key else "without a name"
            logger().warning(f"{kind} {name}: left out: {reason}", provider=TYPE)
        if line == LINES_MAX:
            logger().warning("more objects are left out; they are counted and not logged", provider=TYPE)
