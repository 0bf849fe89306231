"""The records that a zone has because it is a zone: SOA, NS, and the SOA of a negative answer (RFC 1034 §4.2.1, RFC 2308)."""

from __future__ import annotations

from functools import lru_cache

from dnsdisco.wire import rdata
from dnsdisco.wire.constants import NS, SOA
from dnsdisco.wire.name import Labels, wire_of
from dnsdisco.wire.reply import RR
from dnsdisco.zone.lookup import NAME_SERVER

# For secondaries, of which there are none; the values are CoreDNS's and harmless. Seconds.
REFRESH_S, RETRY_S, EXPIRE_S = 7200, 1800, 86400
HOSTMASTER: Labels = (b"hostmaster",)


@lru_cache(maxsize=64)  # a few zones, one serial at a time; every negative answer needs it
def soa(zone: Labels, serial: int, negative_ttl: int) -> RR:
    """The zone's SOA. Its TTL equals its MINIMUM, so that both mean the same to every cache (RFC 2308 §3 takes the smaller)."""
    mname, rname = wire_of((*NAME_SERVER, *zone)), wire_of((*HOSTMASTER, *zone))
    octets = rdata.soa(mname, rname, serial & 0xFFFFFFFF, REFRESH_S, RETRY_S, EXPIRE_S, negative_ttl)
    return RR(wire_of(zone), SOA, negative_ttl, octets)


def name_server(zone: Labels, ttl: int) -> RR:
    return RR(wire_of(zone), NS, ttl, wire_of((*NAME_SERVER, *zone)))


def empty_zone_soa(zone: Labels, negative_ttl: int) -> RR:
    """The SOA of a special-use zone that is answered here with nothing in it (RFC 6303 §3)."""
    mname, rname = wire_of(zone), wire_of((b"nobody", b"invalid"))
    return RR(wire_of(zone), SOA, negative_ttl, rdata.soa(mname, rname, 1, REFRESH_S, RETRY_S, EXPIRE_S, negative_ttl))
