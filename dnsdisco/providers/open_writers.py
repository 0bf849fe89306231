"""Whether a program that has changed a file still has it open: its content may be a part, however long the pause, and whatever it is cut at.

Linux says so (inotify(7)), for files that are written on this machine. Of others (NFS, another system) nothing is known, and the file's state alone
says when it has come to rest (file_state.py); that is why the events are an addition to looking, and never its replacement (ADR 0006).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from contextlib import suppress
from typing import Any

from dnsdisco.providers.file_state import FileState

READ_OCTETS = 65536  # a thousand events and more
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
# linux/inotify.h
_MODIFY, _CLOSE_WRITE, _MOVED_TO, _ONLYDIR = 0x2, 0x8, 0x80, 0x01000000
_NONE: tuple[int, Any] = (-1, None)  # where there is no such thing, or the user has too many of them


class OpenWriters:
    """Follows the files that it is asked about, each with its folder: a file that is made anew is seen from its first octet on. close() it."""

    def __init__(self) -> None:
        self._begun: tuple[int, Any] | None = None  # a descriptor and what to call; with the first question
        self._inodes: dict[str, tuple[int, int]] = {}  # by path
        self._watches: dict[tuple[str, bytes], int] = {}  # by path, and the name in events: b"" for the file's own watch
        self._written: set[str] = set()  # the paths that are being written

    def are_at(self, path: str, state: FileState | None) -> bool:
        """*state*: what was just found there."""
        self._begun = self._begun or _begin()
        if self._begun[0] < 0:
            return False
        if state is not None and self._inodes.get(path) != state[:2]:
            self._inodes[path] = state[:2]
            self._watch(path, b"", path, _MODIFY | _CLOSE_WRITE)
            folder, name = os.path.split(path)
            self._watch(path, os.fsencode(name), folder, _MODIFY | _CLOSE_WRITE | _MOVED_TO | _ONLYDIR)
        self._take_events()
        return path in self._written

    def close(self) -> None:
        if self._begun is not None and self._begun[0] >= 0:
            os.close(self._begun[0])
        self._begun = _NONE

    def forget(self, path: str) -> None:
        """It is not asked about any more."""
        for key in [key for key in self._watches if key[0] == path]:
            self._end(self._watches.pop(key))
        self._inodes.pop(path, None)
        self._written.discard(path)

    def _watch(self, path: str, name: bytes, followed: str, mask: int) -> None:
        fd, library = self._begun or _NONE
        old = self._watches.pop((path, name), -1)
        number = library.inotify_add_watch(fd, os.fsencode(followed), mask)
        if number >= 0:
            self._watches[path, name] = number
        self._end(old)

    def _end(self, number: int) -> None:
        """Unless another path needs it: one inode has one watch."""
        fd, library = self._begun or _NONE
        if number >= 0 and fd >= 0 and number not in self._watches.values():
            library.inotify_rm_watch(fd, number)

    def _take_events(self) -> None:
        fd, _ = self._begun or _NONE
        with suppress(BlockingIOError):
            while octets := os.read(fd, READ_OCTETS):
                at = 0
                while at < len(octets):
                    number, mask, _, length = _EVENT.unpack_from(octets, at)
                    at += _EVENT.size
                    self._take(number, mask, octets[at : at + length].rstrip(b"\0"))
                    at += length

    def _take(self, number: int, mask: int, name: bytes) -> None:
        if number < 0:  # events were lost
            self._written.clear()
        for (path, known), watch in self._watches.items():
            if watch != number or known != name:
                continue
            if mask & _MODIFY:
                self._written.add(path)
            elif mask & (_CLOSE_WRITE | _MOVED_TO):
                self._written.discard(path)


def _begin() -> tuple[int, Any]:
    if sys.platform != "linux":
        return _NONE
    try:
        library = ctypes.CDLL(None, use_errno=True)
        return library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), library
    except (OSError, AttributeError):
        return _NONE
