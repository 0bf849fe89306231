"""A query sliced by hand: the header, one question, at most an OPT and a TSIG record (RFC 1035 §4.1, RFC 9619, RFC 6891).

Everything else is refused before anything is decoded, so that the cost of one message is bounded by its own octets.
"""

from __future__ import annotations

from dnsdisco.errors import WireError
from dnsdisco.wire import edns as edns_room
from dnsdisco.wire import name
from dnsdisco.wire.constants import (
    BADVERS,
    FORMERR,
    IXFR,
    NOTAUTH,
    NOTIFY,
    NOTIMP,
    OPCODE_SHIFT,
    OPT,
    QR,
    QUERY,
    REFUSED,
    SOA,
    TKEY,
    TSIG,
    UPDATE,
)
from dnsdisco.wire.name import LABEL_OCTETS_MAX, NAME_OCTETS_MAX

HEADER_OCTETS = 12
_FORBIDDEN_QTYPES = frozenset((0, OPT, TKEY, TSIG))  # 0 is reserved, the others are never asked for (RFC 6895 §3.1)


class Query:
    """One query. `fault` is the rcode of a query that cannot be served (0: none); then the question may be missing (b"")."""

    __slots__ = ("edns", "fault", "flags", "id", "labels", "qclass", "qname", "qtype", "question", "source", "tsig")

    def __init__(self, message_id: int, flags: int) -> None:
        self.id = message_id
        self.flags = flags
        self.fault = 0
        self.source = ""  # of its answer, as it is noted on the way (answer/sources.py)
        self.question = b""  # QNAME, QTYPE, QCLASS as they came
        self.qname = b""  # wire form, lower case
        self.labels: tuple[bytes, ...] = ()  # lower case, without the root
        self.qtype = 0
        self.qclass = 0
        self.edns: edns_room.Edns | None = None
        self.tsig: tuple[bytes, bytes] | None = None  # the key's name; algorithm, time and fudge. Every key is unknown to us

    @property
    def opcode(self) -> int:
        return self.flags >> OPCODE_SHIFT & 15


def slice_query(message: bytes) -> Query:
    """The query in *message*. Raises WireError (rcode None) for what must not be answered: no header, or itself a reply."""
    if len(message) < HEADER_OCTETS:
        raise WireError("shorter than a header", None)
    flags = message[2] << 8 | message[3]
    if flags & QR:
        raise WireError("a reply sent to a server", None)  # answering would set two servers against each other
    query = Query(message[0] << 8 | message[1], flags)
    if (opcode := query.opcode) != QUERY:
        query.fault = REFUSED if opcode in (NOTIFY, UPDATE) else NOTIMP
        return query
    try:
        _read_sections(query, message)
    except WireError as error:
        query.fault = error.rcode or FORMERR
        return query
    if query.edns and query.edns.version:
        query.fault = BADVERS
    elif query.tsig is not None:
        query.fault = NOTAUTH
    return query


def _read_sections(query: Query, message: bytes) -> None:
    counts = message[4:12]
    if counts[:2] == b"\0\1":
        at = _question(query, message)
    elif counts[:2] == b"\0\0":
        at = HEADER_OCTETS
    else:
        raise WireError("more than one question")  # RFC 9619 §4
    if counts[2:6] == b"\0\0\0\1" and query.qtype == IXFR:
        at = _own_soa(message, at)
    elif counts[2:6] != b"\0\0\0\0":
        raise WireError("records in the answer or authority section of a query")
    at = _additional(query, message, at, counts[6] << 8 | counts[7])
    if at != len(message):
        raise WireError("octets after the last record")
    if not query.question and not (query.edns and query.edns.cookie):
        raise WireError("no question")  # RFC 7873 §5.4: only a cookie may be asked for by itself
    if query.question and query.qtype in _FORBIDDEN_QTYPES:
        raise WireError("a type that cannot be asked for")


def _question(query: Query, message: bytes) -> int:
    at, size = HEADER_OCTETS, len(message)
    lower = message[HEADER_OCTETS : HEADER_OCTETS + NAME_OCTETS_MAX + 1].lower()
    labels = []
    while True:
        if at >= size or at - HEADER_OCTETS >= NAME_OCTETS_MAX:
            raise WireError("a question that is cut short or too long")
        length = message[at]
        if not length:
            break
        if length > LABEL_OCTETS_MAX:
            raise WireError("a pointer or an unknown label type in the question")
        start = at + 1 - HEADER_OCTETS
        labels.append(lower[start : start + length])
        at += 1 + length
    end = at + 5
    if end > size:
        raise WireError("a question without type and class")
    query.question = message[HEADER_OCTETS:end]
    query.qname = lower[: at + 1 - HEADER_OCTETS]
    query.labels = tuple(labels)
    query.qtype = message[at + 1] << 8 | message[at + 2]
    query.qclass = message[at + 3] << 8 | message[at + 4]
    return end


def _own_soa(message: bytes, at: int) -> int:
    """The offset behind the SOA that a client sends with its request for a transfer (RFC 1995 §3); it is ignored."""
    rtype, _, end = _record(message, at)
    if rtype != SOA:
        raise WireError("a record other than SOA in the authority section of IXFR")
    return end


def _record(message: bytes, at: int) -> tuple[int, int, int]:
    """The type of the record at *at*, where its class stands behind it, and where it ends; its owner is not decoded."""
    size, start = len(message), at
    while True:
        if at >= size:
            raise WireError("a record is cut short")
        length = message[at]
        at += 1
        if not length:
            break
        if length >= 0xC0:
            at += 1
            break
        at += length
        if length > LABEL_OCTETS_MAX or at - start >= NAME_OCTETS_MAX:
            raise WireError("an unknown label type, or a name that is too long")
    if at + 10 > size:
        raise WireError("a record is cut short")
    end = at + 10 + (message[at + 8] << 8 | message[at + 9])
    if end > size:
        raise WireError("a record runs past the message")
    return message[at] << 8 | message[at + 1], at + 2, end


ADDITIONAL_MAX = 2  # an OPT and a TSIG; nothing else has a meaning in a query


def _additional(query: Query, message: bytes, at: int, count: int) -> int:
    if count > ADDITIONAL_MAX:
        raise WireError("too many additional records")
    for index in range(count):
        start = at
        rtype, at, end = _record(message, start)
        data = at + 8
        if rtype == OPT:
            if query.edns is not None:
                raise WireError("two OPT records")  # RFC 6891 §6.1.1
            query.edns = edns_room.Edns(512, 0, False)  # so that the FORMERR for what follows carries an OPT too
            if message[start]:
                raise WireError("an OPT record that is not at the root")
            query.edns = edns_room.read_options(
                message[data:end],
                message[at] << 8 | message[at + 1],
                int.from_bytes(message[at + 2 : at + 6], "big"),
            )
        elif rtype == TSIG:
            if index != count - 1:
                raise WireError("a TSIG record that is not the last")  # RFC 8945 §5.1
            query.tsig = _tsig(message, start, data, end)
        at = end
    return at


def _tsig(message: bytes, start: int, data: int, end: int) -> tuple[bytes, bytes]:
    """The key name, and the RDATA up to the MAC (RFC 8945 §4.2), which the error in the reply repeats."""
    key, _ = name.read(message, start)
    algorithm, at = name.read(message, data)
    if at + 10 > end:
        raise WireError("a TSIG record that is cut short")
    return key, algorithm + message[at : at + 8]
