"""The rules one by one, with the clock in the test's hand (reliability statements A-47 to A-53)."""

from __future__ import annotations

import pytest

from dnsdisco.cache.cache import Cache, Freshness, key_of_name
from dnsdisco.cache.entry import Kind
from dnsdisco.cache.limits import CacheLimits
from dnsdisco.settings.sections import CacheSettings
from tests.cache.made import item, key, mark_of, ttls_in

REASONS = ((22, "nobody answers"),)


def look(cache, now, of=None):
    return cache.look(of or key(), now)[0]


def test_ttls_count_down_in_place_and_end_together():
    cache = Cache()
    cache.keep(key(), item(Kind.POSITIVE, 60, 300), 1000.0)
    for now, expected in ((1000.0, [60, 300]), (1000.9, [60, 300]), (1001.0, [59, 299]), (1059.99, [1, 241])):
        state, entry = cache.look(key(), now)
        assert state in (Freshness.FRESH, Freshness.BUSY)
        assert ttls_in(entry.body(now)) == expected
    assert look(cache, 1060.0) is Freshness.EXPIRED


def test_a_body_is_right_whatever_was_asked_before():
    cache = Cache()
    entry = cache.keep(key(), item(Kind.POSITIVE, 60, 7), 0.0)
    for now in (5.0, 2.0, 2.5, 6.0, 0.0):
        assert ttls_in(entry.body(now)) == [60 - int(now), 7 - int(now)]
    assert ttls_in(entry.stale_body(30)) == [30, 30]
    assert ttls_in(entry.body(1.0)) == [59, 6]


@pytest.mark.parametrize(
    ("ttl", "limits", "expected"),
    [
        (0, {}, 0),
        (10, {"min_ttl": 60}, 60),
        (10**6, {}, 86_400),
        (10**6, {"max_ttl": 100}, 100),
        (10, {"min_ttl": 60, "max_ttl": 60}, 60),
    ],
)
def test_positive_ttls_are_kept_within_bounds_that_the_client_sees(ttl, limits, expected):
    entry = Cache(CacheSettings(**limits)).keep(key(), item(Kind.POSITIVE, ttl), 0.0)
    assert ttls_in(entry.body(0.0)) == [expected]
    assert entry.expires_at == expected


def test_what_may_not_be_kept_is_asked_for_each_time():
    cache = Cache(CacheSettings(serve_stale=0))
    cache.keep(key(), item(Kind.POSITIVE, 0), 0.0)
    assert look(cache, 0.0) is Freshness.MISSING
    cache = Cache()
    cache.keep(key(), item(Kind.POSITIVE, 0), 0.0)
    assert look(cache, 0.0) is Freshness.EXPIRED  # though it may serve when no upstream answers


@pytest.mark.parametrize("kind", [Kind.NODATA, Kind.NXDOMAIN])
def test_negative_answers_hold_as_long_as_their_soa_says(kind):
    cache = Cache(CacheSettings(min_ttl=600))
    entry = cache.keep(key(), item(kind, 20), 0.0)
    state, found = cache.look(key(), 15.0)
    assert (state, found) == (Freshness.FRESH, entry)
    assert ttls_in(found.body(15.0)) == [5]  # the SOA's, counted down (RFC 2308 §6); min_ttl is for positive ones
    assert look(cache, 20.0) is Freshness.EXPIRED
    assert ttls_in(cache.keep(key(), item(kind, 10_000), 0.0).body(0.0)) == [300]


@pytest.mark.parametrize(("kind", "covers"), [(Kind.NODATA, False), (Kind.NXDOMAIN, True), (Kind.NXDOMAIN, False)])
def test_a_denial_without_soa_is_given_and_not_kept(kind, covers):
    """RFC 2308 §5: it does not say how long it holds. So it denies no other type either, and what is known of the name stays."""
    cache = Cache()
    address = cache.keep(key(), item(Kind.POSITIVE, 60), 0.0)
    cache.fail(key(qtype=28), 0.5, REASONS)
    entry = cache.keep(key(qtype=28), item(kind, *((7,) if not covers else ()), soa=False, covers=covers), 1.0)
    assert entry.rcode == (3 if kind is Kind.NXDOMAIN else 0)
    assert look(cache, 1.0, key(qtype=28)) is Freshness.MISSING  # and the failure before it is over
    assert cache.look(key(), 1.0) == (Freshness.FRESH, address)
    assert look(cache, 1.0, key(qtype=15)) is Freshness.MISSING
    cache.keep(key(), item(kind, soa=False, covers=covers), 70.0)
    assert cache.look(key(), 70.0) == (Freshness.EXPIRED, address)
    assert (len(cache), cache.statistics.kept) == (1, 1)
    denial = cache.keep(key(), item(Kind.NXDOMAIN, 60), 71.0)
    cache.keep(key(qtype=28), item(Kind.NODATA, soa=False), 72.0)  # which does not say that the name exists
    assert cache.look(key(qtype=28), 72.0) == (Freshness.FRESH, denial)


