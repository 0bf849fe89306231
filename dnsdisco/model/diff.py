"""Finds the difference between two views. Unchanged services are shared by identity, so a pass over them is cheap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from dnsdisco.model.entry import Entry
from dnsdisco.model.service import Service, Snapshot

Key = tuple[str, str]  # Service.key: namespace and raw name
K = TypeVar("K")
T = TypeVar("T")


class Change(NamedTuple):
    """The step of a catalog from one state to the next: entries that are new or different, and keys that are gone."""

    put: tuple[Entry, ...] = ()
    drop: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.drop)


def changed_keys(old: Mapping[Key, Service], new: Snapshot) -> Iterable[Key]:
    """Keys of services that differ, that are new or that are gone.

    O(changes) where the provider lists what it changed since *old*, else one pass of identity comparisons: about 1 ms for 10,000
    services. Services that are equal without being the same object are not a change.
    """
    if new.changed is not None and old:
        added = sum(key in new.services and key not in old for key in new.changed)
        removed = sum(key in old and key not in new.services for key in new.changed)
        if len(old) + added - removed == len(new.services):  # else it is not the difference from *old*
            return [key for key in new.changed if old.get(key) != new.services.get(key)]
    return _differing(old, new.services)


def catalog_change(old: Mapping[str, Entry], new: Mapping[str, Entry]) -> Change:
    """The change from one whole catalog to another. O(entries)."""
    differing = _differing(old, new)
    return Change(tuple(new[key] for key in differing if key in new), tuple(key for key in differing if key not in new))


def _differing(old: Mapping[K, T], new: Mapping[K, T]) -> list[K]:
    old_get = old.get
    others = [key for key, value in new.items() if old_get(key) is not value]
    differing = [key for key in others if old_get(key) != new[key]]
    added = sum(key not in old for key in differing)
    if len(old) + added != len(new):  # else nothing is gone, and there is no need to look for it
        differing.extend(key for key in old if key not in new)
    return differing
