"""No reply of an upstream, up to 64 KiB, costs more than a reply is worth. Work is counted, not timed: lines that the interpreter ran.

DNSDISCO_FUZZ and DNSDISCO_SEED as in test_fuzz.py; with DNSDISCO_KEEP_SLOWEST=1 the costliest become the corpus. What they cost in
milliseconds: `python -m tests.conformance.slowest`.
"""

from __future__ import annotations

import os
import sys

import pytest

from dnsdisco.errors import WireError
from dnsdisco.wire import name, parse
from dnsdisco.wire.name_reader import NameReader, STEPS_MAX
from dnsdisco.wire.query import HEADER_OCTETS
from tests.conformance import slowest
from tests.conformance.replies import BASE, labels, ladder, message, pointer, record, Replies, worst
from tests.conformance.test_fuzz import COUNT, SEED

pytestmark = pytest.mark.slow

LINES_MAX = 200_000  # some five milliseconds; one name after another would be three million


def lines_of(call) -> int:
    """Lines of our code that ran in *call*."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("what", worst())
@pytest.mark.parametrize("dnssec_ok", [False, True])
def test_what_was_made_to_cost_much_costs_little(what, dnssec_ok):
    reply = worst()[what]
    assert 20_000 < len(reply) <= 65535
    assert lines_of(lambda: slowest.use_reply(reply, dnssec_ok=dnssec_ok)) < LINES_MAX


def test_counting_sees_what_it_is_for():
    """The same names, one after another and nothing remembered."""
    reply = worst()["owners at the end of a chain of pointers"]
    found = parse.places(reply, BASE)
    assert lines_of(lambda: [name.read(reply, place.start) for place in found]) > 5 * LINES_MAX


@pytest.mark.timeout(3600)
def test_any_reply_of_64_kib():
    replies = Replies(SEED)
    costly = slowest.Slowest(slowest.cost_of_reply_s)
    for _ in range(COUNT // 2000):
        reply = replies.large()
        assert lines_of(lambda reply=reply: slowest.use_reply(reply, dnssec_ok=True)) < LINES_MAX
        costly.show(reply, slowest.cost_of_reply_s(reply, 1))
    found = costly.found()
    print(f"costliest reply of an upstream: {found[0][0] * 1e3:.2f} ms; {COUNT // 2000} messages, seed {SEED}")
    if os.environ.get("DNSDISCO_KEEP_SLOWEST"):
        slowest.save_replies([reply for _, reply in found])


def test_the_costliest_that_were_found():
    replies = slowest.load_replies()
    assert len(replies) == slowest.KEPT
    for reply in replies:
        for dnssec_ok in (False, True):
            assert lines_of(lambda reply=reply, do=dnssec_ok: slowest.use_reply(reply, dnssec_ok=do)) < LINES_MAX


# the reader of names: the same names as one by one


def test_it_reads_what_is_read_one_by_one():
    octets, begins = ladder(BASE + 11)
    reply = message(1, [record(b"\0", 16, octets), record(b"\3WwW" + pointer(begins[3]), 1, b"\1\2\3\4")])
    reader = NameReader(reply)
    for at in [HEADER_OCTETS, *begins, *(place.start for place in parse.places(reply))]:
        one, end = name.read(reply, at)
        assert reader.read(at) == (one, end)
        assert reader.lower(at) == one.lower()


@pytest.mark.parametrize(
    "octets",
    [b"\xc0\x0c", b"\xc0\x0d", b"\xc0", b"\x40a\0", b"\x3f", b"\3www", b"\1a" * 128 + b"\0", b"\1a\xc0\x0c", b"\xff\xff"],
)
def test_it_refuses_what_is_refused_one_by_one(octets):
    for broken in (bytes(12) + octets, b"\xc0\x0c" * 20 + octets):
        for at in (12, len(broken) - len(octets)):
            with pytest.raises(WireError):
                name.read(broken, at)
            with pytest.raises(WireError):
                NameReader(broken).read(at)
            with pytest.raises(WireError):
                NameReader(broken).lower(at)


def test_a_name_of_255_octets_is_read_and_one_of_256_is_not():
    for count, tail in ((63, b"\0"), (63, b"\1a\0")):
        long = (b"\3abc" * count) + tail
        message_octets = bytes(12) + long + b"\1x" + pointer(12)
        if len(long) + 2 > 255:
            with pytest.raises(WireError):
                NameReader(message_octets).read(12 + len(long))
        else:
            assert len(NameReader(message_octets).read(12 + len(long))[0]) == len(long) + 2


def test_the_cost_is_bounded_and_told():
    octets = labels(100) + b"\0"
    reader = NameReader(octets * 200)
    begins = range(0, len(octets) * 200, len(octets))
    with pytest.raises(WireError, match="cost"):
        [reader.read(at) for at in begins]
    assert STEPS_MAX - 101 <= reader.steps <= STEPS_MAX
