"""RDATA as a person reads it (RFC 1035 §5.1 and each type's own RFC), safe to print on a terminal whatever a server sent.

What is printed is read back, by a zone file of ours and by other programs, to the octets that it was printed from. The types of most replies
are read here; others by dnspython, and those that it cannot read, or not so that its text is read back, have the generic form (RFC 3597 §5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from dnsdisco.errors import WireError
from dnsdisco.wire import name
from dnsdisco.wire.parse import RecordPlace

OTHER_OCTETS_MAX = 4096  # of one record of another type; no key or binding that people read is longer


def text(message: bytes, place: RecordPlace) -> str:
    """The data of the record at *place*. Never raises; one line of printable ASCII."""
    read = _READERS.get(place.rtype)
    try:
        return read(_Fields(message, place.data, place.end)) if read is not None else _other(message, place)
    except (WireError, ValueError):
        return _generic(message[place.data : place.end])


class _Fields:
    """A cursor over one record's data; every read is bounded by its end. Raises WireError."""

    def __init__(self, message: bytes, at: int, end: int) -> None:
        self._message, self._at, self._end = message, at, end

    def octets(self, count: int) -> bytes:
        at, self._at = self._at, self._at + count
        if self._at > self._end:
            raise WireError("the data is cut short")
        return self._message[at : self._at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.octets(count), "big")

    def name(self) -> str:
        wire, self._at = name.read(self._message, self._at)
        if self._at > self._end:
            raise WireError("a name runs past its record")
        return name.to_text(wire)

    def string(self) -> str:
        return quoted(self.octets(self.number(1)))

    @property
    def is_left(self) -> bool:
        return self._at < self._end

    def rest(self) -> bytes:
        return self.octets(self._end - self._at)

    def done(self, shown: str) -> str:
        if self.is_left:
            raise WireError("octets are left over")
        return shown


def quoted(octets: bytes) -> str:
    """A character-string (RFC 1035 §5.1): what is not printable ASCII is `\\DDD`."""
    shown = "".join(
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}" for octet in octets
    )
    return f'"{shown}"'


def _a(fields: _Fields) -> str:
    return fields.done(str(ipaddress.IPv4Address(fields.octets(4))))


def _aaaa(fields: _Fields) -> str:
    return fields.done(str(ipaddress.IPv6Address(fields.octets(16))))


def _one_name(fields: _Fields) -> str:
    return fields.done(fields.name())


def _soa(fields: _Fields) -> str:
    names = f"{fields.name()} {fields.name()}"
    return fields.done(f"{names} {' '.join(str(fields.number(4)) for _ in range(5))}")


def _mx(fields: _Fields) -> str:
    return fields.done(f"{fields.number(2)} {fields.name()}")


def _srv(fields: _Fields) -> str:
    return fields.done(f"{fields.number(2)} {fields.number(2)} {fields.number(2)} {fields.name()}")


def _txt(fields: _Fields) -> str:
    strings = [fields.string()]
    while fields.is_left:
        strings.append(fields.string())
    return " ".join(strings)


_READERS: dict[int, Callable[[_Fields], str]] = {
    1: _a, 2: _one_name, 5: _one_name, 6: _soa, 12: _one_name, 15: _mx, 16: _txt, 28: _aaaa, 33: _srv, 39: _one_name, 99: _txt,
}  # fmt: skip


def _other(message: bytes, place: RecordPlace) -> str:
    if place.end - place.data > OTHER_OCTETS_MAX:
        raise WireError("long enough to be read as octets")
    from dnsdisco.wire import all_types  # noqa: PLC0415  50 ms, for rare types alone

    return all_types.to_text(place.rtype, message, place.data, place.end)


def _generic(rdata: bytes) -> str:
    return f"\\# {len(rdata)} {rdata.hex()}".rstrip()