@pytest.mark.parametrize("do", [True, False])
@pytest.mark.parametrize("kind", [Kind.POSITIVE, Kind.NODATA, Kind.NXDOMAIN])
def test_what_was_heard_with_do_serves_without_when_nobody_answers_and_the_reverse(do, kind):
    cache = Cache()
    entry = cache.keep(key(do=do), item(kind, 60), 0.0)
    assert entry.is_signed == do
    for now in (10.0, 100.0):  # while it is fresh for the others, too
        assert cache.look(key(do=not do), now) == (Freshness.EXPIRED, entry)
        assert cache.stale(key(do=not do), now) is entry
    assert cache.fail(key(do=not do), 100.0, REASONS) is entry
    assert cache.look(key(do=not do), 101.0) == (Freshness.STALE, entry)
    assert look(cache, 101.0, key(do=not do, qtype=15)) is (Freshness.EXPIRED if kind is Kind.NXDOMAIN else Freshness.MISSING)
    assert cache.fail(key(do=not do), 60.0 + 86_400, REASONS) is None


@pytest.mark.parametrize("kind", [Kind.POSITIVE, Kind.NODATA, Kind.NXDOMAIN])
@pytest.mark.parametrize("do", [True, False])
@pytest.mark.parametrize("asks_do", [True, False])
def test_what_was_checked_serves_who_asks_with_cd_and_never_the_reverse(do, asks_do, kind):
    cache = Cache()
    entry = cache.keep(key(do=do), item(kind, 60), 0.0)
    for now in (10.0, 100.0):
        assert cache.look(key(do=asks_do, cd=True), now) == (Freshness.EXPIRED, entry)
    assert cache.fail(key(do=asks_do, cd=True), 100.0, REASONS) is entry
    unchecked = cache.keep(
        key(do=not asks_do, cd=True), item(kind, 60, mark=2), 50.0
    )  # nearer: asked for in the same way but for DO
    assert cache.stale(key(do=asks_do, cd=True), 100.0) is unchecked
    cache.flush()
    cache.keep(key(do=do, cd=True), item(kind, 60), 0.0)
    assert look(cache, 101.0, key(do=asks_do)) is Freshness.MISSING
    assert cache.stale(key(do=asks_do), 10.0) is None


def test_the_nearer_one_of_two_stale_answers_unless_the_other_took_its_place():
    cache = Cache()
    plain = cache.keep(key(), item(Kind.POSITIVE, 60, mark=1), 0.0)
    signed = cache.keep(key(do=True), item(Kind.POSITIVE, 60, mark=2), 30.0)
    assert (cache.stale(key(), 100.0), cache.stale(key(do=True), 100.0)) == (plain, signed)
    later = cache.keep(key(do=True), item(Kind.POSITIVE, 60, mark=3), 110.0)  # when the plain one had ended
    assert (cache.stale(key(), 120.0), cache.stale(key(do=True), 120.0)) == (later, later)
    cache.keep(key(), item(Kind.POSITIVE, 600, mark=4), 120.0)
    denial = cache.keep(key(do=True, qtype=28), item(Kind.NXDOMAIN, 60), 130.0)
    assert cache.look(key(), 140.0)[0] is Freshness.FRESH
    assert cache.stale(key(), 800.0) is denial


