"""Where log lines go: a descriptor that is never waited for. A line that it does not take is lost, and nothing else is."""

from __future__ import annotations

import os
import select
import socket
import stat
from contextlib import suppress

STDERR = 2


class Sink:
    """Does not own *fd*, which other programs may write to as well: its own flags stay as they are."""

    def __init__(self, fd: int = STDERR) -> None:
        self._fd = fd
        self._own = _reopened(fd)
        self._is_socket = self._own is None and _is(fd, stat.S_ISSOCK)
        self._is_file = self._own is None and not self._is_socket and _is(fd, stat.S_ISREG)

    def write(self, text: str) -> bool:
        """One line, which is given its end here. False: it was lost."""
        octets = text.encode("utf-8", "backslashreplace") + b"\n"
        try:
            while octets:
                octets = octets[self._send(octets) :]
        except OSError:  # its reader has gone or does not read, or the disk is full
            return False
        return True

    def close(self) -> None:
        if self._own is not None:
            os.close(self._own)
            self._own = None

    def _send(self, octets: bytes) -> int:
        if self._own is not None:
            return os.write(self._own, octets)
        if self._is_socket:
            with socket.socket(fileno=os.dup(self._fd)) as sock:
                return sock.send(octets, socket.MSG_DONTWAIT)
        if not self._is_file and not select.select((), (self._fd,), (), 0)[1]:
            raise BlockingIOError
        return os.write(self._fd, octets)  # of a pipe that has room, PIPE_BUF octets are taken at once


def _reopened(fd: int) -> int | None:
    """*fd*'s pipe or terminal opened anew, so that the flag not to block is ours alone. None: it is impossible, or not needed."""
    if not (_is(fd, stat.S_ISFIFO) or _is(fd, stat.S_ISCHR)):
        return None
    with suppress(OSError):
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    return None


def _is(fd: int, kind: object) -> bool:
    try:
        return bool(kind(os.fstat(fd).st_mode))  # type: ignore[operator]
    except OSError:
        return False
