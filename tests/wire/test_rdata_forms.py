"""RDATA of every known type: what an independent codec writes is readable, and cut, longer or with a bad name it is not."""

from __future__ import annotations

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from dnsdisco.errors import WireError
from dnsdisco.wire.constants import TYPES
from dnsdisco.wire.name_reader import NameReader
from dnsdisco.wire.parse import places, rdata
from dnsdisco.wire.rdata_forms import check, COMPRESSED, FORMS, LONGER, NAME, PLAIN, REST, SIZES, SOME, STRINGS

KEY = "YWJjZGVmZ2hpamtsbW5vcA=="
GOOD = {
    "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"], "NS": ["ns.example.net."], "CNAME": ["www.example.net."], "PTR": ["www.example.net."],
    "DNAME": ["example.net."], "SOA": ["ns.example.net. root.example.net. 1 2 3 4 5"], "MX": ["10 mail.example.net."],
    "RP": ["root.example.net. txt.example.net."], "AFSDB": ["1 afs.example.net."], "RT": ["1 rt.example.net."],
    "PX": ["1 a.example.net. b.example.net."], "SRV": ["1 2 3 srv.example.net."], "KX": ["1 kx.example.net."],
    "NAPTR": ['1 2 "u" "E2U+sip" "!^.*$!sip:x@example.net!" .', '1 2 "s" "SIP+D2U" "" _sip._udp.example.net.'],
    "NSAP-PTR": ["foo.example.net."], "LP": ["1 l64.example.net."], "TXT": ['"a"', '"" "b"'], "SPF": ['"v=spf1 -all"'],
    "AVC": ['"a:b"'], "HINFO": ['"a" "b"'], "X25": ['"311061700956"'], "ISDN": ['"150862028003217"', '"1508" "004"'],
    "GPOS": ['"-32.6" "116.8" "10.0"'], "WKS": ["192.0.2.1 6 ( 25 53 )"], "LOC": ["52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"],
    "CERT": [f"1 1 1 {KEY}"], "APL": ["1:192.0.2.0/24 !2:2001:db8::/32", ""], "DS": ["1 8 1 " + "ab" * 20], "DLV": ["1 8 1 " + "ab" * 20],
    "CDS": ["0 0 0 00"], "CDNSKEY": ["0 3 0 AA=="], "DNSKEY": [f"257 3 8 {KEY}"], "SSHFP": ["1 1 " + "ab" * 20],
    "IPSECKEY": [f"10 {kind} 2 {host} {KEY}" for kind, host in ((0, "."), (1, "192.0.2.1"), (2, "2001:db8::1"), (3, "gw.example.net."))],
    "RRSIG": [f"A 8 2 60 20300101000000 20200101000000 1 example.net. {KEY}"],
    "NSEC": ["z.example.net. A MX RRSIG NSEC TYPE1234"],
    "NSEC3": ["1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY", "1 1 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr"],
    "NSEC3PARAM": ["1 0 12 aabbccdd", "1 0 0 -"], "TLSA": ["3 1 1 " + "ab" * 32], "SMIMEA": ["3 1 1 " + "ab" * 32], "DHCID": [KEY],
    "HIP": [f"2 200100107b1a74df365639cc39f1d578 {KEY}", f"2 200100107b1a74df365639cc39f1d578 {KEY} rvs.example.net. rvs2.example.net."],
    "OPENPGPKEY": [KEY], "CSYNC": ["12345 0 A MX RRSIG NSEC"], "ZONEMD": ["1 1 1 " + "ab" * 48],
    "SVCB": ["0 svc.example.net.", '1 . alpn="h2,h3" port=53 ipv4hint=192.0.2.1'], "HTTPS": ["0 svc.example.net.", '1 . alpn="h2,h3"'],
    "NID": ["10 0014:4fff:ff20:ee64"], "L32": ["10 10.1.2.0"], "L64": ["10 2001:0db8:1140:1000"], "EUI48": ["00-00-5e-00-53-2a"],
    "EUI64": ["00-00-5e-ef-10-00-00-2a"], "URI": ['10 1 "ftp://ftp.example.net/"'], "CAA": ['0 issue "ca.example.net"', '128 tbs ""'],
    "AMTRELAY": [f"10 0 {kind} {host}" for kind, host in ((0, "."), (1, "192.0.2.1"), (2, "2001:db8::1"), (3, "a.example."))],
}  # fmt: skip
SAMPLES = [(rtype, text) for rtype, texts in GOOD.items() for text in texts]
BY_HAND = {
    "MD": b"\1a\0", "MF": b"\1a\0", "MB": b"\1a\0", "MG": b"\1a\0", "MR": b"\1a\0", "MINFO": b"\1a\0\1b\0", "TALINK": b"\1a\0\1b\0",
    "SIG": bytes(18) + b"\1a\0sig", "KEY": bytes(4), "NXT": b"\1a\0\x40", "NINFO": b"\1x", "RKEY": bytes(4), "DSYNC": bytes(5) + b"\1a\0",
    "RESINFO": b"\1x", "WALLET": b"\1x", "CLA": b"\1x", "IPN": bytes(8), "TA": bytes(5),
}  # fmt: skip
# Of no form that could be wrong, or not of records at all.
ANY_OCTETS = "NULL NSAP EID NIMLOC ATMA A6 SINK HHIT BRID UINFO UID GID UNSPEC NXNAME DOA OPT TKEY TSIG IXFR AXFR MAILB MAILA ANY"
NUMBERS = {**TYPES, "NINFO": 56, "TALINK": 58, "AMTRELAY": 260}


