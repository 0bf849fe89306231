"""Reads texts that other programs print and dnspython does not read: types that were experiments, and numbers without their leading zeros."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Sequence

from dnsdisco.errors import WireError
from dnsdisco.wire.constants import type_from_text
from dnsdisco.wire.name import absolute, Labels
from dnsdisco.wire.rdata import STRING_OCTETS_MAX, txt
from dnsdisco.wire.tokens import Token, unescaped

Words = Sequence[Token]
_GROUP = re.compile(r"[0-9a-fA-F]{1,4}")
_DIGITS = re.compile(r"[0-9]{1,10}")


def _number(word: Token, octets: int) -> bytes:
    if word.is_quoted or not _DIGITS.fullmatch(word.text):
        raise WireError("a number was expected")
    return int(word.text).to_bytes(octets, "big")


def _base64(words: Words) -> bytes:
    return base64.b64decode("".join(word.text for word in words), validate=True)


def _hex(words: Words, _origin: Labels) -> bytes:
    """EID and NIMLOC (draft-ietf-nimrod-dns)."""
    return bytes.fromhex("".join(word.text for word in words))


def _sink(words: Words, _origin: Labels) -> bytes:
    """Meaning, coding, subcoding, data (draft-eastlake-kitchen-sink)."""
    meaning, coding, subcoding, *data = words
    return b"".join(_number(word, 1) for word in (meaning, coding, subcoding)) + _base64(data)


def _doa(words: Words, _origin: Labels) -> bytes:
    """Enterprise, type, location, media type, and data or `-` for none (draft-durand-doa-over-dns)."""
    enterprise, kind, location, media, *data = words
    media_type = unescaped(media.text)
    if not data:
        raise WireError("data, or `-` for none, was expected")
    head = _number(enterprise, 4) + _number(kind, 4) + _number(location, 1)
    return head + bytes((len(media_type),)) + media_type + (b"" if [word.text for word in data] == ["-"] else _base64(data))


def _nxt(words: Words, origin: Labels) -> bytes:
    """The next name and a bit map of the types below 128 (RFC 2535 §5.2)."""
    numbers = [type_from_text(word.text) for word in words[1:]]
    if not numbers or max(numbers) > 127:
        raise WireError("types below 128 were expected")
    bits = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        bits[number // 8] |= 0x80 >> number % 8
    return absolute(words[0].text, origin) + bits


def _a6(words: Words, origin: Labels) -> bytes:
    """The length of a prefix, the address behind it, and the name that has the prefix (RFC 2874 §3.1)."""
    (octet,) = _number(words[0], 1)
    if octet > 128 or len(words) != 1 + (octet < 128) + (octet > 0):
        raise WireError("a prefix length, the rest of an address, and a name were expected")
    suffix = ipaddress.IPv6Address(words[1].text) if octet < 128 else ipaddress.IPv6Address(0)
    length = (128 - octet + 7) // 8
    kept = int(suffix) & (1 << 128 - octet) - 1
    return bytes((octet,)) + kept.to_bytes(16, "big")[16 - length :] + (absolute(words[-1].text, origin) if octet else b"")


def _atma(words: Words, _origin: Labels) -> bytes:
    """An ATM address: E.164 with a plus, else hexadecimal."""
    (word,) = words
    if word.text.startswith("+"):
        digits = word.text[1:].replace(".", "")
        if not digits.isdecimal() or not digits.isascii():
            raise WireError("digits were expected")
        return b"\1" + digits.encode()
    octets = bytes.fromhex(word.text.replace(".", ""))
    if not octets:
        raise WireError("hexadecimal digits were expected")
    return b"\0" + octets


def _isdn(words: Words, _origin: Labels) -> bytes:
    """An address and, where there is one, a subaddress (RFC 1183 §3.2), which may be empty."""
    strings = [unescaped(word.text) for word in words]
    if len(strings) not in (1, 2) or max(map(len, strings)) > STRING_OCTETS_MAX:
        raise WireError("one or two strings were expected")
    return txt(strings)


def _node(words: Words, _origin: Labels) -> bytes:
    """NID and L64 (RFC 6742 §2.1.2): a preference, and 64 bits in the form of half an IPv6 address, leading zeros or not."""
    preference, half = words
    groups = half.text.split(":")
    if len(groups) != 4 or not all(_GROUP.fullmatch(group) for group in groups):
        raise WireError("four groups of up to four hexadecimal digits were expected")
    return _number(preference, 2) + b"".join(int(group, 16).to_bytes(2, "big") for group in groups)


READERS: dict[str, Callable[[Words, Labels], bytes]] = {
    "A6": _a6, "ATMA": _atma, "DOA": _doa, "EID": _hex, "ISDN": _isdn, "L64": _node, "NID": _node, "NIMLOC": _hex, "NXT": _nxt, "SINK": _sink,
}  # fmt: skip
