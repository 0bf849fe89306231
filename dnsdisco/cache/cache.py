"""The rules: what a key has, what becomes of a reply and of a failure, how long each of them holds.

RFC 2308 (negative answers), RFC 8767 (stale ones), RFC 9520 (failures), RFC 2181 §5.2 and §8 (TTLs).
"""

from __future__ import annotations

from enum import auto, Enum

from dnsdisco.cache.entry import CacheEntry, Item, Kind
from dnsdisco.cache.failures import Failure, Failures, Reasons
from dnsdisco.cache.limits import CacheLimits
from dnsdisco.cache.statistics import CacheStatistics
from dnsdisco.cache.store import Store, USES_MAX
from dnsdisco.settings.sections import CacheSettings

DNSSEC_OK, CHECKING_DISABLED = 1, 2  # in the last octet of a key
_BEHIND_NAME = 5  # octets of a key behind the name: type, class, DO and CD
_BITS = tuple(bytes((bits,)) for bits in range(4))

# By the DO and CD of a question: those of the answers that may stand in for its own, the nearest first. What was asked for with CD nobody has
# checked, so it serves only who asks with CD; what was checked serves that one too (RFC 4035 §3.2.2, RFC 6840 §5.9).
_STAND_INS = ((0, 1), (1, 0), (2, 3, 0, 1), (3, 2, 1, 0))


def make_key(qname: bytes, type_and_class: bytes, *, dnssec_ok: bool, checking_disabled: bool) -> bytes:
    """The key of a question. *qname*: wire form, lower case; the end of a name is in its octets, so no two questions share a key."""
    bits = (DNSSEC_OK if dnssec_ok else 0) | (CHECKING_DISABLED if checking_disabled else 0)
    return qname + type_and_class + _BITS[bits]


def key_of_name(key: bytes) -> bytes:
    """The key of an NXDOMAIN for the name of *key*: it has type 0, which cannot be asked for."""
    return key[:-_BEHIND_NAME] + b"\0\0" + key[-3:]


class Freshness(Enum):
    FRESH = auto()
    BUSY = auto()  # fresh and much asked for, but near its end: give it, and ask for it anew
    STALE = auto()  # past its end, and asking has just failed: give it as stale, do not ask
    EXPIRED = auto()  # past its end: ask; if that fails, give it as stale
    FAILED = auto()  # nothing there, and asking has just failed: do not ask
    MISSING = auto()