def number_of(rtype):
    return NUMBERS[rtype]


def wire_of(rtype, text):
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType(number_of(rtype)), text).to_wire()


BEFORE = bytes(12) + b"\0"  # a header, and a name of the root
ROOT = b"\xc0\x0c"


def is_readable(rtype, octets):
    message = BEFORE + octets
    try:
        check(message, len(BEFORE), len(message), FORMS[number_of(rtype)], NameReader(message))
    except (WireError, IndexError):
        return False
    return True


def test_every_type_has_an_example():
    assert {number_of(rtype) for rtype in {*GOOD, *BY_HAND}} == set(FORMS)
    named = {name for name, number in TYPES.items() if number not in FORMS}
    assert named == set(ANY_OCTETS.split())


@pytest.mark.parametrize(("rtype", "text"), SAMPLES)
def test_what_is_right_is_readable(rtype, text):
    assert is_readable(rtype, wire_of(rtype, text))


@pytest.mark.parametrize(("rtype", "octets"), [*((rtype, wire_of(rtype, text)) for rtype, text in SAMPLES), *BY_HAND.items()])
def test_what_is_cut_is_not(rtype, octets):
    """Cut anywhere: unreadable, but where the rest is of no length of its own, and what is left is right in itself."""
    form = FORMS[number_of(rtype)]
    for length in range(len(octets)):
        cut = octets[:length]
        if is_readable(rtype, cut):
            assert {REST, SOME, STRINGS} & set(form) or form[0] < STRINGS or _agrees(rtype, cut), (length, cut)
    assert len(form) > 1 or form[0] < 0 or not is_readable(rtype, octets[:-1])
    assert rtype == "APL" or not is_readable(rtype, b"")


def _agrees(rtype, octets):
    """The independent codec reads it too."""
    try:
        dns.rdata.from_wire(dns.rdataclass.IN, number_of(rtype), octets, 0, len(octets))
    except Exception:  # noqa: BLE001  whatever it is that it cannot read
        return False
    return True


@pytest.mark.parametrize(("rtype", "octets"), [*((rtype, wire_of(rtype, text)) for rtype, text in SAMPLES), *BY_HAND.items()])
def test_what_is_too_long_is_not(rtype, octets):
    form = FORMS[number_of(rtype)]
    if form[-1] not in (REST, SOME) and rtype not in ("IPSECKEY", "ISDN"):
        for more in (b"\0", b"\xff\xff"):
            longer = octets + more
            assert not is_readable(rtype, longer) or _agrees(rtype, longer), more


