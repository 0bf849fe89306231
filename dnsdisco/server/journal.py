"""Reads what control keeps of the last whole catalog (`model/journal.py`), while control may be writing it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from dnsdisco.model import journal

TRIES = 3  # control writes a whole anew once a second at the most


def read(fds: Sequence[int]) -> Iterator[bytes]:
    """The datagrams of the catalog and the changes to it; none where there is none."""
    for _ in range(TRIES):
        headers = [journal.header(os.pread(fd, journal.HEADER.size, 0)) for fd in fds]
        generation, octets = max(headers, default=(0, 0))
        if not generation:
            break
        fd = fds[headers.index((generation, octets))]
        content = _read(fd, octets)
        if journal.header(os.pread(fd, journal.HEADER.size, 0))[0] == generation:
            return journal.datagrams(content)
    return iter(())


def _read(fd: int, octets: int) -> bytes:
    parts = []
    at = journal.HEADER.size
    while octets > 0 and (part := os.pread(fd, octets, at)):
        parts.append(part)
        octets, at = octets - len(part), at + len(part)
    return b"".join(parts)
