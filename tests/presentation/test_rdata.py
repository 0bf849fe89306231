"""RDATA as text: equal to an independent codec where both read it, and never more than one line of printable ASCII."""

from __future__ import annotations

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.presentation import rdata
from dnsdisco.wire.constants import TYPES
from dnsdisco.wire.parse import RecordPlace


def shown(rtype, octets):
    return rdata.text(octets, RecordPlace(1, 0, rtype, 1, 0, 0, len(octets)))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("A", "10.0.0.11"),
        ("AAAA", "2001:db8::12"),
        ("NS", "ns.svc.local."),
        ("CNAME", "a\\.b.svc.local."),
        ("SOA", "ns.svc.local. hostmaster.svc.local. 7 3600 600 86400 2"),
        ("PTR", "web-1.svc.local."),
        ("HINFO", '"RFC8482" ""'),
        ("MX", "10 mail.svc.local."),
        ("TXT", '"v=1" "quote \\" back \\\\ \\200\\000"'),
        ("SRV", "0 10 8080 web-1.svc.local."),
        ("DNAME", "svc.internal."),
        ("CAA", '0 issue "ca.example.net"'),
        ("SPF", '"v=spf1 -all"'),
        ("AFSDB", "1 afs.example."),
        ("KX", "10 kx.example."),
    ],
)
def test_as_an_independent_codec_writes_it(kind, text):
    made = dns.rdata.from_text("IN", kind, text)
    assert shown(TYPES[kind], made.to_wire()) == made.to_text() == text


@pytest.mark.parametrize(
    ("kind", "text", "part"),
    [
        ("HTTPS", '1 . alpn="h2,h3" port="8443" ipv4hint="10.0.0.1"', "alpn"),
        ("DS", "20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d", "20326"),
        ("TLSA", f"3 1 1 {'0d6fce13' * 8}", "3"),
        ("SSHFP", "4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789", "4"),
        ("NAPTR", '10 100 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .', "E2U+sip"),
    ],
)
def test_rare_types_are_readable(kind, text, part):
    got = shown(TYPES[kind], dns.rdata.from_text("IN", kind, text).to_wire())
    assert part in got
    assert not got.startswith("\\#")


@pytest.mark.parametrize(
    ("rtype", "octets"),
    [
        (1, b"\1\2\3"),
        (1, b"\1\2\3\4\5"),
        (28, bytes(15)),
        (5, b"\3web"),
        (5, b"\xc0\x00"),
        (15, b"\0"),
        (16, b""),
        (16, b"\5abc"),
        (33, b"\0\1\0\2\0\3\0more"),
        (6, b"\0\0\1\2\3"),
        (257, b"\0\5iss"),
        (257, b"\0\1\xffx"),
        (65, b"\0"),
        (65280, b"\xab\xcd"),
        (50, b"\xff" * 5000),
        (29, b"\0" * 16),
    ],
)
def test_what_cannot_be_read_is_shown_in_the_generic_form(rtype, octets):
    got = shown(rtype, octets)
    if rtype != 29:  # LOC: whatever dnslib makes of zeros
        assert got == f"\\# {len(octets)} {octets.hex()}".rstrip()


def test_nothing_in_a_text_reaches_the_terminal():
    assert shown(16, bytes([9]) + b"\x1b[31m\n\x07\x9b!") == '"\\027[31m\\010\\007\\155!"'


@given(st.sampled_from([*TYPES.values(), 65280]), st.binary(max_size=80))
def test_any_octets_are_one_line_of_printable_ascii(rtype, octets):
    got = shown(rtype, octets)
    assert got.isascii()
    assert got.isprintable()


@given(st.sampled_from([1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 39, 257]), st.binary(max_size=60))
def test_whatever_both_can_read_reads_the_same(rtype, octets):
    got = shown(rtype, octets)
    try:
        theirs = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType(rtype), octets, 0, len(octets))
    except Exception:  # noqa: BLE001  whatever the other codec refuses with
        return
    if not got.startswith("\\#"):
        again = dns.rdata.from_text("IN", dns.rdatatype.to_text(rtype), got)
        assert again == theirs
