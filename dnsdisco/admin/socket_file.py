"""The control socket: its place in the file system, bound by one server, found by the command line, however long its path is; and its permissions."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ADDRESS_OCTETS_MAX = 100  # of a path in a socket's address: 108 on Linux, 104 elsewhere, with the NUL
BACKLOG = 512


@contextmanager
def reachable(path: str) -> Iterator[str]:
    """*path* so short that a socket's address can hold it. Raises OSError."""
    if len(os.fsencode(path)) <= ADDRESS_OCTETS_MAX:
        yield path
        return
    folder, name = os.path.split(path)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{name}"
    finally:
        os.close(fd)


def bind(path: str) -> socket.socket:
    """A listening socket at *path*, mode 0600, in place of one that a server left behind. Raises OSError; also when one is there that
    is listened on, or something that is no socket."""
    place = Path(path)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if place.exists() and not place.is_socket():
        raise OSError(None, "something else has that name")
    if _is_in_use(path):
        raise OSError(None, "another server listens there; give this one a state_dir or a control socket of its own")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = f"{path}.{os.getpid()}"
    try:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()  # of a process with our number, long ago
        with reachable(temporary) as address:
            sock.bind(address)
        Path(temporary).chmod(0o600)  # before it has the name that clients look for
        sock.listen(BACKLOG)
        sock.setblocking(False)
        Path(temporary).replace(path)
    except OSError:
        sock.close()
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    return sock


def unbind(path: str, sock: socket.socket) -> None:
    """Close *sock*, and take its name away unless another server has it by now."""
    sock.close()
    with suppress(OSError):
        if not _is_in_use(path):
            Path(path).unlink()


def _is_in_use(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            with reachable(path) as address:
                probe.connect(address)
        except BlockingIOError:  # it is listened on, and its queue is full
            return True
        except OSError:
            return False
        return True


def may_ask(peer: socket.socket) -> bool:
    """The client is the user that this process runs as, or root. Where the kernel does not report it, the mode of the socket and of its
    folder has to do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid in (0, os.geteuid())
