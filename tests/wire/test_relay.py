"""Relaying and reading upstream replies: nothing lost, nothing believed."""

import time

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.errors import WireError
from dnsdisco.wire import parse
from dnsdisco.wire.constants import RA
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name_reader import NameReader
from dnsdisco.wire.parse import answer_records, places
from dnsdisco.wire.query import slice_query
from dnsdisco.wire.relay import body_of, records_of, reply_of

TEXT = """id 7
opcode QUERY
rcode NOERROR
flags QR AA RD RA AD
edns 0
eflags DO
payload 4096
;QUESTION
www.example.com. IN {type}
;ANSWER
{answer}
;AUTHORITY
example.com. 60 IN NS ns.example.com.
;ADDITIONAL
ns.example.com. 60 IN A 192.0.2.53
"""
QNAME = b"\3www\7example\3com\0"


def upstream(rtype="A", answer="www.example.com. 60 IN A 192.0.2.1"):
    return dns.message.from_text(TEXT.format(type=rtype, answer=answer), one_rr_per_rrset=True).to_wire(max_size=65535)


def query(rtype="A", **options):
    return slice_query(dns.message.make_query("wWw.Example.com.", rtype, **options).to_wire())


def relayed(message, ours, limit=1232, ede=(), keep=lambda place: place.section == 1):
    kept = [place for place in places(message) if keep(place)]
    body, _ = body_of(message, kept, QNAME, NameReader(message))
    counts = b"".join(sum(place.section == section for place in kept).to_bytes(2, "big") for section in (1, 2))
    return reply_of(ours, RA, parse.rcode(message, places(message)), counts, body, limit=limit, ede=ede)


def test_octets_pass_unchanged_but_for_our_own():
    ours = query(use_edns=0, flags=dns.flags.RD | dns.flags.CD)
    reply = dns.message.from_wire(relayed(upstream(), ours))
    assert reply.id == ours.id
    assert reply.question[0].name.to_text() == "wWw.Example.com."
    assert reply.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA | dns.flags.CD
    assert (reply.edns, reply.payload) == (0, 1232)
    assert reply.answer[0].to_text() == "wWw.Example.com. 60 IN A 192.0.2.1"
    assert not reply.authority
    assert not reply.additional


def test_without_edns_there_is_no_opt():
    assert dns.message.from_wire(relayed(upstream(), query(), 512, ede=(Ede(3),))).edns == -1


@pytest.mark.parametrize("limit", [100, 512, 1232])
def test_what_is_too_large_is_cut_at_a_record(limit):
    answer = "\n".join(f"www.example.com. 60 IN A 10.0.{n // 200}.{n % 200}" for n in range(300))
    octets = relayed(upstream(answer=answer), query(use_edns=0), limit, ede=(Ede(3, "a reason"),))
    reply = dns.message.from_wire(octets)
    assert len(octets) <= limit
    assert reply.flags & dns.flags.TC
    assert reply.edns == 0
    assert limit - len(octets) < 16 or not reply.answer


def test_a_reason_goes_before_a_record_does():
    whole = relayed(upstream(), query(use_edns=0))
    reply = dns.message.from_wire(relayed(upstream(), query(use_edns=0), len(whole) + 4, ede=(Ede(3, "a reason"),)))
    assert (len(reply.answer), reply.options) == (1, ())
    reply = dns.message.from_wire(relayed(upstream(), query(use_edns=0), len(whole) + 20, ede=(Ede(3, "a reason"),)))
    assert [(option.code, option.text) for option in reply.options] == [(3, "a reason")]


def test_unknown_types_and_rcodes_pass():
    octets = upstream("TYPE65280", "www.example.com. 60 IN TYPE65280 \\# 4 c00cc00c")
    assert b"\xc0\x0c\xc0\x0c" in relayed(octets, query("TYPE65280"), 512)
    odd = bytearray(upstream())
    odd[3] = odd[3] & 0xF0 | 11
    assert relayed(bytes(odd), query(), 512)[3] & 15 == 11


def test_an_extended_rcode_moves_into_our_opt():
    message = dns.message.from_text(TEXT.format(type="A", answer="").replace("rcode NOERROR", "rcode BADCOOKIE"))
    reply = dns.message.from_wire(relayed(message.to_wire(), query(use_edns=0)))
    assert reply.rcode() == dns.rcode.BADCOOKIE


