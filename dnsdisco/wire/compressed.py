"""Records written one after the other, each name with the longest tail that stands before it as a pointer (RFC 1035 §4.1.4).

For data of upstreams: chains of several replies, and replies of which something was left out. Our own records are encoded alone (reply.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from dnsdisco.wire.name_reader import STEPS_MAX
from dnsdisco.wire.query import HEADER_OCTETS
from dnsdisco.wire.rdata_forms import BEFORE_NAME, COMPRESSED, FORMS, NAME
from dnsdisco.wire.reply import RR

_FIXED = struct.Struct("!HHIH").pack  # type, class, TTL, RDLENGTH
_POINTER_MAX = 0x4000  # offsets from here on cannot be pointed at


class Writer:
    """Writes behind the question, which has the name *qname* (lower case). `at`: the offset in the message of what comes next; `ttl_at`:
    of the TTL in the record before.

    Tails are compared octet by octet, so that names keep their case. After STEPS_MAX labels nothing more is compressed: a message of
    thousands of deep names then only gets longer.
    """

    def __init__(self, qname: bytes) -> None:
        self.at = self.ttl_at = HEADER_OCTETS
        self._known: dict[bytes, int] = {}
        self._steps = 0
        self._name(qname, self.at)
        self.at += len(qname) + 4

    def record(self, record: RR) -> bytes:
        """The octets of *record*; `at` is behind them then."""
        owner = self._name(record.owner, self.at)
        self.ttl_at = self.at + len(owner) + 4
        self.at += len(owner) + 10
        data = record.rdata
        if record.rtype in COMPRESSED and self._steps < STEPS_MAX:
            data = self._data(data, record.rtype)
        self.at += len(data)
        return owner + _FIXED(record.rtype, record.rclass, record.ttl, len(data)) + data

    def section(self, records: Iterable[RR], limit: int) -> list[bytes]:
        """*records*, as far as the message has no more than *limit* octets, and one more where there is."""
        written: list[bytes] = []
        for record in records:
            if self.at > limit:
                break
            written.append(self.record(record))
        return written

    def _data(self, data: bytes, rtype: int) -> bytes:
        before = BEFORE_NAME.get(rtype)
        if before is not None:
            return data[:before] + self._name(data[before:], self.at + before)
        begin, written = 0, b""
        for field in FORMS[rtype]:  # SOA and MINFO
            end = begin + max(field, 0)
            if field == NAME:
                while data[end]:
                    end += 1 + data[end]
                    self._steps += 1
                end += 1
                written += self._name(data[begin:end], self.at + len(written))
            else:
                written += data[begin:end]
            begin = end
        return written + data[begin:]

    def _name(self, name: bytes, offset: int) -> bytes:
        """*name* (uncompressed) as it may stand at *offset*."""
        at, known = 0, self._known
        while name[at] and self._steps < STEPS_MAX:
            tail = name[at:]
            found = known.get(tail)
            if found is not None:
                return name[:at] + (0xC000 | found).to_bytes(2, "big")
            if offset + at < _POINTER_MAX:
                known[tail] = offset + at
            at += 1 + name[at]
            self._steps += 1
        return name
