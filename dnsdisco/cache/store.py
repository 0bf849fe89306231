"""A table with two bounds, entries and octets, and which entry goes when one is reached.

Approximately the least recently used: the oldest entry goes, unless it was used of late; then it moves to the end of the line and
counts one use less. So a name that is asked for again and again outlives a flood of names that are asked for once, and a hit
costs one assignment.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from dnsdisco.cache.entry import CacheEntry

USES_MAX = 3  # rounds of the table that an entry survives without being used again
PASSED_OVER_MAX = 32  # entries that one eviction spares; then the next one goes, used or not, for the query that pays for it waits


class Store:
    """`evictions`: entries that had to go before their time."""

    def __init__(self, entries_max: int, octets_max: int) -> None:
        self.evictions = 0
        self.octets = 0
        self._entries_max, self._octets_max = entries_max, octets_max
        self._entries: OrderedDict[bytes, CacheEntry] = OrderedDict()
        self.get = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[bytes, CacheEntry]]:
        return iter(self._entries.items())

    def put(self, key: bytes, entry: CacheEntry) -> None:
        """Keep *entry*, in place of the one before; not at all if it is larger than everything together may be."""
        before = self._entries.get(key)
        if before is not None:
            entry.uses = before.uses
            self.remove(key)
        octets = entry.octets + len(key)
        if octets > self._octets_max or not self._entries_max:
            return
        self._make_room(octets, 1)
        self._entries[key] = entry
        self.octets += octets

    def remove(self, key: bytes) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self.octets -= entry.octets + len(key)
        return True

    def remove_if(self, is_unwanted: Callable[[bytes], bool]) -> int:
        """Remove what has such a key; how many there were. O(entries)."""
        unwanted = [key for key in self._entries if is_unwanted(key)]
        for key in unwanted:
            self.remove(key)
        return len(unwanted)

    def clear(self) -> int:
        count = len(self._entries)
        self._entries.clear()
        self.octets = 0
        return count

    def limit(self, entries_max: int, octets_max: int) -> None:
        """Other bounds from now on."""
        self._entries_max, self._octets_max = entries_max, octets_max
        self._make_room(0, 0)

    def _make_room(self, octets: int, entries: int) -> None:
        spared = 0
        while self._entries and (len(self._entries) + entries > self._entries_max or self.octets + octets > self._octets_max):
            key, entry = next(iter(self._entries.items()))
            if entry.uses and spared < PASSED_OVER_MAX:
                entry.uses -= 1
                spared += 1
                self._entries.move_to_end(key)
                continue
            self.remove(key)
            self.evictions += 1
