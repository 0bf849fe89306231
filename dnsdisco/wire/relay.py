"""An upstream's records made ours to send on: octets as they are behind another header, the client's own question, our OPT record.

Unknown types and records pass unchanged (RFC 5625 §4). EDNS is hop by hop (RFC 6891 §6.1.1): the upstream's OPT stays here, the client
gets ours if it sent one. Which records there are is decided in `answer/resolver_reply.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from dnsdisco.errors import WireError
from dnsdisco.wire import edns as edns_room
from dnsdisco.wire.constants import CD, OPCODE_MASK, QR, RD, TC
from dnsdisco.wire.name_reader import NameReader
from dnsdisco.wire.parse import Place, places, rdata, records
from dnsdisco.wire.query import HEADER_OCTETS, Query
from dnsdisco.wire.reply import compress, Ede, RR

BODY_OCTETS_MAX = 65535 - 1024  # of records written anew: leaves room for the header, the question and the OPT record over TCP


def body_of(message: bytes, kept: Sequence[Place], qname: bytes, reader: NameReader) -> tuple[bytes, list[int]]:
    """The records at *kept*, in that order, as they may stand behind the question alone, and where the TTL of each begins there.

    *qname*: the question's, in lower case, which is not compressed there; *reader*: of *message*. Octets as they are where nothing before or between them is left
    out; else each is written anew, with names decompressed, since what they point at may be gone. Raises WireError.
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
    octets = 0
    for place in kept:
        spelled, _ = reader.read(place.start)
        shared = compress(spelled.lower(), qname)
        owner = shared if shared == b"\xc0\x0c" else spelled
        data = rdata(message, place, reader)
        head = message[place.ttl_at - 4 : place.ttl_at + 4]
        parts += (owner, head, len(data).to_bytes(2, "big"), data)
        ttls.append(octets + len(owner) + 4)
        octets += len(owner) + 10 + len(data)
        if octets > BODY_OCTETS_MAX:
            raise WireError("records that do not fit one message when their names are written out")
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
    edns = query.edns
    opt = b""
    if edns is not None:
        errors = b"".join(edns_room.ede_option(*each) for each in ede) if ede else b""
        opt = edns_room.opt_record(options + errors, dnssec_ok=edns.dnssec_ok, extended_rcode=rcode >> 4)
        if errors and HEADER_OCTETS + len(query.question) + len(body) + len(opt) > limit:
            opt = edns_room.opt_record(options, dnssec_ok=edns.dnssec_ok, extended_rcode=rcode >> 4)
    head_flags = QR | flags | query.flags & (OPCODE_MASK | RD | CD) | rcode & 15
    message = b"".join(
        (
            query.id.to_bytes(2, "big"),
            head_flags.to_bytes(2, "big"),
            b"\0\1",
            counts,
            b"\0\1" if opt else b"\0\0",
            query.question,
            body,
            opt,
        )
    )
    return message if len(message) <= limit else _cut(message, query, len(opt), limit)


def _cut(message: bytes, query: Query, opt_octets: int, limit: int) -> bytes:
    """*message*, which is too long, with TC and without the last records, whole ones (RFC 2181 §9); its OPT record stays."""
    opt = message[len(message) - opt_octets :]
    records = [place for place in places(message) if place.section < 3]
    while records and records[-1].end + opt_octets > limit:
        records.pop()
    end = records[-1].end if records else HEADER_OCTETS + len(query.question)
    counts = b"".join(sum(place.section == section for place in records).to_bytes(2, "big") for section in (1, 2))
    return b"".join((message[:2], bytes((message[2] | TC >> 8, message[3])), b"\0\1", counts, message[10:12], message[12:end], opt))


def records_of(question: bytes, counts: bytes, body: bytes) -> tuple[list[RR], list[RR]]:
    """The answer and the authority section of a body that body_of() gave, decompressed."""
    message = bytes((0, 0, QR >> 8, 0, 0, 1)) + counts + b"\0\0" + question + body
    found, names = places(message), NameReader(message)
    return records(message, found, 1, names), records(message, found, 2, names)
