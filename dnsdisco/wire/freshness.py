"""The time for which a cache that sees only a reply's octets, such as one of HTTP, may keep it (RFC 8484 §5.1)."""

from __future__ import annotations

from dnsdisco.errors import WireError
from dnsdisco.wire.constants import NOERROR, NXDOMAIN
from dnsdisco.wire.parse import places, rcode, ttl

ANSWER, AUTHORITY = 1, 2


def freshness_s(reply: bytes) -> int:
    """Seconds: the smallest TTL of the answer; of a negative one that of its SOA, which is not above MINIMUM where we made it.

    0 for errors, and for replies without a time for which they hold.
    """
    try:
        found = places(reply)
    except WireError:
        return 0
    if rcode(reply, found) not in (NOERROR, NXDOMAIN):
        return 0
    for section in (ANSWER, AUTHORITY):
        times = [ttl(reply, place) for place in found if place.section == section]
        if times:
            return min(times)
    return 0
