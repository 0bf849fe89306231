"""A stream in segments: whole, octet by octet, and cut at places that depend on nothing but its octets."""

from __future__ import annotations

import random
import zlib
from itertools import pairwise

SMALL = 400  # octets; a longer stream is not cut between any two of them


def pieces(stream: bytes) -> list[list[bytes]]:
    """The same stream, cut differently."""
    source = random.Random(zlib.crc32(stream))
    cuts = sorted({0, len(stream), *(source.randrange(len(stream) + 1) for _ in range(source.randrange(6)))})
    found = [[stream], [stream[begin:end] for begin, end in pairwise(cuts)]]
    if len(stream) <= SMALL:
        found.append([stream[at : at + 1] for at in range(len(stream))])
    return found
