"""Since when each published service is what it is: its provider, its last change, its critical instances. Unix time, of this process."""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.model.diff import Change
from dnsdisco.model.service import Health


class Origin(NamedTuple):
    provider: str
    since: float  # that provider has it
    changed: float


class Provenance:
    """Kept beside the catalog, change by change. O(change)."""

    def __init__(self) -> None:
        self._origins: dict[str, Origin] = {}  # by Entry.key
        self._critical: dict[str, dict[tuple[str, str], float]] = {}  # by Entry.key, then by id and address: since when

    def note(self, change: Change, now: float) -> None:
        for key in change.drop:
            self._origins.pop(key, None)
            self._critical.pop(key, None)
        for entry in change.put:
            before = self._critical.pop(entry.key, {})
            sick = [(each.id, each.address) for each in entry.service.instances if each.health is Health.CRITICAL]
            if sick:
                self._critical[entry.key] = {each: before.get(each, now) for each in sick}
            old = self._origins.get(entry.key)
            is_same = old is not None and old.provider == entry.provider
            self._origins[entry.key] = Origin(entry.provider, old.since if old is not None and is_same else now, now)

    def critical_since(self, key: str, instance_id: str, address: str) -> float | None:
        """The instant since which it is critical; None if it is not critical, or not published."""
        return self._critical.get(key, {}).get((instance_id, address))

    def of(self, key: str) -> Origin:
        """Raises KeyError for what is not published."""
        return self._origins[key]
