"""Relaying and reading upstream replies: nothing lost, nothing believed."""

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.errors import WireError
from dnsdisco.wire.parse import answer_records, places
from dnsdisco.wire.query import slice_query
from dnsdisco.wire.relay import relay

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


def upstream(rtype="A", answer="www.example.com. 60 IN A 192.0.2.1"):
    return dns.message.from_text(TEXT.format(type=rtype, answer=answer)).to_wire(max_size=65535)


def query(rtype="A", **options):
    return slice_query(dns.message.make_query("wWw.Example.com.", rtype, **options).to_wire())


def test_octets_pass_unchanged_but_for_our_own():
    ours = query(use_edns=0, flags=dns.flags.RD | dns.flags.CD)
    reply = dns.message.from_wire(relay(upstream(), ours, limit=1232, trust_ad=False))
    assert reply.id == ours.id
    assert reply.question[0].name.to_text() == "wWw.Example.com."
    assert reply.flags & dns.flags.CD
    assert not reply.flags & dns.flags.AD
    assert reply.edns == 0
    assert reply.payload == 1232
    assert reply.answer[0].to_text() == "wWw.Example.com. 60 IN A 192.0.2.1"
    assert reply.authority
    assert reply.additional


@pytest.mark.parametrize(
    ("trust", "asked", "expected"), [(True, "AD", True), (True, "DO", True), (True, "", False), (False, "AD", False)]
)
def test_ad_passes_where_it_is_trusted_and_asked_for(trust, asked, expected):
    ours = query(flags=dns.flags.RD | (dns.flags.AD if asked == "AD" else 0), want_dnssec=asked == "DO")
    reply = dns.message.from_wire(relay(upstream(), ours, limit=1232, trust_ad=trust))
    assert bool(reply.flags & dns.flags.AD) == expected


def test_without_edns_there_is_no_opt():
    assert dns.message.from_wire(relay(upstream(), query(), limit=512, trust_ad=False)).edns == -1


@pytest.mark.parametrize("limit", [100, 512, 1232])
def test_what_is_too_large_is_cut_at_a_record(limit):
    answer = "\n".join(f"www.example.com. 60 IN A 10.0.{n // 200}.{n % 200}" for n in range(300))
    octets = relay(upstream(answer=answer), query(use_edns=0), limit=limit, trust_ad=False)
    reply = dns.message.from_wire(octets)
    assert len(octets) <= limit
    assert reply.flags & dns.flags.TC
    assert limit - len(octets) < 16 or not reply.answer


def test_unknown_types_and_rcodes_pass():
    octets = upstream("TYPE65280", "www.example.com. 60 IN TYPE65280 \\# 4 c00cc00c")
    assert b"\xc0\x0c\xc0\x0c" in relay(octets, query("TYPE65280"), limit=512, trust_ad=False)
    odd = bytearray(upstream())
    odd[3] = odd[3] & 0xF0 | 11
    assert relay(bytes(odd), query(), limit=512, trust_ad=False)[3] & 15 == 11


def test_an_extended_rcode_moves_into_our_opt():
    message = dns.message.from_text(TEXT.format(type="A", answer="").replace("rcode NOERROR", "rcode BADCOOKIE"))
    reply = dns.message.from_wire(relay(message.to_wire(), query(use_edns=0), limit=1232, trust_ad=False))
    assert reply.rcode() == dns.rcode.BADCOOKIE


def test_records_are_read_with_their_names_decompressed():
    rcode, records = answer_records(
        upstream("MX", "www.example.com. 60 IN MX 10 mail.example.com.\nwww.example.com. 60 IN CNAME x.example.com.")
    )
    assert rcode == 0
    assert {record.rdata for record in records} == {b"\0\x0a\x04mail\x07example\x03com\0", b"\x01x\x07example\x03com\0"}


@settings(max_examples=300)
@given(st.data())
def test_any_damage_is_relayed_soundly_or_refused(data):
    octets = bytearray(upstream(answer="www.example.com. 60 IN CNAME a.example.com.\na.example.com. 5 IN A 192.0.2.1"))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    ours = query(use_edns=0)
    for read in (places, answer_records, lambda message: relay(message, ours, limit=512, trust_ad=True)):
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
