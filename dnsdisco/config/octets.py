"""Reads the octets of a configuration file: with a bound, without waiting for ever, and not if another user could have written it."""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Iterator

from dnsdisco.errors import system_reason
from dnsdisco.written.trust import distrusted

CONFIG_OCTETS_MAX = 1024 * 1024  # thousands of forward zones; a file beyond is the wrong file
PIPE_S = 5.0  # for what is no file, as `--config <(make-it)`: its writer may take that long


class FileRefused(Exception):
    """The text has the reason. `is_distrusted`: the file was only found, and another user may have written it."""

    def __init__(self, reason: str, *, is_distrusted: bool = False) -> None:
        super().__init__(reason)
        self.is_distrusted = is_distrusted


def octets_of(path: str, *, is_to_be_ours: bool) -> bytes:
    """Raises Refused. *is_to_be_ours*: it was not named, only found, in a place where another user may have put it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would block until it has a writer
        try:
            statuses = (os.fstat(descriptor), os.lstat(path))
            owned = [(status.st_uid, status.st_gid, status.st_mode) for status in statuses]
            if is_to_be_ours and (reason := distrusted(owned, os.geteuid(), os.getegid(), os.environ)):
                reason = f"{reason}, so it is not used only because it lies here; if you trust it, name it: --config {path}"
                raise FileRefused(reason, is_distrusted=True)
            octets = b"".join(_pieces(descriptor, is_file=stat.S_ISREG(statuses[0].st_mode)))
        finally:
            os.close(descriptor)
    except IsADirectoryError:
        raise FileRefused("this is a directory; a file is expected") from None
    except FileNotFoundError:
        raise FileRefused("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise FileRefused(f"cannot be read: {system_reason(error)}") from None
    if len(octets) > CONFIG_OCTETS_MAX:
        raise FileRefused(f"the file is larger than {CONFIG_OCTETS_MAX} octets, the most that a configuration may have")
    return octets


def _pieces(descriptor: int, *, is_file: bool) -> Iterator[bytes]:
    """One octet more than may be read, so that the excess is seen."""
    left, until = CONFIG_OCTETS_MAX + 1, time.monotonic() + PIPE_S
    while left > 0:
        if not is_file and not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
            raise OSError(None, f"this is not a regular file, and no data came from it for {PIPE_S:g} s")
        piece = os.read(descriptor, left)
        if not piece:
            return
        left -= len(piece)
        yield piece
