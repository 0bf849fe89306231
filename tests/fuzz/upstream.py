"""Replies of an upstream: judged, read, kept, and made one of ours, which says nothing but of the question's own chain."""

from __future__ import annotations

from functools import partial

from dnsdisco.answer import cached_reply
from dnsdisco.answer.believe import believe, unsigned, UpstreamQuestion
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.cache.cache import Cache
from dnsdisco.cache.entry import Kind
from dnsdisco.errors import WireError
from dnsdisco.forward.message import as_asked, is_denial, judge, rcode_text, relayable, short_lived, Verdict
from dnsdisco.wire.freshness import freshness_s
from dnsdisco.wire.parse import errors
from dnsdisco.wire.query import slice_query
from tests.conformance.decoded import decode, Record, TC
from tests.conformance.replies import labels, message, pointer, QNAME, QTYPES, question, record, worst
from tests.fuzz.reader import Reader
from tests.kit import canned

_IS_OURS = partial(cached_reply.is_answered_here, settings=AnswerSettings())
_USABLE = (Verdict.USABLE, Verdict.OVERLONG)
CNAME, SOA, DNAME, RRSIG, NSEC, NSEC3, OPT = 5, 6, 39, 46, 47, 50, 41
SIZES = (512, 1232, 65535)
HOUR = 3600


def _reply(octets: bytes) -> None:
    qtype = int.from_bytes(octets[12 + len(QNAME) : 14 + len(QNAME)], "big")
    asked = question(qtype if qtype in QTYPES else 1)
    for is_stream in (False, True):
        for is_mixed in (False, True):
            verdict = judge(octets, 0, asked, is_stream=is_stream, is_mixed=is_mixed)
    assert judge(octets, int.from_bytes(octets[:2], "big") ^ 1, asked) not in _USABLE
    if verdict in (Verdict.UNHELPFUL, Verdict.REJECTED):
        assert rcode_text(octets)
        if relayed := relayable(octets, asked):
            for reason in errors(relayed):
                assert len(reason.text) <= len(relayed)
    verdict = judge(octets, 0, asked, is_stream=True)
    if verdict not in _USABLE:
        return
    usable = as_asked(octets, asked, is_overlong=verdict is Verdict.OVERLONG)
    assert judge(usable, 0, asked, is_stream=True) is Verdict.USABLE
    is_denial(usable, asked)
    shortened = short_lived(usable, len(asked) + 12, HOUR)
    assert len(shortened) == len(usable)
    assert 0 <= freshness_s(usable) < 2**31
    for dnssec_ok in (False, True):
        _believed(usable, asked, dnssec_ok=dnssec_ok)


