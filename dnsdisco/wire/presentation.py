"""RDATA in wire form from what a person wrote (RFC 1035 §5.1, RFC 3597 §5). Workers have no use for it.

The types that nearly every record has are read here and packed by dnslib; all others by dnspython, which knows them and is loaded for the first
of them (ADR 0042).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

import dnslib
from dnslib import DNSBuffer, DNSLabel, RD

from dnsdisco.errors import excerpt, reason, WireError
from dnsdisco.wire.constants import A, AAAA, APL, CNAME, MX, NS, OPT, PTR, SPF, SRV, TXT, type_to_text
from dnsdisco.wire.name import absolute, Labels, labels_of
from dnsdisco.wire.rdata import STRING_OCTETS_MAX, txt
from dnsdisco.wire.tokens import joined, Token, tokenize, unescaped

META_TYPES = range(128, 256)  # TKEY, TSIG, IXFR, AXFR, ANY: questions and signatures, no data (RFC 6895 §3.1)
RDATA_OCTETS_MAX = 65535 - 512  # leaves room for the header, the question and the OPT record in a TCP message
GENERIC = "\\#"

Words = Sequence[Token]


def from_text(rtype: int, text: str | tuple[str, ...]) -> bytes:
    """The wire form of a value in `records:`. Raises WireError with what was expected.

    TXT: the string itself, or several; nothing in it is special, and what is longer than a string is split. Others: presentation form,
    names absolute with or without the last dot. Any type also as `\\# length hex` (RFC 3597 §5).
    """
    try:
        strings = [string.encode() for string in ((text,) if isinstance(text, str) else text)]
    except UnicodeEncodeError:
        raise WireError("half a character (a surrogate), which no record can hold") from None
    if isinstance(text, tuple):
        if rtype != TXT:
            raise WireError(f"a list of strings is for TXT, not for {type_to_text(rtype)}")
        return _bounded(txt(strings))
    if rtype == TXT and not text.startswith(GENERIC):
        return _bounded(txt(strings))
    words = tokenize(text)
    if any(word.text == "@" and not word.is_quoted for word in words):
        raise WireError("`@` stands for an origin, and there is none here: write the name")
    return from_words(rtype, words, ())


def from_words(rtype: int, words: Words, origin: Labels) -> bytes:
    """The wire form of the words of a master file; names without the last dot are below *origin*. Raises WireError."""
    if rtype in META_TYPES or rtype in (0, OPT):
        raise WireError(f"{type_to_text(rtype)} is not a type that data can have")
    read = _READERS.get(rtype)
    if not words and (read is not None or rtype != APL):  # an empty list of prefixes is one (RFC 3123 §4)
        raise WireError(f"{type_to_text(rtype)} without data")
    if read is None or (words[0].text == GENERIC and not words[0].is_quoted):
        from dnsdisco.wire import all_types  # noqa: PLC0415  9 MiB and 50 ms that most have no use for

        return _bounded(all_types.from_words(rtype, words, origin))
    try:
        buffer = DNSBuffer()
        read(words, origin).pack(buffer)
        return _bounded(bytes(buffer.data))
    except (ValueError, WireError) as error:
        raise WireError(f"{excerpt(joined(words))} is not the data of {type_to_text(rtype)}: {reason(error)}") from None


def _bounded(rdata: bytes) -> bytes:
    if len(rdata) > RDATA_OCTETS_MAX:
        raise WireError(f"{len(rdata)} octets of data; at most {RDATA_OCTETS_MAX} can be answered")
    return rdata


def _plain(words: Words, count: int) -> list[str]:
    if len(words) != count:
        raise ValueError(f"{count} word{'s' if count > 1 else ''} expected, {len(words)} found")
    if any(word.is_quoted for word in words):
        raise ValueError("a word in quotes where none can stand")
    return [word.text for word in words]


def _uint16(text: str) -> int:
    digits = text.lstrip("0") or text[-1:]
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5 and int(digits) <= 0xFFFF):
        raise ValueError(f"{excerpt(text)} is not a number from 0 to 65535")
    return int(digits)


def _label(text: str, origin: Labels) -> DNSLabel:
    return DNSLabel(labels_of(absolute(text, origin)))


def _a(words: Words, _origin: Labels) -> RD:
    return dnslib.A(tuple(ipaddress.IPv4Address(_plain(words, 1)[0]).packed))


def _aaaa(words: Words, _origin: Labels) -> RD:
    (text,) = _plain(words, 1)
    if "%" in text:
        raise ValueError("a scope cannot stand in a record")
    return dnslib.AAAA(tuple(ipaddress.IPv6Address(text).packed))


def _name(words: Words, origin: Labels) -> RD:
    return dnslib.CNAME(_label(_plain(words, 1)[0], origin))


def _mx(words: Words, origin: Labels) -> RD:
    preference, exchange = _plain(words, 2)
    return dnslib.MX(_label(exchange, origin), _uint16(preference))


def _srv(words: Words, origin: Labels) -> RD:
    priority, weight, port, target = _plain(words, 4)
    return dnslib.SRV(_uint16(priority), _uint16(weight), _uint16(port), _label(target, origin))


def _txt(words: Words, _origin: Labels) -> RD:
    strings = [unescaped(word.text) for word in words]
    longest = max(map(len, strings))
    if longest > STRING_OCTETS_MAX:
        raise ValueError(f"a string of {longest} octets; at most {STRING_OCTETS_MAX}: write several, each in quotes")
    return dnslib.TXT(strings)


_READERS: dict[int, Callable[[Words, Labels], RD]] = {
    A: _a, AAAA: _aaaa, CNAME: _name, MX: _mx, NS: _name, PTR: _name, SPF: _txt, SRV: _srv, TXT: _txt,
}  # fmt: skip
