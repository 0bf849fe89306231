"""The octets around the records of a reply: header and question before them, the OPT record behind (RFC 1035 §4.1.1, RFC 6891 §6.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from dnsdisco.wire.constants import CD, OPCODE_MASK, QR, RD
from dnsdisco.wire.edns import ede_option, OPT_OCTETS, opt_record
from dnsdisco.wire.query import Query

counts_of = struct.Struct("!HH").pack  # ANCOUNT and NSCOUNT, as message() takes them
NO_RECORDS = counts_of(0, 0)

_PLAIN_OPT = (opt_record(), opt_record(dnssec_ok=True))
_HEADER = struct.Struct("!HHH4sH").pack


class Ede(NamedTuple):
    """An Extended DNS Error (RFC 8914): why this answer is not what one would expect."""

    code: int
    text: str = ""


def flags_for(query: Query, more: int = 0) -> int:
    """QR, and what the reply repeats: opcode, RD, CD (RFC 6840 §5.9). *more*: AA, TC, RA, AD as they are to be."""
    return QR | query.flags & (OPCODE_MASK | RD | CD) | more


def header(query: Query, flags: int, rcode: int, counts: bytes, additional: int) -> bytes:
    """*rcode*: of its twelve bits the lower four stand here. *additional*: ARCOUNT, with OPT and TSIG."""
    return _HEADER(query.id, flags | rcode & 15, 1 if query.question else 0, counts, additional)


def opt_for(
    query: Query, options: bytes = b"", ede: Iterable[Ede] = (), rcode: int = 0, *, room: int = 65535, beside: int = 0
) -> bytes:
    """The OPT record of the reply to *query*; b"" where the client sent none (RFC 6891 §7).

    Of *ede* there is what fits in *room* octets: with the texts where *beside* octets more fit too, else the codes alone, else none.
    """
    edns = query.edns
    if edns is None:
        return b""
    if ede:
        room -= OPT_OCTETS + len(options)
        errors = b"".join([ede_option(*error) for error in ede])
        if len(errors) + beside > room:
            errors = b"".join([ede_option(code, "") for code, _ in ede])
        if len(errors) <= room:
            options += errors
    if not options and rcode < 16:
        return _PLAIN_OPT[edns.dnssec_ok]
    return opt_record(options, dnssec_ok=edns.dnssec_ok, extended_rcode=rcode >> 4)


def message(
    query: Query,
    flags: int,
    rcode: int,
    counts: bytes,
    records: Iterable[bytes],
    opt: bytes,
    *,
    additional: int = 0,
    tsig: bytes = b"",
) -> bytes:
    """The whole reply. *counts*: of the answer and authority records in *records*; *additional*: how many more these are."""
    if opt:
        additional += 1
    if tsig:
        additional += 1
    return b"".join([header(query, flags, rcode, counts, additional), query.question, *records, opt, tsig])
