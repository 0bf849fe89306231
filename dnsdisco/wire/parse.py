"""An upstream's reply read record by record, with every bound checked (RFC 1035 §4.1). What it holds is not trusted, only read."""

from __future__ import annotations

import struct
from functools import partial
from typing import NamedTuple

from dnsdisco.errors import WireError
from dnsdisco.wire import name
from dnsdisco.wire.constants import EDE, OPT, QR, TTL_MAX
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name_reader import NameReader, STEPS_MAX
from dnsdisco.wire.query import HEADER_OCTETS
from dnsdisco.wire.rdata_forms import BEFORE_NAME, NAME, STRING, WITH_NAMES
from dnsdisco.wire.reply import RR

POINTER_TO_QUESTION = b"\xc0\x0c"  # the owner of nearly all records
RECORDS_MAX = 4096  # in one message; 64 KiB of the smallest real answers stay below it
ERRORS_MAX = 2  # Extended DNS Errors of an upstream that are passed on; each takes room from the answer
_ERROR_CONTROL = dict.fromkeys((*range(0x20), 0x7F, *range(0x80, 0xA0)))  # no text from outside moves a reader's cursor


class RecordPlace(NamedTuple):
    """The place of one record in its message."""

    section: int  # 1 answer, 2 authority, 3 additional
    start: int
    rtype: int
    rclass: int
    ttl_at: int  # offset of the TTL's four octets
    data: int  # offset of the RDATA
    end: int


def question_end(message: bytes) -> int:
    """The offset behind the one question. Raises WireError."""
    if len(message) < HEADER_OCTETS or message[4:6] != b"\0\1":
        raise WireError("not one question")
    _, at = name.read(message, HEADER_OCTETS)
    if at + 4 > len(message):
        raise WireError("a question without type and class")
    return at + 4


def places(message: bytes, at: int = 0, most: int = RECORDS_MAX) -> list[RecordPlace]:
    """Every record of *message*, without decompressing a name. Raises WireError for what is not whole, or not a reply, or too much.

    *at*: where the question ends, if that is known. *most*: records. Records in a row mostly have the same owner, in the same octets,
    which are then compared, not read.
    """
    at = at or question_end(message)
    if not (message[2] << 8 | message[3]) & QR:
        raise WireError("a query where a reply was expected")
    found: list[RecordPlace] = []
    size = len(message)
    labels = 0
    owner = POINTER_TO_QUESTION
    try:
        for section in (1, 2, 3):
            count = message[4 + 2 * section] << 8 | message[5 + 2 * section]
            if len(found) + count > most:
                raise WireError(f"more than {most} records")
            for _ in range(count):
                start = at
                if message.startswith(owner, at):
                    at += len(owner)
                else:
                    while 0 < (length := message[at]) <= name.LABEL_OCTETS_MAX:
                        at += 1 + length
                        labels += 1
                    if length >= 0xC0:
                        at += 2
                    elif not length:
                        at += 1
                    else:
                        raise WireError("a name of an unknown label type")
                    if labels > STEPS_MAX:
                        raise WireError("names that would cost too much to read")
                    owner = message[start:at]
                rtype, rclass, octets = _FIELDS(message, at)
                end = at + 10 + octets
                found.append(_place((section, start, rtype, rclass, at + 4, at + 10, end)))
                at = end
    except (IndexError, struct.error):
        raise WireError("a record is cut short") from None
    if at > size:
        raise WireError("a record runs past the message")
    return found


def end_of_record(message: bytes, at: int) -> int:
    """The offset behind the record that begins at *at*, in a message that has been read before."""
    while 0 < (length := message[at]) <= name.LABEL_OCTETS_MAX:
        at += 1 + length
    at += 2 if length else 1
    return at + 10 + (message[at + 8] << 8 | message[at + 9])


_FIELDS = struct.Struct("!HH4xH").unpack_from  # type, class, RDLENGTH; the TTL is read where it is wanted
_place = partial(tuple.__new__, RecordPlace)  # half the cost of the constructor, four thousand times in a large reply


def ttl(message: bytes, place: RecordPlace) -> int:
    """Seconds; with the top bit set it is nonsense and means 0 (RFC 2181 §8)."""
    return seconds(message[place.ttl_at : place.ttl_at + 4])


def seconds(octets: bytes) -> int:
    """Seconds of a TTL from its four octets, by the rule of ttl()."""
    found = int.from_bytes(octets, "big")
    return found if found <= TTL_MAX else 0


def rcode(message: bytes, found: list[RecordPlace]) -> int:
    """The rcode with its upper eight bits, which are in the OPT record (RFC 6891 §6.1.3)."""
    low = message[3] & 15
    return next((low | message[place.ttl_at] << 4 for place in found if place.rtype == OPT and place.section == 3), low)


def errors(message: bytes, most: int = ERRORS_MAX) -> tuple[Ede, ...]:
    """The first *most* Extended DNS Errors in the OPT record (RFC 8914 §2); () where they cannot be read. Never raises."""
    try:
        opt = next((place for place in places(message) if place.rtype == OPT and place.section == 3), None)
    except WireError:
        return ()
    found: list[Ede] = []
    at, end = (opt.data, opt.end) if opt else (0, 0)
    while at + 4 <= end and len(found) < most:
        code, length = message[at] << 8 | message[at + 1], message[at + 2] << 8 | message[at + 3]
        at += 4 + length
        if code == EDE and length >= 2 and at <= end:
            octets = message[at - length : at]
            text = octets[2:].decode("utf-8", "replace").translate(_ERROR_CONTROL)
            found.append(Ede(octets[0] << 8 | octets[1], text))
    return tuple(found)


def answer_records(message: bytes) -> tuple[int, list[RR]]:
    """The rcode (with its extended bits) and the answer section, names decompressed and owners in lower case. Raises WireError."""
    found = places(message)
    return rcode(message, found), records(message, found, 1, NameReader(message))


def records(message: bytes, found: list[RecordPlace], section: int, names: NameReader) -> list[RR]:
    """Those of one section, names decompressed and owners in lower case. *names*: of *message*. Raises WireError."""
    return [
        RR(names.lower(place.start), place.rtype, ttl(message, place), rdata(message, place, names), place.rclass)
        for place in found
        if place.section == section
    ]


def rdata(message: bytes, place: RecordPlace, reader: NameReader) -> bytes:
    """*reader*: of *message*. The RDATA with its names decompressed, as it may stand in another message (RFC 3597 §4). Raises WireError."""
    before = BEFORE_NAME.get(place.rtype)
    if before is not None:
        at = place.data + before
        wire, end = reader.read(at)
        if end > place.end:
            raise WireError(_PAST)
        return message[place.data : at] + wire + message[end : place.end]
    form = WITH_NAMES.get(place.rtype)
    if form is None:
        return message[place.data : place.end]
    parts: list[bytes] = []
    at = begin = place.data
    for field in form:
        if field == NAME:
            parts.append(message[begin:at])
            wire, begin = reader.read(at)
            parts.append(wire)
            at = begin
        elif field == STRING and at < place.end:
            at += 1 + message[at]
        elif field > 0:
            at += field
    if at > place.end:
        raise WireError(_PAST)
    parts.append(message[begin : place.end])
    return b"".join(parts)


_PAST = "a name runs past its record"
