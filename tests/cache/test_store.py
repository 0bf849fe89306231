"""Two bounds that always hold, and the right ones that go."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.cache.cache import Cache, Freshness
from dnsdisco.cache.entry import CacheEntry, ENTRY_OCTETS, Item, Kind
from dnsdisco.cache.limits import CacheLimits
from dnsdisco.cache.store import Store, USES_MAX
from dnsdisco.settings.sections import CacheSettings
from tests.cache.made import item, key


def entry(octets: int) -> CacheEntry:
    return CacheEntry(Item(Kind.POSITIVE, body=bytes(octets)), (), 0.0)


@given(
    st.integers(0, 6),
    st.integers(0, 6 * ENTRY_OCTETS),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3 * ENTRY_OCTETS), st.booleans()), max_size=40),
)
def test_bounds_hold_and_octets_are_a_sum(entries_max, octets_max, steps):
    store, held = Store(entries_max, octets_max), {}
    for name, octets, is_removal in steps:
        of = bytes((name,))
        if is_removal:
            was_there = store.get(of) is not None
            assert store.remove(of) == was_there
        else:
            made = entry(octets)
            store.put(of, made)
            held[of] = made
            fits = entries_max > 0 and made.octets + 1 <= octets_max
            assert (store.get(of) is made) == fits  # what has just come stays
        assert len(store) <= entries_max
        assert store.octets == sum(each.octets + len(other) for other, each in store) <= octets_max
        assert all(held[other] is each for other, each in store)


def test_without_use_the_oldest_goes_first():
    store = Store(3, 1 << 20)
    for name in b"abcde":
        store.put(bytes((name,)), entry(0))
    assert [of for of, _ in store] == [b"c", b"d", b"e"]
    assert store.evictions == 2


@pytest.mark.slow
def test_used_names_outlive_a_flood_of_names_asked_for_once():
    cache = Cache(CacheSettings(size=1000))
    busy = [key(f"busy{number}") for number in range(200)]
    for each in busy:
        cache.keep(each, item(Kind.POSITIVE, 86_400), 0.0)
        cache.look(each, 0.5)
    for number in range(20_000):
        cache.keep(key(f"random{number}"), item(Kind.NXDOMAIN, 300), 1.0)
        if number % 10 == 0:  # each of them once in two thousand: to be the least recently used of a thousand would be too late
            cache.look(busy[number // 10 % len(busy)], 1.0)
    kept = sum(cache.look(each, 2.0)[0] is Freshness.FRESH for each in busy)
    assert kept >= 0.95 * len(busy)  # a row of many in use costs one of them its place (PASSED_OVER_MAX)
    for number in range(USES_MAX * 20_000):
        cache.keep(key(f"other{number}"), item(Kind.NXDOMAIN, 300), 3.0)
    assert not any(cache.look(each, 4.0)[0] is Freshness.FRESH for each in busy)  # what nobody asks for goes in the end


def test_one_eviction_looks_at_few():
    """All of them in use: the query that pays for a place waits no longer for that."""
    store = Store(5000, 1 << 30)
    for number in range(5000):
        made = entry(0)
        made.uses = USES_MAX
        store.put(number.to_bytes(2, "big"), made)
    store.put(b"new", entry(0))
    assert sum(each.uses == USES_MAX for _, each in store) >= 5000 - 33
    assert store.evictions == 1


@pytest.mark.slow
def test_the_octets_counted_are_no_fewer_than_those_used():
    """What the bound is worth: entries as they come from resolvers, one to five records."""
    source = random.Random(2)
    tracemalloc.start()
    try:
        cache = Cache(CacheSettings(size=100_000), CacheLimits(octets=1 << 30))
        before, _ = tracemalloc.get_traced_memory()
        for number in range(5000):
            ttls = [source.choice((300, 600, 3600, number)) for _ in range(source.randrange(1, 6))]
            of = key(f"host{number}.some-longer-domain.example")
            cache.keep(of, item(Kind.POSITIVE, *ttls), 1.5 * number)
            cache.look(of, 1.5 * number + 1.2)[1].body(1.5 * number + 1.2)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used <= cache.octets <= 1.6 * used
