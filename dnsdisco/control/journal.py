"""Keeps the last whole catalog, and the changes since, in the two files of memory that the supervisor holds (`model/journal.py`).

A change costs one write of what is sent to the workers anyway. The whole is written anew when the changes have grown as large, when
one was too large to be written as a change, and by a successor once it knows enough: some REST_S later, in turns of the loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from dnsdisco.model import journal

REST_S = 1.0  # before a whole is written: a start brings many changes at once
CHANGES_OCTETS_MIN = 1024 * 1024  # of changes before the whole is written anew, or as many as the whole has
TURN_DATAGRAMS = 8  # made and written before the loop's other users have a turn: a few ms
OCTETS_MAX = 512 * 1024 * 1024  # of a whole: 500,000 services; a larger catalog is not kept, and a new worker waits for control


class Journal:
    """The loop's thread only. Owns no descriptor."""

    def __init__(self, fds: Sequence[int], whole: Callable[[], Iterator[bytes]]) -> None:
        """*fds*: two, or none where the system has no such files. *whole*: the datagrams of the catalog there is now."""
        self._fds, self._make_whole = fds, whole
        self._loop = asyncio.get_running_loop()
        self._due: asyncio.Handle | None = None
        self._at, (self._generation, self._octets) = self._latest()
        self._whole_octets = self._octets
        self._is_whole = self._generation > 0  # what send() is given continues what is there
        self._later: list[bytes] | None = None  # changes that came while a whole is being written

    def send(self, datagrams: Sequence[bytes]) -> None:
        """A change after what is there."""
        if not self._is_whole and self._later is None:
            return
        frames = journal.frames(datagrams)
        if self._later is not None:
            self._later.append(frames)
        if self._is_whole:
            self._is_whole = self._append(frames)
            if not self._is_whole or self._octets - self._whole_octets > max(CHANGES_OCTETS_MIN, self._whole_octets):
                self._write_later()

    def lose(self) -> None:
        """The next messages do not continue the journal: it needs a whole catalog soon. Until then, the old content stays in use."""
        self._is_whole, self._later = False, None
        self._cancel()
        self._write_later()

    def close(self) -> None:
        self._cancel()

    def _latest(self) -> tuple[int, tuple[int, int]]:
        headers = [journal.header(os.pread(fd, journal.HEADER.size, 0)) for fd in self._fds] or [(0, 0)]
        at = max(range(len(headers)), key=lambda number: headers[number][0])
        return at, headers[at]

    def _write_later(self) -> None:
        if self._fds and self._due is None and self._later is None:
            self._due = self._loop.call_later(REST_S, self._begin)

    def _cancel(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _begin(self) -> None:
        self._later = []
        fd = self._fds[1 - self._at]
        try:
            os.pwrite(fd, journal.HEADER.pack(0, 0), 0)
            os.ftruncate(fd, journal.HEADER.size)
        except OSError:
            self._give_up()
            return
        self._go_on(fd, self._make_whole(), 0)

    def _go_on(self, fd: int, whole: Iterator[bytes], octets: int) -> None:
        """The next few datagrams of the whole; after the last one, what has come meanwhile, and the header."""
        assert self._later is not None
        frames = journal.frames(islice(whole, TURN_DATAGRAMS))
        is_last = not frames
        if is_last:
            frames = b"".join(self._later)
        try:
            _write(fd, frames, journal.HEADER.size + octets)
            if octets + len(frames) > OCTETS_MAX:
                self._give_up()
            elif is_last:
                self._finish(fd, octets, octets + len(frames))
            else:
                self._due = self._loop.call_soon(self._go_on, fd, whole, octets + len(frames))
        except OSError:  # no memory
            self._give_up()

    def _finish(self, fd: int, whole_octets: int, octets: int) -> None:
        os.pwrite(fd, journal.HEADER.pack(self._generation + 1, octets), 0)
        before, self._at = self._fds[self._at], 1 - self._at
        self._generation += 1
        self._whole_octets, self._octets = whole_octets, octets
        self._is_whole, self._later, self._due = True, None, None
        os.pwrite(before, journal.HEADER.pack(0, 0), 0)
        os.ftruncate(
            before, journal.HEADER.size
        )  # its memory is free again; a worker that reads it just now looks at the header once more

    def _give_up(self) -> None:
        """The next large change tries again."""
        self._later, self._due = None, None

    def _append(self, frames: bytes) -> bool:
        fd = self._fds[self._at]
        try:
            _write(fd, frames, journal.HEADER.size + self._octets)
            self._octets += len(frames)
            os.pwrite(fd, journal.HEADER.pack(self._generation, self._octets), 0)
        except OSError:
            return False
        return True


def _write(fd: int, octets: bytes, at: int) -> None:
    rest = memoryview(octets)
    while rest:
        count = os.pwrite(fd, rest, at)
        rest, at = rest[count:], at + count