class Cache:
    """Not thread-safe. Every method but flush(), expire() and configure() is O(1) in the number of entries."""

    def __init__(self, settings: CacheSettings | None = None, limits: CacheLimits | None = None) -> None:
        self.settings = settings or CacheSettings()
        self.limits = limits or CacheLimits()
        self.statistics = CacheStatistics()
        self._store = Store(self.settings.size, self.limits.octets)
        self._failures = Failures(self.limits.failures)

    def configure(self, settings: CacheSettings) -> None:
        """Other bounds, for what is kept from now on; what is in stays, as far as there is room."""
        self.settings = settings
        self._store.limit(settings.size, self.limits.octets)

    # asking

    def look(self, key: bytes, now: float) -> tuple[Freshness, CacheEntry | None]:
        """Look a question up: its state, with the entry for every state but FAILED and MISSING. Counts."""
        statistics = self.statistics
        entry = self._store.get(key)
        if entry is None or now >= entry.expires_at:
            entry = self._store.get(key_of_name(key)) or entry  # a denial of the name is younger, else keep() had removed it
        if entry is not None and now < entry.expires_at:
            self.given(entry, 1)
            if entry.hits > self.limits.prefetch_hits and not entry.has_been_refreshed and self._is_near_end(entry, now):
                entry.has_been_refreshed = True
                statistics.prefetches += 1
                return Freshness.BUSY, entry
            return Freshness.FRESH, entry
        entry = self.stale(key, now)
        if self._failures.get(key, now) is not None:
            if entry is not None:
                return Freshness.STALE, entry
            statistics.failures += 1
            return Freshness.FAILED, None
        statistics.misses += 1
        return (Freshness.MISSING, None) if entry is None else (Freshness.EXPIRED, entry)

    def holds(self, key: bytes, entry: CacheEntry, now: float) -> bool:
        """look() would give *entry* now, and would not have it asked for anew. Counts nothing."""
        found = self._store.get(key)
        if found is None or now >= found.expires_at:
            found = self._store.get(key_of_name(key)) or found
        return found is entry and now < entry.expires_at and not self._is_near_end(entry, now)

    def _is_near_end(self, entry: CacheEntry, now: float) -> bool:
        return entry.expires_at - now <= (entry.expires_at - entry.stored_at) * self.limits.prefetch_share

    def given(self, entry: CacheEntry, hits: int) -> None:
        """It has been given so many times, while it was fresh."""
        self.statistics.hits += hits
        if entry.kind is not Kind.POSITIVE:
            self.statistics.negatives += hits
        entry.hits += hits
        entry.uses = USES_MAX

    def failure(self, key: bytes, now: float) -> Failure | None:
        """Why asking has just failed."""
        return self._failures.get(key, now)

    def stale(self, key: bytes, now: float) -> CacheEntry | None:
        """The entry to use when no upstream answers: a stale one, or one that has become fresh meanwhile.

        Without a nearer entry, or if it was received after that one had ended, it may be one that was received with DO for a question
        without (or the reverse, `CacheEntry.is_signed`), or without CD for a question with it.
        """
        found = None
        for bits in _STAND_INS[key[-1]]:
            entry = self._old(key[:-1] + _BITS[bits], now)
            if entry is not None and (
                found is None or entry.stored_at >= (found.stored_at if entry.kind is Kind.NXDOMAIN else found.expires_at)
            ):
                found = entry
        return found

    def _old(self, key: bytes, now: float) -> CacheEntry | None:
        """The entry of this key that may still be used, though it has ended."""
        entry = self._store.get(key_of_name(key)) or self._store.get(key)
        return entry if entry is not None and now < entry.expires_at + self.settings.serve_stale else None

    def has_some(self, question: bytes, now: float) -> bool:
        """There is something to give for *question* (wire form, name in lower case), fresh or stale, to one client or another."""
        return any(self._old(question + bits, now) is not None for bits in _BITS)

    # learning

    def keep(self, key: bytes, item: Item, now: float) -> CacheEntry:
        """Keep what an upstream has just returned. Returns its entry, which may be used at once whether or not it is kept.

        Another rcode, and a denial without an SOA, are not kept, and change no entry.
        """
        settings = self.settings
        low, high = 0, settings.negative_max_ttl
        if item.kind is Kind.POSITIVE:
            low, high = settings.min_ttl, settings.max_ttl
        ttls = item.ttls
        different = {seconds for _, seconds in ttls}
        if different and (min(different) < low or max(different) > high):
            ttls = tuple((at, max(low, min(seconds, high))) for at, seconds in ttls)
        entry = CacheEntry(item, ttls, now)
        ttl = max(low, min(*different, high)) if different else 0 if item.kind is Kind.POSITIVE else high
        entry.is_signed = bool(key[-1] & DNSSEC_OK)
        if item.kind is Kind.OTHER:
            return entry
        self._failures.forget(key)
        if item.kind is not Kind.POSITIVE and not item.has_soa:
            return entry  # a denial without SOA has no time for which it holds (RFC 2308 §5), and no zone
        entry.expires_at = now + ttl
        self.statistics.kept += 1
        name_key = key_of_name(key)
        if item.covers_name:  # all that was known of the name under this key is over, stale or not
            self._store.remove(key)
            self._store.put(name_key, entry)
        else:
            self._store.remove(name_key)  # the name exists
            self._store.put(key, entry)
        return entry

    def fail(self, key: bytes, now: float, reasons: Reasons) -> CacheEntry | None:
        """Remember that asking has failed; returns what may be given as stale in its place. look() reports the failure until it is time to ask."""
        entry = self.stale(key, now)
        limits = self.limits
        if entry is not None:
            self._failures.add(key, now, reasons, first_s=limits.recheck_s, most_s=limits.recheck_s)
        else:
            self._failures.add(key, now, reasons, first_s=limits.failure_min_s, most_s=limits.failure_max_s)
        return entry

    # forgetting

    def flush(self, qname: bytes | None = None, *, is_tree: bool = False) -> int:
        """Forget *qname* (wire form, lower case), with *is_tree* also the names below it, or everything; how many entries that were."""
        if qname is None:
            self._failures.clear()
            return self._store.clear()

        def is_meant(key: bytes) -> bool:
            at, last = 0, len(key) - _BEHIND_NAME - len(qname)
            while at < last and is_tree:
                at += 1 + key[at]
            return at == last and key[at:-_BEHIND_NAME] == qname

        for key in self._failures.known():
            if is_meant(key):
                self._failures.forget(key)
        return self._store.remove_if(is_meant)

    def expire(self, now: float) -> None:
        """End the life of all entries, because the upstreams have changed. They may still be used as stale answers."""
        self._failures.clear()
        for _, entry in self._store:
            entry.expires_at = min(entry.expires_at, now)

    # figures

    def __len__(self) -> int:
        return len(self._store)

    @property
    def octets(self) -> int:
        return self._store.octets

    def figures(self) -> dict[str, int]:
        """All counters, and how full it is."""
        statistics = self.statistics
        statistics.evictions = self._store.evictions
        statistics.entries, statistics.octets = len(self._store), self._store.octets
        statistics.failures_kept = len(self._failures)
        return statistics.as_dict()