def names_at(form, octets):
    """Where names begin in the data, for the forms that are numbers, strings and names alone before them."""
    found, at = [], 0
    for field in form:
        if field in (NAME, PLAIN):
            found.append((at, field))
            while octets[at]:
                at += 1 + octets[at]
            at += 1
        elif field >= 0:
            at += field
        elif field == -3:
            at += 1 + octets[at]
        else:
            break
    return found


WITH_NAMES = sorted(rtype for rtype in {*GOOD, *BY_HAND} if {NAME, PLAIN} & set(FORMS[number_of(rtype)]))


@pytest.mark.parametrize("rtype", WITH_NAMES)
def test_a_bad_name_is_not_readable_whatever_is_wrong_with_it(rtype):
    octets = wire_of(rtype, GOOD[rtype][-1]) if rtype in GOOD else BY_HAND[rtype]
    form = FORMS[number_of(rtype)]
    found = names_at(form, octets)
    assert found
    for at, kind in found:
        end = at
        while octets[end]:
            end += 1 + octets[end]
        before, after = octets[:at], octets[end + 1 :]
        forward = (0xC000 | len(BEFORE) + len(octets)).to_bytes(2, "big")
        itself = (0xC000 | len(BEFORE) + at).to_bytes(2, "big")
        bad = (
            b"\x40a",
            b"\x80",
            b"\x41\xc0\x0c",
            b"\xc0\x00",  # into the header
            b"\xc0\x0b",
            forward,
            itself,
            (b"\x3f" + b"x" * 63) * 4 + b"\0",
            b"\1x" * 128 + b"\0",
            b"\5abc",
        )
        for name in bad:
            assert not is_readable(rtype, before + name + after) or name == b"\5abc", (at, name)
        assert not is_readable(rtype, before + b"\x3fabc")
        # A pointer backwards, to a name: fine, but where nobody may compress.
        assert is_readable(rtype, before + ROOT + after) == (kind == NAME)
        assert is_readable(rtype, before + (b"\x3e" + b"x" * 62) * 4 + b"\0" + after)


HTTPS_HEAD = b"\0\1\0"  # priority 1, the owner itself as the target


def parameters(*pairs):
    return HTTPS_HEAD + b"".join(key.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for key, value in pairs)


H2 = (1, b"\2h2")
# What dig 9.18 calls a bad packet (tests/server/test_resolve_peers.py asks it), and who relays it hands a client nothing.
IMPOSSIBLE = [
    *(("HTTPS", parameters(*pairs)) for pairs in (
        [(1, b"")], [(1, b"\0")], [(1, b"\5h2")], [(2, b"")], [H2, (2, b"x")], [(3, b"")], [(3, b"\1")], [(3, b"\0\0\1")],
        [(4, b"")], [(4, b"\1\2\3")], [(4, bytes(6))], [(6, b"")], [(6, bytes(15))], [(0, b"")], [(0, b"\0")], [(0, b"\0\0")],
        [(0, b"\0\3")], [(0, b"\0\3\0\1"), H2, (3, b"\0\x35")], [(0, b"\0\1\0\1"), H2], [H2, H2],
    )),
    ("CAA", b"\0\0ca.example"), ("CAA", b"\0\3a-bca.example"), ("CAA", b"\0\1\xe4"), ("CERT", bytes(5)),
    ("LOC", b"\0\xaa\x16\x13" + b"\x80\0\0\0" * 3), ("LOC", b"\0\x12\x1a\x13" + b"\x80\0\0\0" * 3),
    ("LOC", b"\0\x12\x16\x13" + b"\xff" * 4 + b"\x80\0\0\0" * 2), ("LOC", b"\0\x12\x16\x13" + b"\x80\0\0\0" + b"\0" * 8),
]  # fmt: skip
POSSIBLE = [
    *(("HTTPS", parameters(*pairs)) for pairs in (
        [], [H2, (2, b"")], [(0, b"\0\1\0\3"), H2, (3, b"\0\x35")], [(0, b"\xfe\xe8"), (65256, b"")], [(4, bytes(8)), (6, bytes(32))],
        [(1, b"\1a\3b,c")], [(5, b"x"), (65400, b"any")],
    )),
    ("CAA", b"\0\1a"), ("LOC", b"\1" + bytes(3)), ("LOC", b"\0\x99\x16\x13" + b"\x80\0\0\0" * 3), ("CERT", bytes(6)),
]  # fmt: skip


