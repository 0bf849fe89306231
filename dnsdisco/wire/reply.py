"""A reply as a value, and its octets (RFC 1035 §4.1, RFC 2181 §9).

Each record is encoded against the question alone, never against another record: its octets do not depend on the order of the
records, so that an answer can be shuffled, sampled and cut by moving whole pieces of octets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dnsdisco.wire import edns as edns_room
from dnsdisco.wire.constants import AA, ANY_CLASS, BADKEY, CD, IN, NOERROR, OPCODE_MASK, QR, QUERY, RA, RD, TC, TSIG
from dnsdisco.wire.query import HEADER_OCTETS, Query


class RR(NamedTuple):
    """One record. `owner` and names in `rdata` are uncompressed wire forms."""

    owner: bytes
    rtype: int
    ttl: int  # seconds
    rdata: bytes
    rclass: int = IN


class Ede(NamedTuple):
    """An Extended DNS Error (RFC 8914): why this answer is not what one would expect."""

    code: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer, before it is put into octets for one client.

    `ranks`: priority and weight of the last records in `answer`, which are put in an order drawn by them and cut to `max_answers`
    (0: all); the records before them (a CNAME chain) stay in front. None: the order stands.
    `depends_on`: what this answer was made of; a change of one of these makes it wrong. None: never to be kept.
    """

    rcode: int = NOERROR
    is_authoritative: bool = False
    answer: Sequence[RR] = ()
    authority: tuple[RR, ...] = ()
    additional: tuple[RR, ...] = ()
    ede: tuple[Ede, ...] = ()
    ranks: tuple[tuple[int, int], ...] | None = None
    max_answers: int = 0
    depends_on: tuple[object, ...] | None = None


def encode_record(record: RR, qname: bytes) -> bytes:
    """The octets of *record*; its owner is compressed against *qname* (lower case), which stands at offset 12 of the message."""
    owner, rtype, ttl, rdata, rclass = record
    return (
        compress(owner, qname)
        + rtype.to_bytes(2, "big")
        + rclass.to_bytes(2, "big")
        + ttl.to_bytes(4, "big")
        + len(rdata).to_bytes(2, "big")
        + rdata
    )


def compress(owner: bytes, qname: bytes) -> bytes:
    """*owner* with its longest tail that *qname* has too as a pointer (RFC 1035 §4.1.4).

    By pointing into the question, an owner keeps the case that the client wrote (RFC 4343 §4.1, and 0x20 clients rely on it).
    """
    if owner == qname and len(qname) > 1:
        return b"\xc0\x0c"
    at = 0
    while owner[at]:
        tail = owner[at:]
        if qname.endswith(tail):
            offset = len(qname) - len(tail)
            if _is_label_start(qname, offset):
                return owner[:at] + (0xC000 | HEADER_OCTETS + offset).to_bytes(2, "big")
        at += 1 + owner[at]
    return owner


def _is_label_start(qname: bytes, offset: int) -> bool:
    at = 0
    while at < offset:
        at += 1 + qname[at]
    return at == offset


class Limits(NamedTuple):
    """UDP reply sizes in octets (RFC 6891 §6.2.5): what a client may ask for with EDNS, when it is on this host or elsewhere."""

    local: int = 8192  # no link to fragment on; HAProxy and Prometheus ask for 4096 and more and have no TCP to fall back on
    remote: int = 1232  # RFC 9715 §3


RECORD_OCTETS_MIN = 16  # of a record that is one of several: a compressed owner, ten octets before RDATA, an IPv4 address
RECORDS_MAX = 4094  # of those, in a message of 65,535 octets: an answer with more is always cut
WITHOUT_EDNS = 512  # RFC 1035 §4.2.1
TCP_OCTETS_MAX = 65535


def size_limit(query: Query, *, is_tcp: bool, is_local: bool, limits: Limits) -> int:
    """Octets that the reply to *query* may have."""
    if is_tcp:
        return TCP_OCTETS_MAX
    if query.edns is None:
        return WITHOUT_EDNS
    return min(query.edns.size, limits.local if is_local else limits.remote)


def reply_flags(query: Query, *, is_authoritative: bool, recursion: bool) -> int:
    """QR, and what the reply repeats: opcode, RD, CD (RFC 6840 §5.9). AD never: our own data are not DNSSEC-validated."""
    return QR | query.flags & (OPCODE_MASK | RD | CD) | (AA if is_authoritative else 0) | (RA if recursion else 0)


