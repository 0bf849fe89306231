"""Response rate limiting: what one network may be told, of each kind, and that no flood of senders fills the table."""

from __future__ import annotations

import ipaddress
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.answer import admit, rate
from dnsdisco.answer.admit import Admission
from dnsdisco.answer.rate import ANSWER, Bucket, Buckets, cost_of, DENIAL, ERROR, KINDS, RateVerdict
from dnsdisco.settings.sections import RateLimits

SEND, SLIP, DROP = RateVerdict.SEND, RateVerdict.SLIP, RateVerdict.DROP


def taken(bucket: Bucket, count: int, now: float, kind: int = ANSWER, octets: int = 100) -> Counter[RateVerdict]:
    return Counter(bucket.take(kind, octets, now) for _ in range(count))


def test_so_many_a_second_and_every_second_of_the_rest_slips() -> None:
    bucket = Bucket(RateLimits(), 0.0)
    assert taken(bucket, 1200, 0.0) == {SEND: 200, SLIP: 500, DROP: 500}
    assert taken(bucket, 100, 0.25) == {SEND: 50, SLIP: 25, DROP: 25}
    assert taken(bucket, 300, 60.0) == {SEND: 200, SLIP: 50, DROP: 50}  # what is not used is not saved up


@pytest.mark.parametrize(
    ("slip", "expected"), [(0, {SEND: 10, DROP: 90}), (1, {SEND: 10, SLIP: 90}), (3, {SEND: 10, SLIP: 30, DROP: 60})]
)
def test_slip(slip: int, expected: dict[RateVerdict, int]) -> None:
    assert taken(Bucket(RateLimits(10, slip), 0.0), 100, 0.0) == expected


def test_each_kind_has_its_own() -> None:
    bucket = Bucket(RateLimits(10), 0.0)
    for kind in (ANSWER, DENIAL, ERROR):
        assert taken(bucket, 20, 0.0, kind)[SEND] == 10
    assert [KINDS[rcode] for rcode in range(6)] == [ANSWER, ERROR, ERROR, DENIAL, ERROR, ERROR]


def test_large_answers_cost_more() -> None:
    assert [cost_of(octets) for octets in (12, 255, 256, 1232, 4096)] == [1, 1, 2, 5, 17]
    assert taken(Bucket(RateLimits(), 0.0), 200, 0.0, octets=1232)[SEND] == 40
    assert taken(Bucket(RateLimits(1), 0.0), 3, 0.0, octets=1232)[SEND] == 1  # not: never


@given(
    limit=st.integers(1, 500),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50), st.integers(12, 1232)), max_size=60),
)
def test_no_second_has_more_than_twice_the_limit_and_whoever_stays_below_is_never_limited(
    limit: int, steps: list[tuple[float, int, int]]
) -> None:
    bucket, now, sent = Bucket(RateLimits(limit), 0.0), 0.0, []
    for wait, count, octets in steps:
        now += wait
        sent += [(now, min(cost_of(octets), limit)) for _ in range(count) if bucket.take(ANSWER, octets, now) is SEND]
    for at, _ in sent:
        assert sum(cost for when, cost in sent if at <= when < at + 1) <= 2 * limit
    calm, now = Bucket(RateLimits(limit), 0.0), 0.0
    for _ in range(3 * limit):
        assert calm.take(ANSWER, 100, now) is SEND
        now += 1 / limit


def test_time_that_is_less_than_a_token_is_not_lost() -> None:
    bucket = Bucket(RateLimits(1, 0), 0.0)
    assert bucket.take(ANSWER, 100, 0.0) is SEND
    assert [bucket.take(ANSWER, 100, number / 10) for number in range(1, 11)].count(SEND) == 1


def networks(*texts: str) -> list[rate.Network]:
    return [ipaddress.ip_network(text) for text in texts]


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        ("203.0.113.1", "203.0.113.254", True),
        ("203.0.113.1", "203.0.112.1", False),
        ("2001:db8:0:100::1", "2001:db8:0:1ff::9", True),
        ("2001:db8:0:100::1", "2001:db8:0:200::1", False),
        ("203.0.113.1", "::cb00:7101", False),
    ],
)
def test_a_network_is_a_24_or_a_56(one: str, other: str, is_shared: bool) -> None:
    buckets = Buckets(RateLimits(), [])
    first, second = (buckets.of(ipaddress.ip_address(text), 0.0) for text in (one, other))
    assert (first is second) is is_shared
    assert len(buckets) == 2 - is_shared


