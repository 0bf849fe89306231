"""Sockets that a service manager bound and gives to us: sd_listen_fds(3). They take the place of `listen`."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping, Sequence
from contextlib import suppress

from dnsdisco import sockaddr
from dnsdisco.supervisor.sockets import Listening, ListenPlace, prepare

FIRST_FD = 3  # SD_LISTEN_FDS_START


def given(environ: MutableMapping[str, str], pid: int, listen: Sequence[str] = ()) -> tuple[list[Listening], list[str]]:
    """What was given to this process, by address, and what of it cannot be used. The variables are taken out of *environ*.

    A TCP socket whose address *listen* has as tls:// or https:// speaks that. All workers share each socket. Empty: nothing was
    given, or to another process.
    """
    count, for_pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdecimal() or for_pid != str(pid):
        return [], []
    by_address: dict[str, Listening] = {}
    encrypted = {str(parts._replace(scheme="", path="")): str(parts) for parts in map(ListenPlace.of, listen) if parts.scheme}
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
        address = f"[{host}]:{port}" if sock.family == socket.AF_INET6 else f"{host}:{port}"
        if sock.type == socket.SOCK_STREAM:
            address = encrypted.pop(address, address)
        listening = by_address.setdefault(address, Listening(address, is_shared=True))
        (listening.tcp if sock.type == socket.SOCK_STREAM else listening.udp).append(sock)
    return list(by_address.values()), unusable


def left_out(listen: Sequence[str], listening: Sequence[Listening]) -> list[str]:
    """The encrypted listeners of *listen* for which no socket was given."""
    there = {each.address for each in listening}
    return [address for address in listen if ListenPlace.of(address).scheme and address not in there]


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