def assemble(
    query: Query,
    flags: int,
    rcode: int,
    sections: tuple[list[bytes], list[bytes], list[bytes]],
    *,
    options: bytes = b"",
    ede: tuple[Ede, ...] = (),
    limit: int,
) -> bytes:
    """The message that fits in *limit* octets. *sections* are encoded records: answer, authority, additional.

    What does not fit goes in this order: the EDE texts, additional records from the end (which alone sets no TC), the EDE codes, then,
    with TC, authority and answer records from the end, whole ones (RFC 2181 §9). The question and the OPT record always stay.
    """
    answer, authority, additional = sections
    question = query.question
    room = limit - HEADER_OCTETS - len(question)
    opt = b""
    if query.edns is not None:
        left = room - edns_room.OPT_OCTETS - len(options) - sum(map(len, answer)) - sum(map(len, authority))
        opt_options = options + _ede_options(ede, left, sum(map(len, additional)))
        opt = edns_room.opt_record(opt_options, dnssec_ok=query.edns.dnssec_ok, extended_rcode=rcode >> 4)
        room -= len(opt)
    kept_answer, room, is_cut = _fit(answer, room)
    kept_authority: list[bytes] = []
    kept_additional: list[bytes] = []
    if not is_cut:
        kept_authority, room, is_cut = _fit(authority, room)
    if is_cut:
        flags |= TC
    else:
        kept_additional, room, _ = _fit(additional, room)
    return b"".join(
        (
            query.id.to_bytes(2, "big"),
            (flags | rcode & 15).to_bytes(2, "big"),
            b"\0\1" if question else b"\0\0",
            len(kept_answer).to_bytes(2, "big"),
            len(kept_authority).to_bytes(2, "big"),
            (len(kept_additional) + bool(opt)).to_bytes(2, "big"),
            question,
            *kept_answer,
            *kept_authority,
            *kept_additional,
            opt,
        )
    )


def _ede_options(ede: tuple[Ede, ...], left: int, additional: int) -> bytes:
    """What fits in *left* octets: with the texts where *additional* octets fit too, else the codes alone, else none."""
    if not ede:
        return b""
    told = b"".join(edns_room.ede_option(*error) for error in ede)
    if len(told) + additional > left:
        told = b"".join(edns_room.ede_option(error.code, "") for error in ede)
    return told if len(told) <= left else b""


def _fit(records: list[bytes], room: int) -> tuple[list[bytes], int, bool]:
    """The records from the start that fit in *room* octets, the room left, and whether some did not."""
    for count, record in enumerate(records):
        if len(record) > room:
            return records[:count], room, True
        room -= len(record)
    return records, room, False


def cut_reply(query: Query, *, options: bytes = b"", recursion: bool = False) -> bytes:
    """TC and nothing else: no larger than the query but for *options*, and the client is to ask again over TCP."""
    flags = reply_flags(query, is_authoritative=False, recursion=recursion) | TC
    return assemble(query, flags, NOERROR, ([], [], []), options=options, limit=TCP_OCTETS_MAX)


def fault_reply(query: Query, limit: int, *, options: bytes = b"", recursion: bool = False) -> bytes:
    """The reply to a query that cannot be served: its fault as rcode, no records but OPT (and TSIG, RFC 8945 §5.3.2)."""
    if query.opcode != QUERY:
        # NOTIMP and its like carry nothing, whatever flags came in: the meaning of the rest is not known (RFC 8906 §8.1.4).
        return query.id.to_bytes(2, "big") + (QR | query.flags & OPCODE_MASK | query.fault).to_bytes(2, "big") + bytes(8)
    flags = reply_flags(query, is_authoritative=False, recursion=recursion)
    octets = assemble(query, flags, query.fault, ([], [], []), options=options, limit=limit)
    if query.tsig is None:
        return octets
    key, algorithm_and_time = query.tsig
    rdata = algorithm_and_time + b"\0\0" + query.id.to_bytes(2, "big") + BADKEY.to_bytes(2, "big") + b"\0\0"
    tsig = key + TSIG.to_bytes(2, "big") + ANY_CLASS.to_bytes(2, "big") + bytes(4) + len(rdata).to_bytes(2, "big") + rdata
    count = int.from_bytes(octets[10:12], "big") + 1
    return octets[:10] + count.to_bytes(2, "big") + octets[12:] + tsig
