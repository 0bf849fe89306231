"""The links and the memory between control and the workers. They belong to the supervisor, so that they outlive each child."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

LINK_OCTETS = 1024 * 1024  # of socket buffer on a link: a thousand changed services


def link() -> tuple[socket.socket, socket.socket]:
    """Control's end and a worker's. Both stay open here, so that a successor of either finds the same link."""
    try:
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:  # macOS has no such sockets; its datagram pairs lose nothing either
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for sock in pair:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, LINK_OCTETS)
    return pair


def journal() -> list[tuple[int, int]]:
    """Two files of memory for the last whole catalog (control/journal.py): to write, and to read alone. None where there is no such thing."""
    pairs = []
    with suppress(OSError, AttributeError):
        for _ in range(2):
            writer = os.memfd_create("dnsdisco-catalog")
            try:
                reader = os.open(f"/proc/self/fd/{writer}", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:  # no /proc
                reader = os.dup(writer)
            pairs.append((writer, reader))
    return pairs if len(pairs) == 2 else []
