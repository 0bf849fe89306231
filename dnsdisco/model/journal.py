"""The last whole catalog, kept in memory that outlives every child: two files, written in turn by control.

Each begins with a header, its generation (0: not whole) and the octets that follow and count; the file of the later generation is the
one to read. What follows is what a worker reads on the link (delta.py): the datagrams of a whole catalog and of the changes after it,
each behind its length and checksum. Octets beyond those that the header counts are of a writer that has died.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from struct import Struct

HEADER = Struct("<QQ")
_FRAME = Struct("<II")


def frames(datagrams: Iterable[bytes]) -> bytes:
    return b"".join(_FRAME.pack(len(datagram), zlib.crc32(datagram)) + datagram for datagram in datagrams)


def datagrams(octets: bytes) -> Iterator[bytes]:
    """Up to the first one that is not whole."""
    at = 0
    while at + _FRAME.size <= len(octets):
        length, checksum = _FRAME.unpack_from(octets, at)
        at += _FRAME.size
        datagram = octets[at : at + length]
        if len(datagram) < length or zlib.crc32(datagram) != checksum:
            return
        yield datagram
        at += length


def header(octets: bytes) -> tuple[int, int]:
    """Generation and octets; (0, 0) for what is no header."""
    return HEADER.unpack(octets) if len(octets) == HEADER.size else (0, 0)
