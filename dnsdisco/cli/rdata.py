"""RDATA as a person reads it (RFC 1035 §5.1 and each type's own RFC), safe to print on a terminal whatever a server sent.

Types that hold names which may be compressed, and the common ones, are read here under the bounds of the wire room. Others go to
dnslib as bare octets without the message around them, and to the generic form (RFC 3597 §5) when that fails.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from dnsdisco.errors import WireError
from dnsdisco.wire import name
from dnsdisco.wire.constants import type_to_text
from dnsdisco.wire.parse import Place

DNSLIB_OCTETS_MAX = 4096  # of one record; no key or binding that people read is longer


def text(message: bytes, place: Place) -> str:
    """The data of the record at *place*. Never raises; one line of printable ASCII."""
    read = _READERS.get(place.rtype)
    try:
        if read is not None:
            return read(_Fields(message, place.data, place.end))
        shown = _by_dnslib(place.rtype, message[place.data : place.end])
    except (WireError, ValueError):
        return _generic(message[place.data : place.end])
    return shown if shown.isascii() and shown.isprintable() else _generic(message[place.data : place.end])


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


def _hinfo(fields: _Fields) -> str:
    return fields.done(f"{fields.string()} {fields.string()}")


def _caa(fields: _Fields) -> str:
    flags, tag = fields.number(1), fields.octets(fields.number(1)).decode("ascii")
    if not tag.isalnum():
        raise WireError("a tag of letters and digits was expected")
    return f"{flags} {tag} {quoted(fields.rest())}"


_READERS: dict[int, Callable[[_Fields], str]] = {
    1: _a, 2: _one_name, 5: _one_name, 6: _soa, 12: _one_name, 13: _hinfo, 15: _mx, 16: _txt, 18: _mx, 21: _mx, 28: _aaaa, 33: _srv,
    36: _mx, 39: _one_name, 99: _txt, 257: _caa,
}  # fmt: skip


def _by_dnslib(rtype: int, rdata: bytes) -> str:
    from dnslib import DNSBuffer, RD, RDMAP  # noqa: PLC0415  loaded for the rare types alone: it costs 25 ms

    kind = RDMAP.get(type_to_text(rtype))
    if kind is None or kind is RD or len(rdata) > DNSLIB_OCTETS_MAX:
        return _generic(rdata)
    try:
        buffer = DNSBuffer(rdata)
        shown = repr(kind.parse(buffer, len(rdata)))
    except Exception:  # noqa: BLE001  whatever its conversions raise, and they raise a lot, means that it cannot read this
        return _generic(rdata)
    return _generic(rdata) if buffer.remaining() else shown


def _generic(rdata: bytes) -> str:
    return f"\\# {len(rdata)} {rdata.hex()}".rstrip()
