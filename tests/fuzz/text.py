"""Readers of text in DNS's own forms: record data, names, zone files."""

from __future__ import annotations

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zonefile

from dnsdisco.errors import EXCERPT_MAX, REASON_MAX, WireError
from dnsdisco.presentation import rdata
from dnsdisco.wire import name, other_forms, presentation
from dnsdisco.wire.constants import TTL_MAX, type_from_text, type_to_text, TYPES
from dnsdisco.wire.parse import RecordPlace
from dnsdisco.wire.tokens import joined, tokenize
from dnsdisco.zone import master
from tests.conformance.rdata_table import ROWS
from tests.fuzz.reader import Reader

MESSAGE_MAX = 2 * (EXCERPT_MAX + REASON_MAX) + 200  # characters of a fault, whatever was written
ZONES = ("svc.local", "svc.internal")


def _told(error: WireError) -> None:
    assert 0 < len(str(error)) <= MESSAGE_MAX


def _text(written: bytes) -> None:
    """A type, a blank, its data: a fault, or octets that an independent codec reads, too, and whose text is read back to them."""
    kind, _, text = written.decode("utf-8", "replace").partition(" ")
    try:
        rtype = type_from_text(kind)
        words = tokenize(text)
        octets = presentation.from_words(rtype, words, ())
    except WireError as error:
        _told(error)
        return
    assert joined(tokenize(joined(words))) == joined(words)
    again = rdata.text(octets, RecordPlace(1, 0, rtype, 1, 0, 0, len(octets)))
    assert presentation.from_words(rtype, tokenize(again), ()) == octets, again
    if is_known_elsewhere(rtype):
        other = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), octets, 0, len(octets))
        assert other.to_wire() == octets
        assert _elsewhere(rtype, joined(words)).to_wire() == octets


def is_known_elsewhere(rtype: int) -> bool:
    """By dnspython, and not less well than here."""
    number = dns.rdatatype.RdataType.make(rtype)
    known = dns.rdata.get_rdata_class(dns.rdataclass.IN, number, False)
    return known not in (None, dns.rdata.GenericRdata) and type_to_text(rtype) not in other_forms.READERS


def _elsewhere(rtype: int, text: str) -> dns.rdata.Rdata:
    number = dns.rdatatype.RdataType.make(rtype)
    return dns.rdata.from_text(dns.rdataclass.IN, number, text, origin=dns.name.root, relativize=False)


def _name(written: bytes) -> None:
    """A fault, or what an independent codec reads; and its text is read back."""
    text = written.decode("utf-8", "replace")
    try:
        wire = name.absolute(text, (b"svc", b"local"))
    except WireError as error:
        _told(error)
        return
    assert name.read(wire, 0) == (wire, len(wire))
    assert name.from_text(name.to_text(wire)) == wire
    if text not in ("", "@"):
        assert dns.name.from_text(text, dns.name.from_text("svc.local.")).to_wire() == wire


# zone files


class _Unreadable(Exception):
    """dnspython takes less than we do here."""


def _zone(written: bytes) -> None:
    """Faults have their line; what is usable has owners, TTLs and data that can be sent; a text without faults is read so by dnspython."""
    text = written.decode("utf-8", "replace")
    records, problems = master.usable(text, "x.zone", ZONES)
    last = text.count("\n") + 1
    for problem in problems:
        assert 0 <= problem.line <= last
        assert problem.message
        assert len(problem.message) <= MESSAGE_MAX
    for zone, record in records:
        owner = name.wire_of((*(label.encode("latin-1") for label in record.owner), *zone))
        assert owner == owner.lower()
        assert record.ttl is not None
        assert 0 <= record.ttl <= TTL_MAX
        shown = rdata.text(record.rdata, RecordPlace(1, 0, record.rtype, 1, 0, 0, len(record.rdata)))
        assert presentation.from_words(record.rtype, tokenize(shown), ()) == record.rdata
    if problems or any(not is_known_elsewhere(record.rtype) or _is_one(record.rtype) for _, record in records):
        return
    ours = {
        (name.wire_of((*(label.encode("latin-1") for label in record.owner), *zone)), record.rtype, record.rdata)
        for zone, record in records
    }
    if "\r" in text.replace("\r\n", "\n"):
        return  # a lone one is a blank here, and the end of a line there
    try:
        theirs = _zone_elsewhere(text)
    except _Unreadable:
        return
    assert ours == theirs


def _is_one(rtype: int) -> bool:
    """dnspython keeps one record alone of these at a name."""
    return dns.rdatatype.is_singleton(dns.rdatatype.RdataType.make(rtype))


def _zone_elsewhere(text: str) -> set[tuple[bytes, int, bytes]]:
    try:
        rrsets = dns.zonefile.read_rrsets(text, rdclass="IN", origin="svc.local.", relativize=False, default_ttl=300)
    except Exception as error:  # noqa: BLE001  whatever it raises
        raise _Unreadable(str(error)) from None
    return {(rrset.name.canonicalize().to_wire(), int(rrset.rdtype), record.to_wire()) for rrset in rrsets for record in rrset}


_ZONE_SEEDS = (
    "$TTL 1h30m\n$ORIGIN svc.local.\nweb 60 IN A 10.0.0.1\n  AAAA 2001:db8::1\n* TXT x ; why\n",
    'a TXT ( "one ; two"\n  three ) ; four\n\tMX 10 mail\n@ 5 CAA 0 issue "ca.example.net"\n',
    "_http._tcp IN 60 SRV 0 10 80 web.svc.internal.\n$ORIGIN svc.internal.\n\\097\\.b CNAME @\n",
    "@ SOA ns h 1 2 3 4 5\n@ NS ns\nx CLASS1 TYPE1 \\# 4 0a000001\ny TYPE65280 \\# 2 beef\n",
)
_ZONE_WORDS = (
    b"\n", b" ", b"\t", b"(", b")", b'"', b";", b"\\", b"\\000", b"\\255", b"\\256", b"@", b".", b"$ORIGIN ", b"$TTL ", b"$INCLUDE x", b"$GENERATE 1-2 a$ A 10.0.0.$",
    b"IN ", b"CH ", b"1w2d", b"99999999999w", b"0", b"\r\n", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff", b"a.", b"svc.local.", b"*", b"\\# ",
    *(f"{kind} ".encode() for kind in ("A", "AAAA", "CNAME", "MX", "SRV", "TXT", "NS", "SOA", "DNAME", "HTTPS", "CAA", "NAPTR", "TYPE1", "ANY")),
)  # fmt: skip
_TEXT_WORDS = (
    *{word.encode() for _, text in ROWS for word in text.split() if len(word) < 40}, *(kind.encode() for kind in TYPES), *_ZONE_WORDS[:13], b"=", b",", b"!",
    b"alpn=", b"mandatory=", b"key7=", b"65535", b"65536", b"4294967296", b"-1",
)  # fmt: skip


READERS = {
    "text": Reader(tuple(f"{kind} {text}".encode() for kind, text in ROWS), _TEXT_WORDS, _text),
    "name": Reader((b"web.svc.local.", b"a\\.b", b"\\000\\255.", b"@", b".", b"a." * 126 + b"a"), _ZONE_WORDS[5:17], _name),
    "zone": Reader(
        (*(seed.encode() for seed in _ZONE_SEEDS), *(f"x {kind} {text}\n".encode() for kind, text in ROWS)), (*_ZONE_WORDS, *_TEXT_WORDS), _zone
    ),
}  # fmt: skip