def test_whether_there_is_anything_to_give():
    cache = Cache()
    cache.keep(key("a", do=True), item(Kind.POSITIVE, 60), 0.0)
    cache.keep(key("b", cd=True), item(Kind.NXDOMAIN, 60), 0.0)
    assert [cache.has_some(key(name, qtype)[:-1], 100.0) for name in "abc" for qtype in (1, 28)] == [
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    assert not cache.has_some(key("a")[:-1], 60.0 + 86_400)


def test_nxdomain_covers_every_type_and_nodata_one():
    cache = Cache()
    cache.keep(key(), item(Kind.NXDOMAIN, 60), 0.0)
    assert look(cache, 1.0, key(qtype=28)) is Freshness.FRESH
    assert look(cache, 1.0, key("x.www.example.com")) is Freshness.MISSING
    assert look(cache, 1.0, key(do=True)) is Freshness.EXPIRED  # to be asked for; when nobody answers, better than nothing
    assert look(cache, 1.0, key(cd=True)) is Freshness.EXPIRED  # likewise
    cache.keep(key(qtype=28), item(Kind.NODATA, 60), 2.0)  # it exists after all
    assert look(cache, 3.0, key(qtype=28)) is Freshness.FRESH
    assert look(cache, 3.0) is Freshness.MISSING
    cache.keep(key(), item(Kind.NXDOMAIN, 60, 60, covers=False), 4.0)  # behind an alias: of the alias's target
    assert look(cache, 5.0) is Freshness.FRESH
    assert look(cache, 5.0, key(qtype=15)) is Freshness.MISSING


def test_failures_are_remembered_longer_each_time():
    cache, now, waited = Cache(), 0.0, []
    for _ in range(8):
        cache.fail(key(), now, REASONS)
        began = now
        while cache.look(key(), now)[0] is Freshness.FAILED:
            assert cache.failure(key(), now).reasons == REASONS
            now += 0.5
        waited.append(now - began)
    assert waited == [1, 2, 4, 8, 16, 30, 30, 30]
    assert look(cache, now, key(qtype=28)) is Freshness.MISSING  # only what was asked
    cache.fail(key(), now + 100, REASONS)
    assert look(cache, now + 101) is Freshness.MISSING  # after a while it begins anew
    cache.fail(key(), now + 200, REASONS)
    cache.keep(key(), item(Kind.POSITIVE, 1), now + 200)
    assert look(cache, now + 200) is Freshness.FRESH


def test_stale_answers_after_a_failure_until_it_is_time_to_ask_again():
    cache = Cache()
    entry = cache.keep(key(), item(Kind.POSITIVE, 60), 0.0)
    assert cache.look(key(), 100.0) == (Freshness.EXPIRED, entry)
    assert cache.fail(key(), 101.0, REASONS) is entry
    assert cache.look(key(), 130.9) == (Freshness.STALE, entry)
    assert cache.look(key(), 131.0) == (Freshness.EXPIRED, entry)
    assert cache.fail(key(), 131.0, REASONS) is entry
    assert cache.look(key(), 160.9) == (Freshness.STALE, entry)  # 30 s again, not more
    assert look(cache, 60.0 + 86_400 - 1) is Freshness.EXPIRED
    assert look(cache, 60.0 + 86_400) is Freshness.MISSING
    assert cache.fail(key(), 60.0 + 86_400, REASONS) is None


def test_a_fresh_nxdomain_replaces_stale_data_at_once():
    cache = Cache()
    cache.keep(key(), item(Kind.POSITIVE, 60), 0.0)
    cache.keep(key(qtype=28), item(Kind.POSITIVE, 60), 0.0)
    cache.fail(key(qtype=28), 70.0, REASONS)
    denial = cache.keep(key(), item(Kind.NXDOMAIN, 5), 71.0)
    assert cache.look(key(), 72.0) == (Freshness.FRESH, denial)
    assert cache.look(key(qtype=28), 72.0) == (Freshness.FRESH, denial)
    assert cache.fail(key(), 80.0, REASONS) is denial  # and is what is stale then
    assert cache.fail(key(qtype=28), 80.0, REASONS) is denial


def test_a_failed_prefetch_leaves_the_answer_and_the_time_to_ask_again():
    cache = Cache()
    entry = cache.keep(key(), item(Kind.POSITIVE, 100), 0.0)
    assert cache.fail(key(), 95.0, REASONS) is entry
    failure = cache.failure(key(), 96.0)
    assert failure is not None
    assert failure.reasons == REASONS
    assert cache.look(key(), 99.0) == (Freshness.FRESH, entry)
    assert cache.look(key(), 101.0) == (Freshness.STALE, entry)
    assert cache.look(key(), 125.0) == (Freshness.EXPIRED, entry)


@pytest.mark.parametrize("start", [0.0, 86_400.0, 1e6])
def test_busy_names_are_asked_for_before_their_end_once(start):
    cache = Cache()
    cache.keep(key(), item(Kind.POSITIVE, 100), start)
    assert [look(cache, start + after) for after in (1, 2, 3, 89.9)] == [Freshness.FRESH] * 4
    assert [look(cache, start + after) for after in (90.0, 91.0, 92.0)] == [Freshness.BUSY, Freshness.FRESH, Freshness.FRESH]
    assert cache.statistics.prefetches == 1
    cache.keep(key(), item(Kind.POSITIVE, 100), start + 93.0)
    assert [look(cache, start + after) for after in (184.0, 185.0, 186.0)] == [Freshness.FRESH] * 3  # not busy in this life
    assert look(cache, start + 187.0) is Freshness.BUSY


def test_other_rcodes_are_given_and_not_kept():
    cache = Cache()
    entry = cache.keep(key(), item(Kind.OTHER)._replace(rcode=11), 0.0)
    assert entry.rcode == 11
    assert look(cache, 0.0) is Freshness.MISSING


def test_flush():
    cache = Cache()
    names = ("example.com", "www.example.com", "a.www.example.com", "wexample.com", "com", "www.example.net")
    for name in names:
        for qtype in (1, 28):
            cache.keep(key(name, qtype), item(Kind.POSITIVE, 60), 0.0)
        cache.fail(key(name, 15), 0.0, REASONS)
    cache.keep(key("gone.example.com"), item(Kind.NXDOMAIN, 60), 0.0)
    assert cache.flush(b"\7example\3com\0") == 2
    assert look(cache, 0.5, key("example.com", 15)) is Freshness.MISSING
    assert look(cache, 0.5, key("www.example.com", 15)) is Freshness.FAILED
    assert cache.flush(b"\7example\3com\0", is_tree=True) == 5
    left = {name for name in names if look(cache, 0.5, key(name)) is Freshness.FRESH}
    assert left == {"wexample.com", "com", "www.example.net"}
    assert look(cache, 0.5, key("www.example.com", 15)) is Freshness.MISSING
    assert look(cache, 0.5, key("com", 15)) is Freshness.FAILED
    assert cache.flush(b"\0") == 0
    assert cache.flush(b"\0", is_tree=True) == 6
    cache.keep(key(), item(Kind.POSITIVE, 60), 0.0)
    assert (cache.flush(), len(cache), cache.octets) == (1, 0, 0)


def test_from_elsewhere_everything_is_old_but_better_than_nothing():
    cache = Cache()
    entry = cache.keep(key(), item(Kind.POSITIVE, 600), 0.0)
    cache.fail(key(qtype=28), 9.0, REASONS)
    cache.expire(10.0)
    assert cache.look(key(), 10.0) == (Freshness.EXPIRED, entry)
    assert look(cache, 10.0, key(qtype=28)) is Freshness.MISSING
    assert cache.fail(key(), 10.0, REASONS) is entry


def test_other_limits_keep_what_fits():
    cache = Cache()
    for number in range(100):
        cache.keep(key(f"n{number}"), item(Kind.POSITIVE, 60, mark=number), 0.0)
    cache.configure(CacheSettings(size=40, max_ttl=10))
    assert len(cache) == 40
    state, entry = cache.look(key("n99"), 20.0)
    assert (state, mark_of(entry, 20.0)) == (Freshness.FRESH, 99)
    assert cache.keep(key(), item(Kind.POSITIVE, 60), 20.0).expires_at == 30.0
    cache.configure(CacheSettings(size=0))
    assert (len(cache), cache.octets) == (0, 0)
    assert cache.keep(key(), item(Kind.POSITIVE, 60), 20.0).expires_at == 80.0
    assert look(cache, 20.0) is Freshness.MISSING


def test_failures_are_bounded_and_push_no_answer_out():
    cache = Cache(CacheSettings(size=10), CacheLimits(failures=50))
    cache.keep(key(), item(Kind.POSITIVE, 60), 0.0)
    for number in range(1000):
        cache.fail(key(f"n{number}"), 0.0, REASONS)
    assert cache.figures()["failures_kept"] == 50
    assert look(cache, 0.5, key("n999")) is Freshness.FAILED
    assert look(cache, 0.5) is Freshness.FRESH


def test_figures_are_plain_numbers():
    cache = Cache()
    cache.keep(key(), item(Kind.NXDOMAIN, 60), 0.0)
    look(cache, 1.0)
    look(cache, 1.0, key("x"))
    figures = cache.figures()
    assert {type(value) for value in figures.values()} == {int}
    assert (figures["hits"], figures["misses"], figures["negatives"], figures["entries"]) == (1, 1, 1, 1)
    assert figures["octets"] > 0


def test_the_key_of_a_name_is_no_key_of_a_question():
    assert key_of_name(key(qtype=1)) == key_of_name(key(qtype=28)) == key(qtype=0)
    assert key_of_name(key(do=True)) != key_of_name(key())