MANY_KINDS = """www.example.com. 60 IN CNAME a.example.net.
other.example.com. 60 IN A 192.0.2.9
a.example.net. 61 IN MX 10 mail.example.net.
a.example.net. 62 IN NS ns.mail.example.net.
a.example.net. 63 IN SOA ns.example.net. root.example.net. 1 2 3 4 5
a.example.net. 64 IN RP root.example.net. txt.example.net.
a.example.net. 65 IN SRV 1 2 3 mail.example.net.
a.example.net. 66 IN TXT "not a name"
a.example.net. 67 IN NAPTR 1 1 "S" "x" "" mail.example.net.
a.example.net. 68 IN TYPE65280 \\# 4 c00cc00c"""


def test_what_was_pointed_at_may_go():
    """Records written anew say what they said before, whatever stood between them."""
    message = upstream("ANY", MANY_KINDS)
    octets = relayed(
        message, query("ANY"), 65535, keep=lambda place: place.section == 1 and NameReader(message).lower(place.start) != OTHER
    )
    reply = dns.message.from_wire(octets, one_rr_per_rrset=True)
    wanted = [
        line.replace("www.example.com.", "wWw.Example.com.") for line in MANY_KINDS.split("\n") if not line.startswith("other")
    ]
    assert [rrset.to_text() for rrset in reply.answer] == wanted


OTHER = b"\5other\7example\3com\0"


def test_where_the_ttls_are():
    message = upstream("ANY", MANY_KINDS)
    found = places(message)
    for kept in ([each for each in found if each.section == 1], [found[0], *found[2:10]], found[5:6]):
        body, offsets = body_of(message, kept, QNAME, NameReader(message))
        ttls = [int.from_bytes(body[at : at + 4], "big") for at in offsets]
        assert ttls == [parse.ttl(message, place) for place in kept]
        answer, authority = records_of(QNAME + b"\0\xff\0\1", (1).to_bytes(2, "big") + (len(kept) - 1).to_bytes(2, "big"), body)
        assert (len(answer), len(authority)) == (1, len(kept) - 1)


def test_names_written_out_fill_one_message_at_most():
    long = ".".join(["x" * 60] * 4)
    lines = [f"other.example.com. 1 IN A 192.0.2.1\n{long}. 1 IN A 192.0.2.1"]
    lines += [f"{long}. 1 IN A 10.0.{n // 250}.{n % 250}" for n in range(300)]
    message = upstream("A", "\n".join(lines))
    assert len(message) < 7000
    octets = relayed(
        message, query(), 65535, keep=lambda place: place.section == 1 and NameReader(message).lower(place.start) != OTHER
    )
    assert len(octets) < len(message)  # each name once, as it was
    assert len(dns.message.from_wire(octets).answer[0]) == 301


def test_what_fits_no_message_is_cut():
    """An upstream compressed the targets of SRV records, which nobody may (RFC 2782): written out they are longer than any message."""
    long = b"".join(b"\x3c" + b"x" * 60 for _ in range(4)) + b"\0"
    target = QNAME + b"\0\x21\0\1" + b"\5other\xc0\x10\0\1\0\1\0\0\0\1\0\4\0\0\0\0"
    first = b"\xc0\x0c\0\x21\0\1\0\0\0\x3c" + (6 + len(long)).to_bytes(2, "big") + bytes(6) + long
    at = 12 + len(target) + 10 + 2 + 6
    more = b"\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x08" + b"\0\0\0\0\0\1" + (0xC000 | at).to_bytes(2, "big")
    message = bytes((0, 0, 0x81, 0x80, 0, 1, 1, 46, 0, 0, 0, 0)) + target + first + more * 300
    reply = relayed(message, query("SRV", use_edns=0), 65535, keep=lambda place: place.rtype == 33)
    parsed = dns.message.from_wire(reply, one_rr_per_rrset=True)
    assert parsed.flags & dns.flags.TC
    assert 65535 - 300 < len(reply) <= 65535
    assert {str(rrset[0].target) for rrset in parsed.answer} == {".".join(["x" * 60] * 4) + "."}
    assert parsed.edns == 0


