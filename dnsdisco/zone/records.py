"""Extra records of zone files beside the services: owner → type → RRset, with empty non-terminals and wildcards (RFC 4592)."""

from __future__ import annotations

from collections.abc import Iterable

from dnsdisco.model.entry import ExtraRecord
from dnsdisco.wire.name import Labels

Rrsets = dict[int, list[ExtraRecord]]


class ZoneRecords:
    """Built once per change of a zone file, then only read."""

    def __init__(self, records: Iterable[tuple[Labels, ExtraRecord]] = ()) -> None:
        """*records*: the zone each belongs to, and its record, whose owner is relative to that zone."""
        self._owners: dict[tuple[Labels, Labels], Rrsets] = {}
        self._above: set[tuple[Labels, Labels]] = set()  # every ancestor of an owner: empty non-terminals among them
        seen: set[tuple[Labels, tuple[str, ...], int, bytes]] = set()
        for zone, record in records:
            if (zone, record.owner, record.rtype, record.rdata) in seen:
                continue  # the same record twice, of two files maybe, is one (RFC 2181 §5)
            seen.add((zone, record.owner, record.rtype, record.rdata))
            owner = tuple(label.encode("latin-1") for label in record.owner)
            self._owners.setdefault((zone, owner), {}).setdefault(record.rtype, []).append(record)
            for depth in range(1, len(owner) + 1):
                self._above.add((zone, owner[depth:]))
        self._top = frozenset(owner[-1] for _, owner in self._owners if owner)

    def __len__(self) -> int:
        return len(self._owners)

    def top_labels(self) -> frozenset[bytes]:
        """The label right below its zone of every owner and empty non-terminal."""
        return self._top

    def at(self, zone: Labels, owner: Labels) -> Rrsets | None:
        return self._owners.get((zone, owner))

    def exists(self, zone: Labels, owner: Labels) -> bool:
        """There is something at *owner* or below it."""
        key = zone, owner
        return key in self._owners or key in self._above

    def wildcard(self, zone: Labels, closest_encloser: Labels) -> Rrsets | None:
        """The RRsets of the wildcard right below *closest_encloser* (RFC 4592 §3.3.1): none, where only names below it have some (§2.2.2)."""
        key = zone, (b"*", *closest_encloser)
        return self._owners.get(key, {} if key in self._above else None)
