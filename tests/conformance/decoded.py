"""A reply taken apart, strictly and independently of the program: every octet belongs to something, or the reply is malformed."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
OPT, RRSIG, SOA = 41, 46, 6
DO = 0x8000

# Octets before the first name in the RDATA and how many names follow, for the types whose names a server may compress (RFC 3597 §4)
# and those it must not but which hold names all the same: their case is not to count.
_NAMES = {
    2: (0, 1),
    5: (0, 1),
    6: (0, 2),
    12: (0, 1),
    14: (0, 2),
    15: (2, 1),
    17: (0, 2),
    18: (2, 1),
    33: (6, 1),
    36: (2, 1),
    39: (0, 1),
}


class Malformed(Exception):
    """The octets are not a DNS message, whole and with nothing after it."""


class Record(NamedTuple):
    """`owner`, and names in `data`, uncompressed and in lower case; `spelled`: the owner as it stands in the reply."""

    owner: bytes
    rtype: int
    rclass: int
    ttl: int
    data: bytes
    spelled: bytes = b""

    @property
    def key(self) -> tuple[bytes, int, int, bytes]:
        """All but the TTL."""
        return self.owner, self.rtype, self.rclass, self.data


@dataclass
class Opt:
    size: int
    extended_rcode: int
    version: int
    flags: int  # 16 bits: DO and those that must be zero
    options: list[tuple[int, bytes]]


@dataclass
class Decoded:
    octets: bytes
    id: int = 0
    flags: int = 0
    question: bytes = b""  # every question, as it stands
    questions: int = 0
    answer: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)  # without OPT
    opt: Opt | None = None

    @property
    def opcode(self) -> int:
        return self.flags >> 11 & 15

    @property
    def rcode(self) -> int:
        """With the OPT record's upper bits."""
        return self.flags & 15 | (self.opt.extended_rcode << 4 if self.opt else 0)

    def has(self, rtype: int) -> bool:
        return any(record.rtype == rtype for record in self.answer)

    @property
    def is_empty(self) -> bool:
        return not (self.questions or self.answer or self.authority or self.additional or self.opt)


def decode(octets: bytes) -> Decoded:
    """Raises Malformed."""
    if len(octets) < 12:
        raise Malformed("shorter than a header")
    message_id, flags, *counts = struct.unpack("!6H", octets[:12])
    reply = Decoded(octets, message_id, flags, questions=counts[0])
    at = 12
    for _ in range(counts[0]):
        _, at = name_at(octets, at)
        at += 4
        if at > len(octets):
            raise Malformed("a question that is cut short")
    reply.question = octets[12:at]
    for section, count in zip((reply.answer, reply.authority, reply.additional), counts[1:], strict=True):
        for _ in range(count):
            record, at = _record(octets, at)
            if record.rtype != OPT:
                section.append(record)
                continue
            if section is not reply.additional or reply.opt is not None or record.owner != b"\0":
                raise Malformed("an OPT record that is misplaced or not the only one")
            reply.opt = _opt(record)
    if at != len(octets):
        raise Malformed(f"{len(octets) - at} octets after the last record")
    return reply


def name_at(octets: bytes, at: int) -> tuple[bytes, int]:
    """The name at *at*, uncompressed, and the offset behind it."""
    parts, total, end, limit = [], 1, 0, at
    while True:
        if at >= len(octets):
            raise Malformed("a name that is cut short")
        length = octets[at]
        if length >= 0xC0:
            if at + 1 >= len(octets):
                raise Malformed("a pointer that is cut short")
            end = end or at + 2
            at = (length & 0x3F) << 8 | octets[at + 1]
            if not 12 <= at < limit:
                raise Malformed("a pointer that does not go backwards to a name")
            limit = at
            continue
        if length > 63:
            raise Malformed("an unknown label type")
        if not length:
            return b"".join(parts) + b"\0", end or at + 1
        total += 1 + length
        if total > 255:
            raise Malformed("a name of more than 255 octets")
        parts.append(octets[at : at + 1 + length])
        at += 1 + length


def _record(octets: bytes, at: int) -> tuple[Record, int]:
    spelled, at = name_at(octets, at)
    if at + 10 > len(octets):
        raise Malformed("a record that is cut short")
    rtype, rclass, ttl, length = struct.unpack("!HHIH", octets[at : at + 10])
    at += 10
    end = at + length
    if end > len(octets):
        raise Malformed("a record that runs past the message")
    before, names = _NAMES.get(rtype, (0, 0))
    data = octets[at:end]
    if names:
        place, parts = at + before, [octets[at : at + before]]
        for _ in range(names):
            name, place = name_at(octets, place)
            parts.append(name.lower())
        if place > end:
            raise Malformed("a name that runs past its record")
        data = b"".join((*parts, octets[place:end]))
    return Record(spelled.lower(), rtype, rclass, ttl, data, spelled), end


def _opt(record: Record) -> Opt:
    options, at, data = [], 0, record.data
    while at < len(data):
        if at + 4 > len(data):
            raise Malformed("an option that is cut short")
        code, length = struct.unpack("!HH", data[at : at + 4])
        at += 4 + length
        if at > len(data):
            raise Malformed("an option that runs past its record")
        options.append((code, data[at - length : at]))
    return Opt(record.rclass, record.ttl >> 24, record.ttl >> 16 & 0xFF, record.ttl & 0xFFFF, options)
