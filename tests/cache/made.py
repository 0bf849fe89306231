"""Items as `answer` would make them, small: each record is eight octets, a mark and a TTL."""

from __future__ import annotations

from dnsdisco.cache.cache import make_key
from dnsdisco.cache.entry import CacheEntry, Item, Kind

IN = b"\0\1"


def key(name: str = "www.example.com", qtype: int = 1, *, do: bool = False, cd: bool = False) -> bytes:
    wire = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".") if label) + b"\0"
    return make_key(wire, qtype.to_bytes(2, "big") + IN, dnssec_ok=do, checking_disabled=cd)


def item(kind: Kind = Kind.POSITIVE, *ttls: int, mark: int = 0, soa: bool = True, covers: bool | None = None, **other) -> Item:
    body = b"".join(mark.to_bytes(4, "big") + b"\xee\xee\xee\xee" for _ in ttls)
    return Item(
        kind,
        rcode=3 if kind is Kind.NXDOMAIN else 0,
        counts=bytes((0, len(ttls), 0, 0)),
        body=body,
        ttls=tuple((8 * at + 4, ttl) for at, ttl in enumerate(ttls)),
        has_soa=soa and kind is not Kind.POSITIVE,
        covers_name=kind is Kind.NXDOMAIN if covers is None else covers,
        **other,
    )


def ttls_in(body: bytes) -> list[int]:
    return [int.from_bytes(body[at + 4 : at + 8], "big") for at in range(0, len(body), 8)]


def mark_of(entry: CacheEntry, now: float) -> int:
    return int.from_bytes(entry.body(now)[:4], "big")
