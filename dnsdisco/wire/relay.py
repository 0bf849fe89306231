"""An upstream's reply made ours to send on: octets as they are, but for the id, the question's case, some flags and the OPT record.

EDNS is hop by hop (RFC 6891 §6.1.1): the upstream's OPT stays here, the client gets ours if it sent one.
"""

from __future__ import annotations

from dnsdisco.errors import WireError
from dnsdisco.wire import edns as edns_room
from dnsdisco.wire.constants import AA, AD, CD, OPCODE_MASK, OPT, QR, RA, RD, TC
from dnsdisco.wire.parse import places, question_end
from dnsdisco.wire.query import HEADER_OCTETS, Query


def relay(message: bytes, query: Query, *, limit: int, trust_ad: bool, options: bytes = b"") -> bytes:
    """What the client gets for *message*, cut with TC where it does not fit in *limit* octets. Raises WireError for a malformed one.

    Unknown types, rcodes and records pass unchanged (RFC 5625 §4). AD passes only where `trust_ad` says so and the client asked
    (RFC 6840 §5.8).
    """
    head_end = question_end(message)
    records = places(message)
    if head_end - HEADER_OCTETS != len(query.question):
        raise WireError("the question in the reply is compressed")
    flags = message[2] << 8 | message[3]
    extended_rcode = 0
    end = records[-1].end if records else head_end
    for index, place in enumerate(records):
        if place.rtype == OPT and place.section == 3:
            # What follows the OPT may point behind it and cannot move: it is additional, so it may go with it.
            extended_rcode = message[place.ttl_at]
            end, records = place.start, records[:index]
            break
    opt = b""
    if query.edns is not None:
        opt = edns_room.opt_record(options, dnssec_ok=query.edns.dnssec_ok, extended_rcode=extended_rcode)
    room = limit - len(opt)
    is_cut = False
    while records and end > room:
        is_cut = is_cut or records[-1].section < 3
        end = records.pop().start
    wants_ad = query.flags & AD or (query.edns is not None and query.edns.dnssec_ok)
    kept = QR | flags & (AA | TC | 0x000F) | query.flags & (OPCODE_MASK | RD | CD) | RA
    kept |= (flags & AD if trust_ad and wants_ad else 0) | (TC if is_cut else 0)
    counts = [0, 0, 0, 0]
    for place in records:
        counts[place.section] += 1
    counts[3] += bool(opt)
    return b"".join(
        (
            query.id.to_bytes(2, "big"),
            kept.to_bytes(2, "big"),
            b"\0\1",
            *(count.to_bytes(2, "big") for count in counts[1:]),
            query.question,
            message[head_end:end],
            opt,
        )
    )
