"""The catalog's serial, which is the SOA's: it starts at the unix time and never goes backward (RFC 1034 §4.3.5, RFC 1982).

A bound is reserved ahead, so that nothing is written for every change: the next process starts at the bound.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dnsdisco.control.log import Logger

RESERVED = 1000  # serials: at ten changes a second the bound is renewed every other minute
FILE = "serial"
FILE_OCTETS_MAX = 20  # a serial has ten digits
RETRY_S = 5.0  # after a bound that could not be written: a disk that is full is cleaned in minutes
FLOOR_MAX = 2**32 - 2**24  # beyond it no clock has led: a file with such a value is damaged, and would soon be no serial of 32 bits


class Serials:
    """*floor*: the bound that the last process reserved. *reserve* is called with every new bound before a serial near it is used."""

    def __init__(self, unix_time: int, floor: int, reserve: Callable[[int], None]) -> None:
        self.current = max(unix_time, floor)
        self._reserve = reserve
        self._bound = self.current + RESERVED
        reserve(self._bound)

    def next(self) -> int:
        self.current += 1
        if self.current >= self._bound:
            self._bound = self.current + RESERVED
            self._reserve(self._bound)
        return self.current


def read_floor(folder: str | None) -> int:
    """The bound that *folder* keeps; 0 when there is none that can be used."""
    if folder is None:
        return 0
    try:
        descriptor = os.open(Path(folder) / FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would block for ever
        try:
            text = os.read(descriptor, FILE_OCTETS_MAX).decode("ascii")
        finally:
            os.close(descriptor)
        floor = int(text)
    except (OSError, ValueError):
        return 0
    return floor if 0 <= floor < FLOOR_MAX else 0


def write_floor(folder: str, bound: int) -> None:
    """Atomic: a reader finds the old bound or this one. Raises OSError."""
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=FILE, dir=folder)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{bound}\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(Path(folder) / FILE)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


class FloorFile:
    """The reserved bound on disk. One that cannot be written is tried again, and is one line in the log."""

    def __init__(self, folder: str | None, log: Logger) -> None:
        """*folder*: the state_dir; None: nothing is kept."""
        self.reason = ""  # why the bound is not on disk; "": it is
        self._folder, self._log = folder, log
        self._bound = 0
        self._retry_at = 0.0

    def read(self) -> int:
        """The bound that is there; 0: none that can be used."""
        return read_floor(self._folder)

    def keep(self, bound: int) -> None:
        self._bound = bound
        self._write()

    def move(self, folder: str | None) -> None:
        """The state_dir is *folder* from now on."""
        if folder != self._folder:
            self._folder = folder
            self._write()

    def retry(self, now: float) -> None:
        """To be called often, with the monotonic time: writes what could not be written, at most once in RETRY_S."""
        if self.reason and now >= self._retry_at:
            self._retry_at = now + RETRY_S
            self._write()

    def _write(self) -> None:
        before, self.reason = self.reason, ""
        if self._folder is None:
            return
        try:
            write_floor(self._folder, self._bound)
        except OSError as error:
            self.reason = error.strerror or str(error)
        if self.reason and self.reason != before:
            self._log.warning("the serial is not kept", state_dir=self._folder, reason=self.reason)
        elif before and not self.reason:
            self._log.info("the serial is kept again", state_dir=self._folder)
