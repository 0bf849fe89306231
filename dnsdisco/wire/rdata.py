"""RDATA in wire form, written by hand for what we make from services. What a person wrote: `presentation.py`."""

from __future__ import annotations

import ipaddress

STRING_OCTETS_MAX = 255  # one character-string (RFC 1035 §3.3)


def address(text: str) -> bytes:
    """4 or 16 octets; *text* is canonical. Raises ValueError for what is no address."""
    parts = text.split(".")
    return bytes(map(int, parts)) if len(parts) == 4 and ":" not in text else ipaddress.ip_address(text).packed


def srv(priority: int, weight: int, port: int, target: bytes) -> bytes:
    """RFC 2782; the target is never compressed."""
    return priority.to_bytes(2, "big") + weight.to_bytes(2, "big") + port.to_bytes(2, "big") + target


def txt(strings: list[bytes]) -> bytes:
    """RFC 1035 §3.3.14: at least one string, which may be empty (RFC 6763 §6.1). Strings of more than 255 octets are split."""
    pieces = []
    for string in strings or [b""]:
        pieces += [string[at : at + STRING_OCTETS_MAX] for at in range(0, len(string), STRING_OCTETS_MAX)] or [b""]
    return b"".join(bytes((len(piece),)) + piece for piece in pieces)


def soa(mname: bytes, rname: bytes, serial: int, refresh: int, retry: int, expire: int, minimum: int) -> bytes:
    """RFC 1035 §3.3.13; times in seconds."""
    return mname + rname + b"".join(number.to_bytes(4, "big") for number in (serial, refresh, retry, expire, minimum))
