"""A file that is watched by asking for its state: what changed, when it has come to rest, and its whole content (ADR 0006)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

UNSETTLED_S = 0.5  # a file is read once two looks find it in the same state, or after it has been changing for so long
SHRUNK_S = 0.5  # a file that is shorter than before, written in place, is read once it has been in the same state for so long
HELD_S, HELD_S_MAX = (
    3.0,
    10.0,
)  # one that a writer has open (open_writers.py): after so long at rest, or after it has been changing for so long
READ_TRIES = 5  # of a file that is written while it is read; each try takes as long as reading it


class FileState(NamedTuple):
    """The state of a file, which changes with its content, without reading it. A rename changes the inode, a write the times."""

    device: int
    inode: int
    octets: int  # -1 of what is no file
    modified_ns: int
    changed_ns: int


class NoContent(Exception):
    """The path cannot be read as a file; the text has the reason."""


class Changes:
    """Says when the file has changed and has come to rest: a writer that truncates and writes is not to be read in between.

    A file that is shorter than before, in the same inode, may be half written by one that pauses: no content shows that, when it is cut at
    the end of a line. A file that is put in place by a rename is whole. Where it is known that a writer has the file open, that says more.
    """

    def __init__(self, state: FileState | None) -> None:
        self.seen = state  # of the content that is, or is about to be, read
        self._pending: FileState | None = state
        self._since = self._at_rest_since = 0.0

    def is_due(self, state: FileState | None, now: float, empty_s: float = UNSETTLED_S, *, is_held: bool = False) -> bool:
        """*empty_s*: how long a file without an octet, or a shorter one that does not come to rest, counts as one that is being written.
        *is_held*: one who has changed it still has it open."""
        if state == self.seen:
            self._pending = state
            return False
        if self._pending == self.seen:
            self._since = now
        if self._pending != state:
            self._at_rest_since = now
        is_empty = state is not None and state.octets == 0
        is_shrunk = self._is_shrunk(state)
        rest_s = HELD_S if is_held else SHRUNK_S if is_shrunk else 0.0
        is_at_rest = state == self._pending and not is_empty and now - self._at_rest_since >= rest_s
        self._pending = state
        unsettled_s = empty_s if is_empty or is_shrunk else UNSETTLED_S
        if not is_at_rest and now - self._since < (HELD_S_MAX if is_held else unsettled_s):
            return False
        self.seen = state
        return True

    def _is_shrunk(self, state: FileState | None) -> bool:
        seen = self.seen
        return state is not None and seen is not None and state[:2] == seen[:2] and state.octets < seen.octets


def state_of(path: Path) -> FileState | None:
    """The state of the file; None if there is no such file. Raises OSError if that cannot be found out."""
    try:
        return _state(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None


def octets_of(path: Path, octets_max: int) -> tuple[FileState, bytes]:
    """The whole content, or its first *octets_max* and one more, not torn by a writer. Raises OSError and NoContent."""
    for _ in range(READ_TRIES):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would block for ever
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise NoContent("this is not a regular file")
            octets = b"".join(_pieces(descriptor, octets_max))
            if _state(os.fstat(descriptor)) == _state(before):
                return _state(before), octets
        finally:
            os.close(descriptor)
    raise NoContent("it is written all the time; write it beside its place, and rename it into that")


def _pieces(descriptor: int, octets_max: int) -> Iterator[bytes]:
    left = octets_max + 1
    while left > 0 and (piece := os.read(descriptor, min(left, 1024 * 1024))):
        left -= len(piece)
        yield piece


def _state(status: os.stat_result) -> FileState:
    octets = status.st_size if stat.S_ISREG(status.st_mode) else -1
    return FileState(status.st_dev, status.st_ino, octets, status.st_mtime_ns, status.st_ctime_ns)
