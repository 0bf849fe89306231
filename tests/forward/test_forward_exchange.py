"""One question against upstreams that misbehave, over real sockets."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.wire.constants import CD, RD
from tests.forward.forwarding import run
from tests.forward.upstream import (
    a_record,
    address_in,
    answer,
    badvers,
    BlackHole,
    free_port,
    header_only,
    LIES,
    question,
    rcode,
    referral,
    reply,
    Say,
    ScriptedUpstream,
    silence,
    truncated,
    wrong_case,
    wrong_id,
    wrong_name,
)

QUESTION = question("www.Example.test.")


@pytest.fixture
def upstream():
    with ScriptedUpstream() as scripted:
        yield scripted


@pytest.fixture
def second():
    with ScriptedUpstream() as scripted:
        scripted.on("*", answer("192.0.2.2"))
        yield scripted


def ask_once(*addresses, asked=QUESTION, flags=RD, dnssec_ok=False, limits=None):
    async def work(forwarder):
        began = time.monotonic()
        try:
            got = await forwarder.exchange(asked, flags=flags, dnssec_ok=dnssec_ok)
        except UpstreamError as error:
            got = error
        return got, time.monotonic() - began, forwarder.statistics

    return run(work, *addresses, limits=limits)


def test_the_whole_reply_comes_back_as_octets(upstream):
    odd = b"\xc0\x0c\xff\x77\0\1\0\0\0\5\0\3\1\2\3"  # TYPE65399
    upstream.on("*", lambda asked: reply(asked, rcode=11, records=(odd, a_record("192.0.2.9"))))
    got, _, _ = ask_once(upstream.address)
    assert got[2:] == reply(upstream.queries[0], rcode=11, records=(odd, a_record("192.0.2.9")))[2:]


@pytest.mark.parametrize(("flags", "dnssec_ok"), [(RD, False), (RD | CD, True), (RD | 0x20, False)])
def test_flags_and_do_go_upstream_with_an_opt_record_of_our_own(upstream, flags, dnssec_ok):
    got, _, _ = ask_once(upstream.address, flags=flags, dnssec_ok=dnssec_ok)
    asked = upstream.queries[0]
    assert isinstance(got, bytes)
    assert asked.flags == flags
    assert asked.question == QUESTION
    assert asked.opt == b"\0\0\x29\x04\xd0\0\0" + (b"\x80\0" if dnssec_ok else b"\0\0") + b"\0\0"


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_before_the_truth_changes_nothing(upstream, lie):
    upstream.on("*", lie, Say(answer("192.0.2.7"), after_s=0.02), transport="udp")
    upstream.on("*", answer("192.0.2.7"), transport="tcp")
    got, took_s, statistics = ask_once(upstream.address)
    assert address_in(got) == "192.0.2.7"
    assert got[12 : 12 + len(QUESTION)] == QUESTION
    assert took_s < 0.3
    assert statistics.wrong_replies + statistics.near_misses + statistics.doubtful == 1


def test_a_reply_from_another_port_never_arrives(upstream):
    upstream.on("*", Say(answer("203.0.113.66"), source="other"), Say(answer("192.0.2.7"), after_s=0.05))
    got, _, _ = ask_once(upstream.address)
    assert address_in(got) == "192.0.2.7"


def test_a_wrong_id_sends_the_question_over_tcp(upstream):
    upstream.on("*", wrong_id, transport="udp")
    got, took_s, statistics = ask_once(upstream.address)
    assert address_in(got) == "192.0.2.1"
    assert [asked.transport for asked in upstream.queries] == ["udp", "tcp"]
    assert statistics.near_misses == 1
    assert took_s < 0.3


def test_without_tcp_a_near_miss_is_asked_from_a_fresh_port_with_a_fresh_id():
    with ScriptedUpstream(has_tcp=False) as upstream:
        upstream.on("*", wrong_id, times=2)
        got, _, statistics = ask_once(upstream.address)
        assert address_in(got) == "192.0.2.1"
        assert statistics.near_misses == 2
        assert len({asked.peer[1] for asked in upstream.queries}) == 3


def test_an_endless_guesser_without_tcp_ends_in_an_error():
    with ScriptedUpstream(has_tcp=False) as upstream:
        upstream.on("*", wrong_id)
        got, took_s, statistics = ask_once(upstream.address)
        assert got.kind == "malformed"
        assert statistics.near_misses == ForwardLimits().doubts + 1
        assert took_s < 0.5


def test_a_flood_of_wrong_replies_moves_the_question_to_tcp(upstream):
    upstream.on("*", Say(wrong_name, copies=150), transport="udp")
    got, took_s, statistics = ask_once(upstream.address)
    assert address_in(got) == "192.0.2.1"
    assert statistics.floods == 1
    assert statistics.wrong_replies == ForwardLimits().wrong_replies
    assert took_s < 0.3


def test_over_tcp_a_changed_case_is_put_right(upstream):
    upstream.on("*", lambda asked: wrong_case(asked)[:-4] + b"\xc0\0\2\7")
    got, _, _ = ask_once(upstream.address)
    assert address_in(got) == "192.0.2.7"
    assert got[12 : 12 + len(QUESTION)] == QUESTION


def test_octets_after_the_last_record_are_cut_off(upstream):
    upstream.on("*", lambda asked: answer()(asked) + b"junk")
    got, _, _ = ask_once(upstream.address)
    assert address_in(got) == "192.0.2.1"


def test_tc_is_asked_over_tcp(upstream):
    upstream.on("*", truncated, transport="udp")
    many = tuple(a_record(f"192.0.2.{n}") for n in range(200))
    upstream.on("*", lambda asked: reply(asked, records=many), transport="tcp")
    got, _, statistics = ask_once(upstream.address)
    assert len(got) > 3000
    assert statistics.truncated == 1


def test_tc_without_tcp_goes_to_the_next(second):
    with ScriptedUpstream(has_tcp=False) as upstream:
        upstream.on("*", truncated)
        got, took_s, _ = ask_once(upstream.address, second.address)
        assert address_in(got) == "192.0.2.2"
        assert took_s < 0.3


def test_tc_without_any_tcp_is_an_error_that_holds_what_there_is():
    with ScriptedUpstream(has_tcp=False) as upstream:
        upstream.on("*", truncated)
        got, _, _ = ask_once(upstream.address)
        assert got.kind == "truncated"
        assert got.reply[12 : 12 + len(QUESTION)] == QUESTION


@pytest.mark.parametrize(
    "bad",
    [rcode(2), rcode(4), rcode(5), header_only(2), header_only(5)],
    ids=["SERVFAIL", "NOTIMP", "REFUSED", "header2", "header5"],
)
def test_an_unhelpful_upstream_is_passed_over_at_once(upstream, second, bad):
    upstream.on("*", bad)
    got, took_s, _ = ask_once(upstream.address, second.address)
    assert address_in(got) == "192.0.2.2"
    assert took_s < 0.3


def test_when_all_are_unhelpful_the_error_holds_the_reply(upstream, second):
    ede = b"\0\0\x29\4\xd0\0\0\0\0\0\6\0\x0f\0\2\0\6"
    upstream.on("*", lambda asked: reply(asked, rcode=2, counts=(1, 0, 0, 1), tail=ede))
    second.on("*", silence)
    got, took_s, statistics = ask_once(upstream.address, second.address, limits=ForwardLimits(deadline_s=0.5))
    assert (got.kind, got.reason) == ("rcode", "SERVFAIL")
    assert got.reply.endswith(ede)
    assert took_s < 0.6
    assert statistics.failed == 1


@pytest.mark.parametrize("number", [0, 3, 6, 7, 9, 11, 15])
def test_other_rcodes_pass_through(upstream, second, number):
    upstream.on("*", rcode(number))
    got, _, _ = ask_once(upstream.address, second.address)
    assert got[3] & 15 == number
    assert not second.queries


@pytest.mark.parametrize(
    "no_edns",
    [rcode(1), header_only(1), rcode(4), header_only(4), badvers],
    ids=["FORMERR", "FORMERR-header", "NOTIMP", "NOTIMP-header", "BADVERS"],
)
def test_what_rejects_edns_is_asked_again_without(upstream, second, no_edns):
    upstream.on(lambda asked: bool(asked.opt), no_edns)
    got, _, statistics = ask_once(upstream.address, second.address)
    assert address_in(got) == "192.0.2.1"
    assert [bool(asked.opt) for asked in upstream.queries] == [True, False]
    assert statistics.without_edns == 1
    assert not second.queries


def test_what_loses_edns_is_asked_without(upstream):
    """Some path between loses every datagram with an OPT record: after a repeat in vain the question goes out without."""
    upstream.on(lambda asked: bool(asked.opt), silence)
    got, took_s, statistics = ask_once(upstream.address)
    assert address_in(got) == "192.0.2.1"
    assert took_s < 1.4
    assert statistics.without_edns >= 1


def test_what_loses_edns_is_remembered(upstream):
    upstream.on(lambda asked: bool(asked.opt), silence)

    async def work(forwarder):
        for number in range(3):
            await forwarder.exchange(question(f"n{number}.test."), flags=RD, dnssec_ok=False)
        before = len(upstream.queries)
        await forwarder.exchange(question("last.test."), flags=RD, dnssec_ok=False)
        assert [bool(asked.opt) for asked in upstream.queries[before:] if asked.qname == "last.test."] == [False]
        return forwarder.describe()[0]["state"]

    assert run(work, upstream.address, limits=ForwardLimits(patience_unknown_s=0.3, repeat_s=0.2)) == "up"


def test_a_referral_goes_to_the_next_and_is_better_than_nothing(upstream, second):
    upstream.on("*", referral)
    got, took_s, _ = ask_once(upstream.address, second.address)
    assert address_in(got) == "192.0.2.2"
    assert took_s < 0.3
    second.on("*", rcode(5))
    got, _, _ = ask_once(upstream.address, second.address)
    assert got[2:] == referral(upstream.queries[-1])[2:]


def test_an_answer_to_another_question_is_passed_over_and_the_next_asked(upstream, second):
    upstream.on("*", wrong_name)
    got, _, statistics = ask_once(upstream.address, second.address)
    assert address_in(got) == "192.0.2.2"
    assert statistics.wrong_replies >= 1


@pytest.mark.parametrize("no_edns", [rcode(1), rcode(4), badvers], ids=["FORMERR", "NOTIMP", "BADVERS"])
def test_an_upstream_without_edns_is_remembered(upstream, no_edns):
    upstream.on(lambda asked: bool(asked.opt), no_edns)

    async def work(forwarder):
        for number in range(6):
            await forwarder.exchange(question(f"n{number}.test."), flags=RD, dnssec_ok=False)

    run(work, upstream.address)
    assert [bool(asked.opt) for asked in upstream.queries] == [True, False] * 3 + [False] * 3


@pytest.mark.parametrize("number", [1, 4])
def test_what_rejects_us_with_and_without_edns_goes_to_the_next(upstream, second, number):
    upstream.on("*", rcode(number))
    got, _, _ = ask_once(upstream.address, second.address)
    assert address_in(got) == "192.0.2.2"


def test_a_port_where_nobody_listens_is_passed_over_at_once(second):
    got, took_s, _ = ask_once(f"127.0.0.1:{free_port()}", second.address)
    assert address_in(got) == "192.0.2.2"
    assert took_s < 0.2


def test_nobody_anywhere_is_an_error_at_once():
    got, took_s, _ = ask_once(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    assert got.kind == "refused"
    assert took_s < 0.3


def test_a_silent_upstream_is_not_waited_for(second):
    with BlackHole() as hole:
        got, took_s, statistics = ask_once(hole.address, second.address)
    assert address_in(got) == "192.0.2.2"
    assert 0.35 < took_s < 0.8 + 0.15
    assert statistics.hedged == 1


@pytest.mark.parametrize(("holes", "deadline_s"), [(5, ForwardLimits().deadline_s), (1, 0.5), (2, 0.5)])
@pytest.mark.slow
def test_all_black_holed_is_an_error_within_two_seconds(holes, deadline_s):
    with ExitStack() as stack:
        addresses = [stack.enter_context(BlackHole()).address for _ in range(holes)]
        got, took_s, statistics = ask_once(*addresses, limits=ForwardLimits(deadline_s=deadline_s))
    assert got.kind == "timeout"
    assert deadline_s - 0.01 < took_s < deadline_s + 0.1
    assert statistics.deadline == 1


def test_a_lost_datagram_is_repeated_on_the_same_socket(upstream):
    upstream.on("www.example.test.", silence, times=2)
    got, took_s, statistics = ask_once(upstream.address)
    assert address_in(got) == "192.0.2.1"
    assert len({(asked.peer, asked.id) for asked in upstream.queries if asked.opt}) == 1
    assert statistics.repeats == 2
    assert took_s < 1.4


def test_the_slow_first_one_may_still_win(upstream):
    upstream.on("*", Say(answer("192.0.2.1"), after_s=0.75))
    with BlackHole() as hole:
        got, took_s, _ = ask_once(upstream.address, hole.address)
    assert address_in(got) == "192.0.2.1"
    assert took_s < 0.9


def test_an_address_that_cannot_be_reached_is_passed_over(second):
    got, took_s, _ = ask_once("[2001:db8::1]:53", second.address)  # no route, or no IPv6 at all
    assert address_in(got) == "192.0.2.2"
    assert took_s < 0.95


def test_ipv6(upstream):
    with ScriptedUpstream(host="::1") as six:
        got, _, _ = ask_once(six.address)
        assert address_in(got) == "192.0.2.1"