def test_who_is_not_limited() -> None:
    admission = Admission(["private", "127.0.0.0/8", "::1/128"], RateLimits(), ["198.51.100.1"])
    for peer in ("127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "fe80::1%eth0", "fd00::1", "198.51.100.1"):
        assert admission.look(peer, 0.0).bucket is None, peer
    for peer in ("198.51.100.2", "8.8.8.8", "2001:db8::1"):
        known = admission.look(peer, 0.0)
        assert known.bucket is not None
        assert not known.is_admitted  # a refusal goes to whoever is written on the envelope, too
    assert Admission(["private"], RateLimits(0)).look("8.8.8.8", 0.0).bucket is None
    assert Admission(["8.8.8.8"], RateLimits(exempt=("8.8.0.0/16",))).look("8.8.8.8", 0.0).is_free
    assert Admission(["127.0.0.0/8"], trusts_loopback=False).look("127.0.0.1", 0.0).bucket is not None


def test_the_datagram_loop_takes_from_the_same_tokens() -> None:
    admission = Admission(["203.0.113.0/24", "10.0.0.0/8"], RateLimits(5))
    for peer in ("203.0.113.1", "203.0.113.2", "10.0.0.1", "198.51.100.1"):
        admission.meet(peer, ipaddress.ip_address(peer).packed, 0.0)
    assert (len(admission.credits), admission.admitted) == (2, {bytes((10, 0, 0, 1))})  # one may not ask
    credit = admission.credits[bytes((203, 0, 113, 1))]
    credit[ANSWER] -= 5
    assert admission.credits[bytes((203, 0, 113, 2))] is credit
    bucket = admission.look("203.0.113.2", 0.0).bucket
    assert bucket is not None
    assert bucket.take(ANSWER, 100, 0.0) is not SEND
    assert bucket.take(ANSWER, 100, 1.0) is SEND


def reply_of(octets: int, rcode: int = 0) -> bytes:
    """What stands behind the id of a reply."""
    return bytes((0x81, 0x80 | rcode)) + bytes(octets - 2)


def test_the_datagram_loop_gives_what_is_left_of_each_kind_and_takes_what_it_costs() -> None:
    admission = Admission(["203.0.113.0/24", "10.0.0.0/8"], RateLimits(5))
    assert not admission.may_have(1, reply_of(100))  # it has not met this client
    admission.meet("203.0.113.1", 1, 0.0)
    admission.meet("10.0.0.1", 2, 0.0)
    admission.meet("198.51.100.1", 3, 0.0)
    assert [admission.may_have(1, reply_of(100)) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [admission.may_have(1, reply_of(600, rcode=3)) for _ in range(4)] == [True, True, False, False]  # three tokens each
    assert [admission.may_have(1, reply_of(1200, rcode=2)) for _ in range(3)] == [True, False, False]
    assert all(admission.may_have(2, reply_of(1200)) for _ in range(50))  # a private network is not limited
    assert not admission.may_have(3, reply_of(100))  # this one may not ask


def test_a_flood_of_senders_fills_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "PREFIXES_MAX", 50)
    monkeypatch.setattr(admit, "KNOWN_MAX", 40)
    admission = Admission(["0.0.0.0/0"], RateLimits(5))
    for number in range(2000):
        peer = str(ipaddress.ip_address(0x20000000 + number * 256))
        admission.meet(peer, ipaddress.ip_address(peer).packed, 0.0)
        assert len(admission.buckets) <= 50
        assert len(admission.known) <= 40
        assert len(admission.credits) <= 40
        admission.meet(f"10.0.{number % 250}.1", bytes((10, 0, number % 250, 1)), 0.0)
        assert len(admission.credits) + len(admission.admitted) <= 40
    # nobody holds a bucket that his neighbours do not share
    bucket = admission.look("8.8.8.8", 0.0).bucket
    for number in range(200):
        admission.look(str(ipaddress.ip_address(0x30000000 + number * 256)), 0.0)
    assert admission.look("8.8.8.9", 0.0).bucket is admission.look("8.8.8.8", 0.0).bucket is not bucket
