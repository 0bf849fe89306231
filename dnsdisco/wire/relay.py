"""An upstream's records made ours to send on: octets as they are behind another header, the client's own question, our OPT record.

Unknown types and records pass unchanged (RFC 5625 §4). EDNS is hop by hop (RFC 6891 §6.1.1): the upstream's OPT stays here, the client
gets ours if it sent one. Which records there are is decided in `answer/believe.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from dnsdisco.wire.compressed import Writer
from dnsdisco.wire.constants import QR, TC
from dnsdisco.wire.envelope import counts_of, Ede, flags_for, message, opt_for
from dnsdisco.wire.name_reader import NameReader
from dnsdisco.wire.parse import end_of_record, places, rdata, RecordPlace, records
from dnsdisco.wire.query import HEADER_OCTETS, Query
from dnsdisco.wire.reply import RR, TCP_OCTETS_MAX

BODY_OCTETS_MAX = TCP_OCTETS_MAX  # of records written anew: what comes behind so many octets fits no message


def body_of(message: bytes, kept: Sequence[RecordPlace], qname: bytes, reader: NameReader) -> tuple[bytes, list[int]]:
    """The records at *kept*, in that order, as they may stand behind the question alone, and where the TTL of each begins there.

    *qname*: the question's, in lower case, which is not compressed there; *reader*: of *message*. Octets as they are where nothing before or between them is left
    out; else each is written anew, since what its names point at may be gone. Of what fits no message there are only the records up to
    BODY_OCTETS_MAX and one more, so that reply_of() cuts it. Raises WireError. Linear in the octets.
    """
    at = begin = HEADER_OCTETS + len(qname) + 4
    for place in kept:
        if place.start != at:
            break
        at = place.end
    else:
        return message[begin:at], [place.ttl_at - begin for place in kept]
    parts: list[bytes] = []
    ttls: list[int] = []
    writer = Writer(qname)
    for place in kept:
        spelled, _ = reader.read(place.start)
        owner = qname if spelled.lower() == qname else spelled
        ttl = int.from_bytes(message[place.ttl_at : place.ttl_at + 4], "big")
        parts.append(writer.record(RR(owner, place.rtype, ttl, rdata(message, place, reader), place.rclass)))
        ttls.append(writer.ttl_at - begin)
        if writer.at > BODY_OCTETS_MAX:
            break
    return b"".join(parts), ttls


def reply_of(
    query: Query,
    flags: int,
    rcode: int,
    counts: bytes,
    body: bytes,
    *,
    limit: int,
    options: bytes = b"",
    ede: Sequence[Ede] = (),
) -> bytes:
    """The reply made of *body*, which is what body_of() gave, for one client.

    *flags*: AA, AD, RA as they are to be; *rcode*: 12 bits; *counts*: ANCOUNT and NSCOUNT. What does not fit in *limit* octets is cut, the
    EDE first, then with TC whole records.
    """
    begin = HEADER_OCTETS + len(query.question)
    opt = opt_for(query, options, ede, rcode, room=limit - begin - len(body))
    flags = flags_for(query, flags)
    if begin + len(body) + len(opt) > limit:
        flags |= TC
        counts, body = _cut(counts, body, limit - begin - len(opt))
    return message(query, flags, rcode, counts, (body,), opt)


def _cut(counts: bytes, body: bytes, room: int) -> tuple[bytes, bytes]:
    """*body*, which is too long, without the last records, whole ones (RFC 2181 §9). Linear in *room*, however much there is to be cut."""
    answers = counts[0] << 8 | counts[1]
    count = answers + (counts[2] << 8 | counts[3])
    at = kept = 0
    while kept < count and (end := end_of_record(body, at)) <= room:
        at = end
        kept += 1
    return counts_of(min(kept, answers), max(kept - answers, 0)), body[:at]


def records_of(question: bytes, counts: bytes, body: bytes) -> tuple[list[RR], list[RR]]:
    """The answer and the authority section of a body that body_of() gave, decompressed."""
    message = bytes((0, 0, QR >> 8, 0, 0, 1)) + counts + b"\0\0" + question + body
    found, names = places(message), NameReader(message)
    return records(message, found, 1, names), records(message, found, 2, names)
