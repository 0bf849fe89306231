"""What the cache has counted since it was made. Plain ints, written by one thread; names end up in the metrics."""

from __future__ import annotations


class Statistics:
    hits: int = 0  # answers that were fresh
    misses: int = 0  # questions that an upstream had to be asked for, or that joined one on its way
    negatives: int = 0  # of the hits: NXDOMAIN and NODATA
    stale: int = 0  # answers past their end, given because no upstream answered (RFC 8767)
    failures: int = 0  # SERVFAIL without asking, because asking has just failed (RFC 9520)
    prefetches: int = 0  # busy names asked for anew before their end
    kept: int = 0  # replies that went in
    distrusted: int = 0  # records that were left out of replies: not of the question's own chain
    unusable: int = 0  # replies that could not be used: malformed, or beyond what one may hold
    withheld: int = 0  # answers with private addresses of public names (rebind protection)
    shed: int = 0  # questions answered with SERVFAIL because too many of them waited
    shed_of_client: int = 0  # … because too many of one client did

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in Statistics.__annotations__}
