"""The judgement of replies, without sockets."""

from __future__ import annotations

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.forward.message import end_of_records, folded, is_denial, judge, query_tail, short_lived, Verdict
from tests.forward import upstream as lies
from tests.forward.upstream import a_record, answer, Asked, question, rcode, reply, truncated

QUESTION = question("www.example.test.")
ID = 0x1234
ASKED = Asked(ID.to_bytes(2, "big") + query_tail(QUESTION, 0x0100, dnssec_ok=False), "udp", ("127.0.0.1", 1))

names = st.lists(st.binary(min_size=1, max_size=20), min_size=0, max_size=5).map(
    lambda labels: b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
)
questions = st.builds(lambda name, qtype: name + qtype.to_bytes(2, "big") + b"\0\1", names, st.integers(1, 65535))


@given(questions, st.sampled_from([0, 0x0100, 0x0110, 0xFFFF]), st.booleans(), st.booleans(), st.booleans())
def test_what_goes_upstream_is_a_query_that_others_can_read(asked, flags, dnssec_ok, has_edns, is_padded):
    tail = query_tail(asked, flags, dnssec_ok=dnssec_ok, has_edns=has_edns, is_padded=is_padded)
    message = dns.message.from_wire(b"\0\1" + tail)
    assert message.edns == (0 if has_edns else -1)
    assert bool(message.ednsflags & 0x8000) == (dnssec_ok and has_edns)
    assert int(message.flags) == flags & 0x0130
    if is_padded and has_edns:
        assert (len(tail) + 2) % 128 == 0


SOA = b"\xc0\x0c\0\6\0\1\0\0\0\x3c\0\x16" + bytes(22)

VERDICTS = [
    (answer(), Verdict.USABLE),
    (rcode(3), Verdict.USABLE),
    (rcode(11), Verdict.USABLE),
    (rcode(1), Verdict.REJECTED),
    (rcode(2), Verdict.UNHELPFUL),
    (rcode(4), Verdict.REJECTED),
    (lies.badvers, Verdict.REJECTED),
    (rcode(5), Verdict.UNHELPFUL),
    (truncated, Verdict.TRUNCATED),
    (lies.referral, Verdict.LAME),
    (lambda asked: reply(asked, flags=0x8000), Verdict.LAME),
    (lambda asked: reply(asked, flags=0x8000, rcode=3), Verdict.USABLE),
    (
        lambda asked: reply(asked, flags=0x8000, counts=(1, 0, 1, 0), tail=SOA),
        Verdict.USABLE,
    ),  # NODATA by one without RA
    (lambda asked: reply(asked, flags=0x8400), Verdict.USABLE),
    (lambda asked: reply(asked, flags=0x8080), Verdict.USABLE),
    (lambda asked: reply(asked, flags=0x8000, records=(a_record("192.0.2.1"),)), Verdict.USABLE),
    (lies.header_only(1), Verdict.REJECTED),
    (lies.header_only(4), Verdict.REJECTED),
    (lies.header_only(2), Verdict.DOUBTFUL),
    (lies.header_only(0), Verdict.WRONG),
    (lies.wrong_id, Verdict.NEAR_MISS),
    (lies.wrong_name, Verdict.WRONG),
    (lies.longer_name, Verdict.WRONG),
    (lies.wrong_type, Verdict.WRONG),
    (lies.wrong_class, Verdict.WRONG),
    (lies.query_bit, Verdict.WRONG),
    (lies.other_opcode, Verdict.WRONG),
    (lies.no_question, Verdict.WRONG),
    (lies.two_questions, Verdict.WRONG),
    (lies.cut_short, Verdict.DOUBTFUL),
    (lies.too_few_records, Verdict.DOUBTFUL),
    (lies.forward_pointer, Verdict.DOUBTFUL),
    (lies.looping_pointer, Verdict.DOUBTFUL),
    (lambda asked: reply(asked, records=(b"\xc0\x04" + a_record("192.0.2.1")[2:],)), Verdict.DOUBTFUL),  # a name in the header
    (lambda asked: reply(asked, records=(b"\1x\xc0\x0b" + a_record("192.0.2.1")[2:],)), Verdict.DOUBTFUL),
    (lambda asked: reply(asked, records=(a_record("192.0.2.1")[:2] + b"\0\5\0\1\0\0\0\x3c\0\2\xc0\x02",)), Verdict.DOUBTFUL),
    (lies.only_our_id, Verdict.WRONG),
    (lies.echo, Verdict.WRONG),
    (lambda asked: answer()(asked) + b"x", Verdict.OVERLONG),
]


