"""One upstream's reply as it is kept, and how it grows older: TTLs are patched where they stand, nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

# Octets beside the key and the records: objects and their places in the table, measured with CPython 3.11 and rounded up.
ENTRY_OCTETS = 610
PLACE_OCTETS = 12  # for each record
TTL_OCTETS = 135  # for each different TTL but the first


class Kind(Enum):
    POSITIVE = "positive"
    NODATA = "nodata"  # the name exists, the type does not (RFC 2308 §2.2)
    NXDOMAIN = "nxdomain"  # RFC 2308 §2.1
    OTHER = "other"  # another rcode: passed on, never kept


class Item(NamedTuple):
    """The believed part of one reply.

    `body`: the records behind the question. `ttls`: where each TTL stands in it, and its seconds. `counts`: ANCOUNT and NSCOUNT.
    `flags`: AD as it came. `target`: the name at the end of the CNAMEs whose own answer is not in here; b"": none.
    `covers_name`: an NXDOMAIN of the very name that was asked, and so the answer for every type of it.
    """

    kind: Kind
    rcode: int = 0
    flags: int = 0
    counts: bytes = b"\0\0\0\0"
    body: bytes = b""
    ttls: tuple[tuple[int, int], ...] = ()
    has_soa: bool = False
    target: bytes = b""
    covers_name: bool = False


class CacheEntry:
    """An Item with its end. Made by `Cache.keep`. The instants are those of the clock that `now` comes from."""

    __slots__ = (
        "_aged",
        "_elapsed",
        "_ttls",
        "counts",
        "expires_at",
        "flags",
        "has_been_refreshed",
        "hits",
        "is_private",
        "is_signed",
        "kind",
        "octets",
        "rcode",
        "stored_at",
        "target",
        "uses",
    )

    def __init__(self, item: Item, ttls: Iterable[tuple[int, int]], now: float) -> None:
        """*ttls*: as in Item, but as they are to leave."""
        places: dict[int, list[int]] = {}
        for at, seconds in ttls:
            places.setdefault(seconds, []).append(at)
        body = bytearray(item.body)
        for seconds, offsets in places.items():
            octets = seconds.to_bytes(4, "big")
            for at in offsets:
                body[at : at + 4] = octets
        self._aged = bytes(body)
        self._elapsed = 0
        self._ttls = tuple((seconds, tuple(offsets)) for seconds, offsets in places.items())
        self.kind = item.kind
        self.rcode = item.rcode
        self.flags = item.flags
        self.counts = item.counts
        self.target = item.target
        self.stored_at = now
        self.expires_at = now
        self.hits = 0  # in this life; a fresh reply begins anew
        self.uses = 0  # of late: how often eviction passes it over
        self.is_private = (
            False  # with addresses that a public name should not have; looked at where that matters (answer/rebinding.py)
        )
        self.has_been_refreshed = False  # it was busy near its end, and has been asked for anew
        self.is_signed = False  # it was asked for with DO: signatures and proofs are in it, where there are any
        self.octets = (
            ENTRY_OCTETS
            + len(item.body)
            + len(item.target)
            + PLACE_OCTETS * len(item.ttls)
            + TTL_OCTETS * max(len(self._ttls) - 1, 0)
        )

    @property
    def is_negative(self) -> bool:
        return self.kind is not Kind.POSITIVE

    def body(self, now: float) -> bytes:
        """The records with what is left of their TTLs. O(records) once a second, else O(1)."""
        elapsed = int(now - self.stored_at)
        if elapsed != self._elapsed:
            self._aged = self._patched(elapsed, None)
            self._elapsed = elapsed
        return self._aged

    def stale_body(self, ttl: int) -> bytes:
        """The records with *ttl* on each."""
        return self._patched(0, ttl)

    def is_aged(self, now: float) -> bool:
        """True if body() was called before in this second of the entry's life: the answer is wanted more than once a second."""
        return int(now - self.stored_at) == self._elapsed

    def _patched(self, elapsed: int, ttl: int | None) -> bytes:
        body = bytearray(self._aged)
        for seconds, offsets in self._ttls:
            octets = (max(seconds - elapsed, 0) if ttl is None else ttl).to_bytes(4, "big")
            for at in offsets:
                body[at : at + 4] = octets
        return bytes(body)
