"""The counters of the cache since it was made, and its size. Plain ints, written by one thread."""

from __future__ import annotations

from typing import Annotated

from dnsdisco.counted import Counted, Level


class CacheStatistics(Counted, names="cache.", metrics="cache_"):
    entries: Annotated[int, Level("Forwarded answers that are kept.", metric="cache_entries")] = 0
    octets: Annotated[int, Level("Size of the forwarded answers that are kept.", metric="cache_size_bytes")] = 0
    failures_kept: Annotated[int, Level("Failed questions that are remembered.", metric="cache_failure_entries")] = 0
    hits: Annotated[int, "Answers from the cache."] = 0
    misses: Annotated[int, "Questions that an upstream had to be asked for, or that joined one on its way."] = 0
    negatives: Annotated[int, "Of the hits: NXDOMAIN and NODATA."] = 0
    stale: Annotated[int, "Answers past their end, given because no upstream answered (RFC 8767)."] = 0
    failures: Annotated[int, "SERVFAIL without asking, because asking had just failed (RFC 9520)."] = 0
    prefetches: Annotated[int, "Busy names asked for anew before their end."] = 0
    kept: Annotated[int, "Replies that went into the cache."] = 0
    unusable: Annotated[int, "Replies that could not be used: malformed, or beyond what one may hold."] = 0
    distrusted: Annotated[int, "Records left out of replies: not of the question's own chain."] = 0
    withheld: Annotated[int, "Answers with private addresses of public names that were not given (rebind protection)."] = 0
    shed: Annotated[int, "Questions answered with SERVFAIL because too many of them waited."] = 0
    shed_of_client: Annotated[int, "Questions answered with SERVFAIL because too many of one client waited."] = 0
    evictions: Annotated[int, "Entries that made room for others."] = 0