@pytest.mark.parametrize(
    ("make", "verdict"), VERDICTS, ids=[f"{number}-{verdict.name}" for number, (_, verdict) in enumerate(VERDICTS)]
)
def test_verdicts(make, verdict):
    assert judge(make(ASKED), ID, QUESTION) is verdict


def test_the_case_counts_where_it_was_mixed_by_chance():
    assert judge(lies.wrong_case(ASKED), ID, QUESTION) is Verdict.USABLE
    assert judge(lies.wrong_case(ASKED), ID, QUESTION, is_mixed=True) is Verdict.OTHER_CASE


def test_on_a_stream_the_case_may_differ_and_a_header_is_an_answer():
    assert judge(lies.wrong_case(ASKED), ID, QUESTION, is_stream=True) is Verdict.USABLE
    assert judge(lies.header_only(5)(ASKED), ID, QUESTION, is_stream=True) is Verdict.UNHELPFUL


@given(st.binary(max_size=80))
def test_no_octets_are_taken_for_the_answer_without_our_question(octets):
    verdict = judge(ASKED.message[:2] + b"\x81" + octets, ID, QUESTION)
    assert verdict not in (Verdict.USABLE, Verdict.OVERLONG, Verdict.TRUNCATED) or octets[9:].startswith(QUESTION)


@given(st.data())
def test_any_flip_of_a_good_reply_is_judged_without_an_exception(data):
    good = bytearray(reply(ASKED, records=(a_record("192.0.2.1"), a_record("192.0.2.2"))))
    for _ in range(data.draw(st.integers(1, 6))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    verdict = judge(bytes(good), ID, QUESTION)
    if verdict in (Verdict.USABLE, Verdict.OVERLONG):
        assert good[12 : 12 + len(QUESTION)] == QUESTION
        assert 0 < end_of_records(bytes(good), 12 + len(QUESTION)) <= len(good)


def alias(ttl: int = 60) -> bytes:
    return b"\xc0\x0c\0\5\0\1" + ttl.to_bytes(4, "big") + b"\0\4\1x\xc0\x0c"


DENIALS = [
    (answer(), 1, False),
    (answer(), 28, True),  # NODATA
    (rcode(3), 1, True),
    (rcode(9), 1, True),
    (lambda asked: reply(asked, rcode=3, records=(alias(),)), 1, True),  # NXDOMAIN of the alias's end
    (lambda asked: reply(asked, records=(alias(),)), 1, True),
    (lambda asked: reply(asked, records=(alias(), a_record("192.0.2.1"))), 1, False),
    (lambda asked: reply(asked, records=(alias(), a_record("192.0.2.1"))), 28, True),
    (lambda asked: reply(asked, records=(alias(),)), 5, False),
    (lambda asked: reply(asked, records=(alias(),)), 255, False),
]


@pytest.mark.parametrize(("make", "qtype", "expected"), DENIALS, ids=range(len(DENIALS)))
def test_what_denies(make, qtype, expected):
    asked = question("www.example.test.", qtype)
    message = make(Asked(ID.to_bytes(2, "big") + query_tail(asked, 0x0100, dnssec_ok=False), "udp", ("127.0.0.1", 1)))
    assert is_denial(message, asked) is expected


def test_ttls_are_shortened_and_the_opt_record_is_not_a_ttl():
    opt = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"
    message = reply(ASKED, counts=(1, 2, 0, 1), tail=a_record("192.0.2.1", 3600) + a_record("192.0.2.2", 3) + opt)
    short = short_lived(message, 12 + len(QUESTION), 5)
    assert short == reply(ASKED, counts=(1, 2, 0, 1), tail=a_record("192.0.2.1", 5) + a_record("192.0.2.2", 3) + opt)


def test_types_that_look_like_letters_are_not_folded():
    https, type97 = question("a.test.", 65), question("a.test.", 97)
    assert folded(https) != folded(type97)
    assert folded(question("A.tEst.", 65)) == folded(https)


def test_a_message_full_of_records_is_walked_once():
    record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4"
    count = (65535 - 12 - len(QUESTION)) // len(record)
    message = reply(ASKED, counts=(1, count, 0, 0), tail=record * count)
    assert judge(message, ID, QUESTION) is Verdict.USABLE