@pytest.mark.slow
def test_names_written_anew_are_compressed_as_they_were():
    """Tails too, wherever they may be pointed at, and each in its own case."""
    lines = ["other.example.com. 1 IN A 192.0.2.1"] + [
        f"n{n}.Deep.example.NET. 1 IN NS ns{n}.Other.example.org." for n in range(2000)
    ]
    message = upstream("NS", "\n".join(lines))
    octets = relayed(message, query("NS"), 65535, keep=lambda place: place.rtype == 2)
    assert len(octets) <= len(message)
    parsed = dns.message.from_wire(octets, one_rr_per_rrset=True)
    assert [rrset.to_text() for rrset in parsed.answer] == lines[1:]


def test_deep_names_in_thousands_of_records_cost_little():
    """No more than so many tails are looked for; the names after that stand as they are, and what is too long is cut."""
    deep = b"\1a" * 120 + b"\0"
    question = QNAME + b"\0\2\0\1"
    at = 12 + len(question) + len(b"\5other\xc0\x10") + 10
    other = b"\5other\xc0\x10\0\x10\0\1\0\0\0\1" + len(b"\xf0" + deep).to_bytes(2, "big") + b"\xf0" + deep
    filling = b"\xc0\x0c\0\x10\0\1\0\0\0\1\x40\1" + b"\xff" + bytes(0x4000)
    names = [bytes((1, 0x61 + n % 26)) + (0xC000 | at + 1 + 2 * (n % 100)).to_bytes(2, "big") for n in range(2000)]
    records = [b"\xc0\x0c\0\2\0\1\0\0\0\1\0\4" + name for name in names]
    message = (
        bytes((0, 0, 0x81, 0x80, 0, 1))
        + (2 + len(records)).to_bytes(2, "big")
        + bytes(4)
        + question
        + other
        + filling
        + b"".join(records)
    )
    began = time.process_time()
    reply = relayed(message, query("NS"), 65535, keep=lambda place: NameReader(message).lower(place.start) != OTHER)
    assert time.process_time() - began < 0.2
    assert reply[2] & 2


def test_records_are_read_with_their_names_decompressed():
    rcode, records = answer_records(
        upstream("MX", "www.example.com. 60 IN MX 10 mail.example.com.\nwww.example.com. 60 IN CNAME x.example.com.")
    )
    assert rcode == 0
    assert {record.rdata for record in records} == {b"\0\x0a\x04mail\x07example\x03com\0", b"\x01x\x07example\x03com\0"}


def test_ttls_with_the_top_bit_are_nothing():
    octets = upstream(answer="www.example.com. 60 IN A 192.0.2.1").replace(b"\0\0\0\x3c\0\4", b"\x80\0\0\x3c\0\4", 1)
    assert answer_records(octets)[1][0].ttl == 0


def test_the_reasons_of_an_upstream_are_read_and_cleaned():
    message = dns.message.from_wire(upstream())
    options = [dns.edns.EDEOption(6, "bogus\x1b[2J\r\n"), dns.edns.EDEOption(9), dns.edns.EDEOption(7, "too many")]
    message.use_edns(0, options=[dns.edns.GenericOption(65001, b"x"), *options])
    assert parse.errors(message.to_wire()) == (Ede(6, "bogus[2J"), Ede(9, ""))
    assert parse.errors(upstream()) == ()
    assert parse.errors(b"\0" * 5) == ()


@settings(max_examples=300)
@given(st.data())
@pytest.mark.slow
def test_any_damage_is_relayed_soundly_or_refused(data):
    octets = bytearray(upstream(answer="www.example.com. 60 IN CNAME a.example.com.\na.example.com. 5 IN A 192.0.2.1"))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    ours = query(use_edns=0)
    assert len(parse.errors(cut)) <= parse.ERRORS_MAX
    for read in (places, answer_records, lambda message: relayed(message, ours, 512)):
        try:
            result = read(cut)
        except WireError:
            continue
        if isinstance(result, bytes):
            assert len(result) <= 512
            assert result[12 : 12 + len(ours.question)] == ours.question


def test_a_message_of_pointers_costs_little():
    head = b"\0\1\x81\x80\0\1\x0f\xff\0\0\0\0" + b"\1a\0\0\1\0\1"
    records = b"".join((0xC000 | max(12, 19 + 12 * (n - 1))).to_bytes(2, "big") + b"\0\1\0\1\0\0\0\1\0\0" for n in range(4095))
    with pytest.raises(WireError):
        answer_records(head + records)