# What dig calls a bad packet all the same, and Unbound relays (tests/server/test_resolve_peers.py asks both): it is for the validator or the
# program that asked for the type to judge, and no other record suffers from it.
STRANGE = [
    ("DS", b"\0\1\x08\1" + b"x" * 19), ("DS", b"\0\1\x08\2" + b"x" * 20), ("CDS", b"\0\1\x08\4" + b"x" * 20), ("DLV", b"\0\1\x08\1x"),
    ("SSHFP", b"\1\1" + b"x" * 19), ("SSHFP", b"\1\2" + b"x" * 20), ("ZONEMD", b"\0\0\0\1\1\1" + b"x" * 47),
    ("NAPTR", b"\0\1\0\2\1u\3E2U\5!^.*$\0"), ("NAPTR", b"\0\1\0\2\1u\3E2U\x06!a!b!z\0"), ("NAPTR", b"\0\1\0\2\1u\3E2U\5!(!b!\0"),
    ("NSEC", b"\1z\0\0\2\x40\0"), ("NSEC", b"\1z\0\0\1\0"), ("CSYNC", bytes(6) + b"\0\2\x40\0"), ("NXT", b"\1a\0\x40\0"),
    ("NSEC3", b"\1\0\0\0\0\0"), ("NSEC3", b"\1\0\0\0\0\5xxxxx\0\1\x40"), ("NSEC3", b"\1\0\0\0\0\x14" + b"x" * 20 + b"\0\2\x40\0"),
    ("NSAP", b""), ("EID", b""), ("NIMLOC", b""), ("ATMA", b"\1"), ("A6", b"\x81"), ("SINK", b"\1"), ("DOA", b"x"), ("ISDN", b"\1x\1y\1z"),
    *(("HTTPS", parameters(H2, (7, path))) for path in (b"", b"\xff\xfe", b"/nothing", b"dns{?dns}")),
    ("APL", b"\0\1\x21\1\x0a"), ("APL", b"\0\1\x08\1\0"),
]  # fmt: skip


@pytest.mark.parametrize(("rtype", "octets"), STRANGE)
def test_what_only_its_own_program_can_judge_is_readable(rtype, octets):
    assert number_of(rtype) not in FORMS or is_readable(rtype, octets)


@pytest.mark.parametrize(("rtype", "octets"), IMPOSSIBLE)
def test_a_value_that_cannot_be_is_not_readable(rtype, octets):
    assert not is_readable(rtype, octets)


@pytest.mark.parametrize(("rtype", "octets"), POSSIBLE)
def test_a_value_that_is_only_unusual_is_readable(rtype, octets):
    assert is_readable(rtype, octets)


def test_names_are_decompressed_wherever_they_stand():
    """Also behind strings (NAPTR): what they point at is gone when the record is written anew."""
    for rtype in sorted(number_of(rtype) for rtype in WITH_NAMES if NAME in FORMS[number_of(rtype)]):
        name = b"\3www\7example\0"
        data = b"".join(b"\xc0\x0c" if field == NAME else b"\1s" if field == -3 else bytes(max(field, 0)) for field in FORMS[rtype])
        whole = b"".join(name if field == NAME else b"\1s" if field == -3 else bytes(max(field, 0)) for field in FORMS[rtype])
        message = bytes((0, 0, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0)) + name + rtype.to_bytes(2, "big") + b"\0\1"
        message += b"\xc0\x0c" + rtype.to_bytes(2, "big") + b"\0\1\0\0\0\1" + len(data).to_bytes(2, "big") + data
        (place,) = places(message)
        assert rdata(message, place, NameReader(message)) == whole


def test_the_two_tables_of_the_loop_are_all_forms():
    assert {int.from_bytes(rtype, "big") for rtype in (*SIZES, *LONGER)} == set(FORMS)
    assert not set(SIZES) & set(LONGER)
    assert all(NAME in FORMS[rtype] for rtype in COMPRESSED)
