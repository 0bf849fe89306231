"""The fixed bounds of the cache; those that `cache:` sets in the configuration are in CacheSettings (docs/cache.md has both)."""

from __future__ import annotations

from typing import NamedTuple


class CacheLimits(NamedTuple):
    """The bounds of one worker. `_s` and TTLs are in seconds. docs/cache.md has each bound with the counter of how often it was reached."""

    octets: int = (
        32 * 1024 * 1024
    )  # everything that entries hold, the interpreter's share included; ten thousand usual ones need 7 MB
    failures: int = 4096  # questions whose failure is remembered, apart from the entries so that they push none out; 1 MB
    stale_ttl: int = 30  # what a client sees on such an answer (RFC 8767 §5)
    recheck_s: float = 30.0  # after a failure, until an upstream is asked again for what there is a stale answer to (RFC 8767 §5)
    failure_min_s: float = 1.0  # … and for what there is none, doubling with each failure (RFC 9520 §3.2: 1 s to 5 min)
    failure_max_s: float = 30.0
    prefetch_share: float = (
        0.1  # the last part of its life, in which a busy entry is asked for anew; Unbound's and CoreDNS's choice too
    )
    prefetch_hits: int = 3  # in its life so far: then it is busy
