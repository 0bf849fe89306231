"""RDATA in wire form from what a person wrote, through dnslib. Workers have no use for it, and start without its 15 ms of imports."""

from __future__ import annotations

import ipaddress

from dnslib import DNSBuffer, DNSError, RD, RDMAP

from dnsdisco.errors import WireError
from dnsdisco.wire import name
from dnsdisco.wire.constants import A, AAAA, CNAME, HINFO, NS, PTR, RP, SOA, SRV, TXT, type_to_text
from dnsdisco.wire.name import from_text as name_from_text
from dnsdisco.wire.parse import NAMES_IN_RDATA
from dnsdisco.wire.rdata import soa, srv, txt
from dnsdisco.wire.tokens import tokenize

# Types whose data has the form of another one, which dnslib knows (RFC 9460, 8162, 7344, 4431, 2230, 1183).
_SAME_FORM = {
    "SVCB": "HTTPS", "SMIMEA": "TLSA", "CDS": "DS", "DLV": "DS", "CDNSKEY": "DNSKEY", "KX": "MX", "AFSDB": "MX", "RT": "MX",
}  # fmt: skip
RDATA_OCTETS_MAX = 65535 - 512  # leaves room for the header, the question and the OPT record in a TCP message


def from_text(rtype: int, text: str | tuple[str, ...]) -> bytes:
    """The wire form of what a person wrote. Raises WireError with what was expected.

    TXT: the string itself, or several; nothing in it is special. Others: presentation form (RFC 1035 §5.1), names absolute with or
    without the last dot. Any type also as `\\# length hex` (RFC 3597 §5).
    """
    if isinstance(text, tuple):
        if rtype != TXT:
            raise WireError(f"a list of strings is for TXT, not for {type_to_text(rtype)}")
        rdata = txt([string.encode() for string in text])
    elif text.startswith("\\#"):
        rdata = _unknown_form(text)
        _verify(rtype, rdata)
    elif rtype == TXT:
        rdata = txt([text.encode()])
    else:
        rdata = _from_presentation(rtype, text)
    if len(rdata) > RDATA_OCTETS_MAX:
        raise WireError(f"{len(rdata)} octets of data; at most {RDATA_OCTETS_MAX} can be answered")
    return rdata


def _unknown_form(text: str) -> bytes:
    parts = text.split()
    try:
        rdata = bytes.fromhex("".join(parts[2:]))
        declared = int(parts[1])
    except (ValueError, IndexError):
        raise WireError(f"{text[:40]!r} is not of the form `\\# length hex`") from None
    if declared != len(rdata):
        raise WireError(f"`\\# {declared}` is followed by {len(rdata)} octets")
    return rdata


def _from_presentation(rtype: int, text: str) -> bytes:
    kind = type_to_text(rtype)
    try:
        if rtype == A:
            return ipaddress.IPv4Address(text.strip()).packed
        if rtype == AAAA:
            return ipaddress.IPv6Address(text.strip()).packed
        if rtype in (CNAME, NS, PTR):
            return name_from_text(_one_word(text))
        if rtype == RP:  # two names, of which dnslib would write the second as a pointer into the first
            mailbox, txt_name = text.split()
            return name_from_text(mailbox) + name_from_text(txt_name)
        if rtype == HINFO:
            cpu, system = (token.text for token in tokenize(text))
            return txt([cpu.encode(), system.encode()])
        if rtype == SRV:
            priority, weight, port, target = text.split()
            return srv(int(priority), int(weight), int(port), name_from_text(target))
        if rtype == SOA:
            mname, rname, *numbers = text.replace("(", " ").replace(")", " ").split()
            serial, refresh, retry, expire, minimum = map(int, numbers)
            return soa(name_from_text(mname), name_from_text(rname), serial, refresh, retry, expire, minimum)
    except (ValueError, OverflowError) as error:
        raise WireError(f"{text!r} is not the data of {kind}: {error}") from None
    rdata_class = _class_of(kind)
    if rdata_class is None:
        raise WireError(f"{kind} can be written only as `\\# length hex` (RFC 3597)")
    try:
        buffer = DNSBuffer()
        rdata_class.fromZone([token.text for token in tokenize(text)], None).pack(buffer)
        rdata = bytes(buffer.data)
    except (DNSError, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, UnicodeError) as error:
        # dnslib lets whatever its conversions raise pass through; here all of it means the same.
        raise WireError(f"{text!r} is not the data of {kind}: {error}") from None
    _verify(rtype, rdata)
    return rdata


def _class_of(kind: str) -> type[RD] | None:
    found: type[RD] | None = RDMAP.get(_SAME_FORM.get(kind, kind))
    return found


def _one_word(text: str) -> str:
    words = text.split()
    if len(words) != 1:
        raise ValueError("one name was expected")
    return words[0]


def _verify(rtype: int, rdata: bytes) -> None:
    """Well-formed where dnslib knows the type, and without pointers, which would point anywhere in a message: it must parse at the client."""
    at, names = NAMES_IN_RDATA.get(rtype, (0, 0))
    for _ in range(names):
        wire, end = name.read(rdata, at)
        if end - at != len(wire):
            raise WireError(f"a compressed name in the data of {type_to_text(rtype)}")
        at = end
    rdata_class = _class_of(type_to_text(rtype))
    if rdata_class is None or rdata_class is RD:
        return
    try:
        buffer = DNSBuffer(rdata)
        rdata_class.parse(buffer, len(rdata))
    except (DNSError, ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeError, BufferError) as error:
        raise WireError(f"malformed data of {type_to_text(rtype)}: {error}") from None
    if buffer.remaining():
        raise WireError(f"{buffer.remaining()} octets too many in the data of {type_to_text(rtype)}")
