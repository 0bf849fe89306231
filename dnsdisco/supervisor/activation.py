"""Sockets that a service manager bound and gives to us: sd_listen_fds(3). They take the place of `listen`."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping, Sequence
from contextlib import suppress

from dnsdisco import sockaddr
from dnsdisco.supervisor.sockets import Listening, ListenPlace, prepare

FIRST_FD = 3  # SD_LISTEN_FDS_START


def given(environ: MutableMapping[str, str], pid: int, listen: Sequence[ListenPlace] = ()) -> tuple[list[Listening], list[str]]:
    """The sockets that were given to this process, by address, and the reasons why some cannot be used. Removes the variables from *environ*.

    A socket whose address *listen* has with a scheme, such as tls://, speaks that. All workers share each socket. Empty: nothing was
    given, or to another process.
    """
    count, for_pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdecimal() or for_pid != str(pid):
        return [], []
    by_place: dict[ListenPlace, Listening] = {}
    special = {(kind, place.host, place.port): place for place in listen if place.scheme for kind in place.sockets}
    unusable = []
    for at in range(int(count)):
        fd = FIRST_FD + at
        name = names[at] if at < len(names) and names[at] else f"descriptor {fd}"
        sock = _internet_socket(fd)
        if sock is None:
            unusable.append(f"{name} is neither a UDP socket nor a listening TCP socket")
            continue
        prepare(sock)
        host, port = sockaddr.host_of(sock.getsockname()), sock.getsockname()[1]
        kind = "tcp" if sock.type == socket.SOCK_STREAM else "udp"
        place = special.pop((kind, host, port), None) or ListenPlace(host, port)
        by_place.setdefault(place, Listening(place, is_shared=True)).group(kind).append(sock)
    return list(by_place.values()), unusable


def left_out(listen: Sequence[ListenPlace], listening: Sequence[Listening]) -> list[str]:
    """The encrypted listeners of *listen* for which no socket was given."""
    there = {each.address for each in listening}
    return [str(place) for place in listen if place.scheme and str(place) not in there]


def _internet_socket(fd: int) -> socket.socket | None:
    try:
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
    except OSError:
        return None
    is_ours = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
    if is_ours and sock.type == socket.SOCK_STREAM:
        is_ours = False
        with suppress(OSError):
            is_ours = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    if not is_ours:
        sock.detach()
        return None
    return sock
