"""Since when each published service is what it is: its provider, and its last change. Unix time, of this process."""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.model.diff import Change


class Origin(NamedTuple):
    provider: str
    since: float  # that provider has it
    changed: float


class Provenance:
    """Kept beside the catalog, change by change. O(change)."""

    def __init__(self) -> None:
        self._origins: dict[str, Origin] = {}  # by Entry.key

    def note(self, change: Change, now: float) -> None:
        for key in change.drop:
            self._origins.pop(key, None)
        for entry in change.put:
            old = self._origins.get(entry.key)
            is_same = old is not None and old.provider == entry.provider
            self._origins[entry.key] = Origin(entry.provider, old.since if old is not None and is_same else now, now)

    def of(self, key: str) -> Origin:
        """Raises KeyError for what is not published."""
        return self._origins[key]
