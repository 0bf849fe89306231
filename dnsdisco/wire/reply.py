"""A reply as a value, and its octets (RFC 1035 §4.1, RFC 2181 §9).

Each record is encoded against the question alone, never against another record: its octets do not depend on the order of the
records, so that an answer can be shuffled, sampled and cut by moving whole pieces of octets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dnsdisco.wire.constants import ANY_CLASS, BADKEY, IN, NOERROR, OPCODE_MASK, QR, QUERY, RA, TC, TSIG
from dnsdisco.wire.envelope import counts_of, Ede, flags_for, header, message, NO_RECORDS, opt_for
from dnsdisco.wire.query import HEADER_OCTETS, Query


class RR(NamedTuple):
    """One record. `owner` and names in `rdata` are uncompressed wire forms."""

    owner: bytes
    rtype: int
    ttl: int  # seconds
    rdata: bytes
    rclass: int = IN


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is put into octets for one client.

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
    room = limit - HEADER_OCTETS - len(query.question)
    left = room - sum(map(len, answer)) - sum(map(len, authority))
    opt = opt_for(query, options, ede, rcode, room=left, beside=sum(map(len, additional)))
    answer, room, is_cut = _fit(answer, room - len(opt))
    if is_cut:
        authority = additional = []
    else:
        authority, room, is_cut = _fit(authority, room)
        additional = [] if is_cut else _fit(additional, room)[0]
    flags |= TC if is_cut else 0
    counts = counts_of(len(answer), len(authority))
    return message(query, flags, rcode, counts, (*answer, *authority, *additional), opt, additional=len(additional))


def _fit(records: list[bytes], room: int) -> tuple[list[bytes], int, bool]:
    """The records from the start that fit in *room* octets, the room left, and whether some did not."""
    for count, record in enumerate(records):
        if len(record) > room:
            return records[:count], room, True
        room -= len(record)
    return records, room, False


def cut_reply(query: Query, *, options: bytes = b"", recursion: bool = False) -> bytes:
    """TC and nothing else: no larger than the query but for *options*, and the client is to ask again over TCP."""
    flags = flags_for(query, TC | (RA if recursion else 0))
    return message(query, flags, NOERROR, NO_RECORDS, (), opt_for(query, options))


def fault_reply(query: Query, *, options: bytes = b"", recursion: bool = False) -> bytes:
    """The reply to a query that cannot be served: its fault as rcode, no records but OPT (and TSIG, RFC 8945 §5.3.2)."""
    if query.opcode != QUERY:
        # NOTIMP and its like carry nothing, whatever flags came in: the meaning of the rest is not known (RFC 8906 §8.1.4).
        return header(query, QR | query.flags & OPCODE_MASK, query.fault, NO_RECORDS, 0)
    opt = opt_for(query, options, rcode=query.fault)
    flags = flags_for(query, RA if recursion else 0)
    return message(query, flags, query.fault, NO_RECORDS, (), opt, tsig=_bad_key(query))


def _bad_key(query: Query) -> bytes:
    """The TSIG record for BADKEY; b"" if the query is not signed."""
    if query.tsig is None:
        return b""
    key, algorithm_and_time = query.tsig
    rdata = algorithm_and_time + b"\0\0" + query.id.to_bytes(2, "big") + BADKEY.to_bytes(2, "big") + b"\0\0"
    return key + TSIG.to_bytes(2, "big") + ANY_CLASS.to_bytes(2, "big") + bytes(4) + len(rdata).to_bytes(2, "big") + rdata