def _believed(usable: bytes, asked: bytes, *, dnssec_ok: bool) -> None:
    about = UpstreamQuestion(QNAME, int.from_bytes(asked[-4:-2], "big"), dnssec_ok)
    try:
        item = believe(usable, about, _IS_OURS).item
    except WireError as error:
        assert str(error)
        return
    entry = Cache().keep(b"key", item, 0.0)
    queries = [slice_query(bytes((0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + asked)]
    queries.append(slice_query(bytes((0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1)) + asked + b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"))
    for query in queries:
        for limit in SIZES:
            reply = cached_reply.reply_from(entry, query, 1.5, limit=limit, options=b"", trust_ad=False)
            assert len(reply) <= limit
            found = decode(reply)
            assert found.id == 7
            assert found.question == asked
            assert (found.opt is None) == (query is queries[0])
            if not found.flags & TC:
                _is_of_the_chain(found.answer)
            assert all(record.rtype in (SOA, RRSIG, NSEC, NSEC3) for record in found.authority)
            assert not found.additional
    if dnssec_ok and item.kind is not Kind.OTHER:  # what is never kept
        unsigned(entry, about._replace(dnssec_ok=False))


def _is_of_the_chain(answer: list[Record]) -> None:
    """Every owner is the question's name, or one that an alias of the answer leads to, or has a DNAME that makes such an alias."""
    targets = {QNAME, *(record.data for record in answer if record.rtype == CNAME)}
    for each in answer:
        if each.owner not in targets:
            assert each.rtype in (DNAME, RRSIG), f"an owner that nobody asked for: {each.owner!r}"
            assert any(target.endswith(each.owner) for target in targets)


_SOA_DATA = b"\2ns\xc0\x10\4host\xc0\x10" + bytes(20)
_ALIAS = record(b"\xc0\x0c", CNAME, b"\1x\xc0\x10")
_SEEDS = (
    message(1, [record(b"\xc0\x0c", 1, b"\1\2\3\4")]),
    message(1, [_ALIAS, record(b"\1x\xc0\x10", 1, b"\1\2\3\4"), record(b"\1y\xc0\x10", 1, b"\5\6\7\x08")]),
    message(1, [record(b"\xc0\x10", DNAME, b"\7example\3net\0"), record(b"\xc0\x0c", CNAME, b"\3www\7example\3net\0")]),
    message(1, [record(b"\xc0\x0c", 46, b"\0\1" + bytes(17) + b"s"), record(b"\xc0\x0c", 1, b"\1\2\3\4")]),
    message(1, [], [record(b"\xc0\x10", SOA, _SOA_DATA)], rcode=3),
    message(28, [], [record(b"\xc0\x10", SOA, _SOA_DATA), record(b"\xc0\x0c", NSEC, b"\1z\xc0\x10\0\1\x40")]),
    message(15, [record(b"\xc0\x0c", 15, b"\0\1\xc0\x0c"), record(b"\xc0\x0c", 15, b"\0\2\4mail\xc0\x10")]),
    message(16, [record(b"\xc0\x0c", 16, b"\1a\2bc")], [], [record(b"\0", OPT, b"\0\x0f\0\4\0\3old")]),
    message(33, [record(b"\xc0\x0c", 33, b"\0\1\0\2\0\x50\3www\7example\4test\0")]),
    message(255, [record(b"\xc0\x0c", 1, b"\1\2\3\4"), record(b"\xc0\x0c", 16, b"\1a"), record(b"\xc0\x0c", 99, b"\1a")]),
    message(1, [_ALIAS, record(b"\1x\xc0\x10", CNAME, b"\xc0\x0c")]),
    message(1, [record(b"\xc0\x0c", CNAME, b"\3web\3svc\5local\0"), record(b"\3web\3svc\5local\0", 1, b"\6\6\6\6")]),
    message(1, [], [record(b"\xc0\x10", 2, b"\2ns\xc0\x10")]),
    message(1, [], rcode=2), message(1, [], rcode=4), message(1, [], rcode=6), message(1, []),
    b"\0\0\x81\x81" + bytes(8),
    *(canned("www.example.test.", kind, f"www.example.test. 60 IN {kind} {data}").replace(b"\0\1", b"\0\0", 1) for kind, data in (
        ("A", "192.0.2.1"), ("AAAA", "2001:db8::1"), ("MX", "10 mail.example.test."), ("TXT", '"a" "b"'))),
    *(each[:3000] for each in worst().values()),
)  # fmt: skip

READERS = {
    "reply": Reader(
        _SEEDS,
        (b"\xc0\x0c", b"\xc0\x10", b"\0", b"\xff", b"\0\1\0\1", b"\0\5\0\1\0\0\0\x3c", _ALIAS, pointer(40), labels(60) + b"\0", b"\3svc\5local\0", b"\0\4", b"\x80\0\0\0",
         record(b"\xc0\x0c", 1, b"\1\2\3\4"), record(b"\1x\xc0\x10", 1, b"\1\2\3\4"), record(b"\xc0\x10", SOA, _SOA_DATA), record(b"\0", OPT, b"")),
        _reply,
        count=1_000_000,
    )
}  # fmt: skip
