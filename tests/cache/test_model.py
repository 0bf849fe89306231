"""The cache against a naive one: plain dictionaries, every rule spelled out, any order of events, an explicit clock."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, RuleBasedStateMachine

from dnsdisco.cache.cache import Cache, Freshness
from dnsdisco.cache.entry import Kind
from dnsdisco.cache.limits import CacheLimits
from dnsdisco.settings.sections import CacheSettings
from tests.cache.made import item, key, mark_of, ttls_in

pytestmark = pytest.mark.slow

NAMES = st.sampled_from(("a", "b", "x.a"))
TYPES = st.sampled_from((1, 28))
BITS = st.booleans()
TTLS = st.lists(st.integers(0, 40), min_size=1, max_size=3)


class AgainstDictionaries(RuleBasedStateMachine):
    @initialize(
        low=st.integers(0, 20),
        high=st.integers(20, 30),
        negative=st.integers(0, 30),
        stale=st.sampled_from((0, 10, 50)),
        hits=st.integers(0, 2),
    )
    def begin(self, low, high, negative, stale, hits):
        self.settings = CacheSettings(min_ttl=low, max_ttl=high, negative_max_ttl=negative, serve_stale=stale)
        self.limits = CacheLimits(prefetch_hits=hits)
        self.cache = Cache(self.settings, self.limits)
        self.now = 0.0
        self.mark = 0
        self.answers = {}  # (name, type, do) → [mark, ttls, stored, end, hits, refreshed, negative, nxdomain]
        self.denials = {}  # (name, do) → the same
        self.failures = {}  # (name, type, do) → (until, delay)

    @rule(by=st.sampled_from((0.0, 0.3, 1.0, 2.5, 5.0, 9.0, 30.0)))
    def wait(self, by):
        self.now += by

    @rule(name=NAMES, qtype=TYPES, do=BITS, kind=st.sampled_from(list(Kind)), ttls=TTLS, soa=st.booleans(), alias=st.booleans())
    def keep(self, name, qtype, do, kind, ttls, soa, alias):
        self.mark += 1
        covers = kind is Kind.NXDOMAIN and not alias
        made = item(kind, *ttls, mark=self.mark, soa=soa, covers=covers)
        entry = self.cache.keep(key(name, qtype, do=do), made, self.now)
        if kind is Kind.POSITIVE:
            ttls = [min(max(ttl, self.settings.min_ttl), self.settings.max_ttl) for ttl in ttls]
            lasts = min(ttls)
        else:
            ttls = [min(ttl, self.settings.negative_max_ttl) for ttl in ttls]
            lasts = min(ttls)
        assert ttls_in(entry.body(self.now)) == ttls
        if kind is Kind.OTHER:
            return
        known = [self.mark, ttls, self.now, self.now + lasts, 0, False, kind is not Kind.POSITIVE, kind is Kind.NXDOMAIN]
        self.failures.pop((name, qtype, do), None)
        if kind is not Kind.POSITIVE and not soa:
            return
        if covers:
            self.denials[name, do] = known
            self.answers.pop((name, qtype, do), None)
        else:
            self.answers[name, qtype, do] = known
            self.denials.pop((name, do), None)

    @rule(name=NAMES, qtype=TYPES, do=BITS)
    def fail(self, name, qtype, do):
        returned = self.cache.fail(key(name, qtype, do=do), self.now, ())
        stale = self._stale(name, qtype, do)
        assert (returned and mark_of(returned, self.now)) == (stale and stale[0])
        before = self.failures.get((name, qtype, do))
        if stale:
            delay = 30.0
        elif before and self.now < before[0] + 30.0:
            delay = min(2 * before[1], 30.0)
        else:
            delay = 1.0
        self.failures[name, qtype, do] = (self.now + delay, delay)

    def _stale(self, name, qtype, do):
        """The nearer one, or the one with the other DO: where there is none, or where that one came in its place."""
        known, other = self._old(name, qtype, do), self._old(name, qtype, not do)
        if known and other:
            return other if other[2] >= (known[2] if other[7] else known[3]) else known
        return known or other

    def _old(self, name, qtype, do):
        known = self.denials.get((name, do)) or self.answers.get((name, qtype, do))
        return known if known and self.now < known[3] + self.settings.serve_stale else None

    @rule(name=NAMES, qtype=TYPES, do=BITS)
    def look(self, name, qtype, do):
        state, entry = self.cache.look(key(name, qtype, do=do), self.now)
        typed, denial = self.answers.get((name, qtype, do)), self.denials.get((name, do))
        known = next((each for each in (typed, denial) if each and self.now < each[3]), None)
        if known:
            known[4] += 1
            is_near_end = known[3] - self.now <= (known[3] - known[2]) * 0.1
            expected = Freshness.BUSY if known[4] > self.limits.prefetch_hits and is_near_end and not known[5] else Freshness.FRESH
            known[5] = known[5] or expected is Freshness.BUSY
            assert ttls_in(entry.body(self.now)) == [ttl - int(self.now - known[2]) for ttl in known[1]]
            assert entry.is_negative == known[6]
        else:
            known = self._stale(name, qtype, do)
            has_failed = (name, qtype, do) in self.failures and self.now < self.failures[name, qtype, do][0]
            expected = {
                (True, True): Freshness.STALE,
                (True, False): Freshness.EXPIRED,
                (False, True): Freshness.FAILED,
                (False, False): Freshness.MISSING,
            }[known is not None, has_failed]
        assert state is expected
        assert (entry and mark_of(entry, self.now)) == (known and known[0])

    @rule(name=st.one_of(st.none(), NAMES), is_tree=st.booleans())
    def flush(self, name, is_tree):
        wire = None if name is None else key(name)[:-5]

        def is_gone(each):
            return name is None or each == name or (is_tree and each.endswith("." + name))

        gone = [of for table in (self.answers, self.denials) for of in table if is_gone(of[0])]
        assert self.cache.flush(wire, is_tree=is_tree) == len(gone)
        self.answers = {of: known for of, known in self.answers.items() if not is_gone(of[0])}
        self.denials = {of: known for of, known in self.denials.items() if not is_gone(of[0])}
        self.failures = {of: known for of, known in self.failures.items() if not is_gone(of[0])}

    @rule()
    def come_from_elsewhere(self):
        self.cache.expire(self.now)
        self.failures.clear()
        for known in (*self.answers.values(), *self.denials.values()):
            known[3] = min(known[3], self.now)

    @invariant()
    def counts_agree(self):
        if hasattr(self, "cache"):
            assert len(self.cache) == len(self.answers) + len(self.denials)


AgainstDictionaries.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestAgainstDictionaries = AgainstDictionaries.TestCase
