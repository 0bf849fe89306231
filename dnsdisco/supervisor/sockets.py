"""The listening sockets, bound once, here, and kept open: the datagrams for a worker that dies wait in the kernel for its successor."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from dnsdisco import sockaddr
from dnsdisco.errors import ListenError
from dnsdisco.supervisor.port_holder import holder

RECEIVE_OCTETS = 4 * 1024 * 1024  # a second's worth of queries while a worker is restarted; the kernel may give less
SEND_OCTETS = 1024 * 1024
BACKLOG = 512  # connections waiting to be accepted: as many as a worker serves at a time
PORT_TRIES = 20  # port 0: until one is free for UDP and TCP alike
DEFAULT_LISTEN = ("127.0.0.1:53", "[::1]:53")  # of the second one, nobody said that it must be there

_KINDS = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
_LINUX = sys.platform == "linux"
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32  # linux/socket.h
_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)
_MTU_DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}
_PMTUDISC_OMIT = 5  # send with the interface's MTU and believe no ICMP about smaller ones (RFC 9715 §3.1, linux/in.h)
_FREEBIND = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}  # linux/in.h, linux/in6.h
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
_MAY_COME = frozenset(
    {errno.ENODEV, errno.EADDRNOTAVAIL}
)  # no such interface; no such address, where the system binds only its own


class ListenPlace(NamedTuple):
    """An entry of `listen`, taken apart by the starting program (written/endpoints.py). The defaults are those of plain DNS."""

    host: str
    port: int
    scheme: str = ""  # what is spoken there; "" for plain DNS
    path: str = ""  # with its slash, where the transport has one
    sockets: Sequence[str] = ("udp", "tcp")  # in the order in which they are bound
    usual_port: int = 53
    elsewhere: str = "127.0.0.1:5300"  # another place, that needs no privileges
    command: str = "dig"  # what asks there, from a terminal …
    how: str = ""  # … with these options

    def __str__(self) -> str:
        where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"{self.scheme}://{where}{self.path}" if self.scheme else where


@dataclass(slots=True)
class Listening:
    """One address. `udp`, `tcp`: a socket for each worker; where they are shared, any number of them for all workers. None of both: it is
    bound when it is there (late_listening.py)."""

    place: ListenPlace  # with the port that was bound
    udp: list[socket.socket] = field(default_factory=list)
    tcp: list[socket.socket] = field(default_factory=list)
    is_shared: bool = False

    @property
    def address(self) -> str:
        return str(self.place)

    @property
    def scheme(self) -> str:
        return self.place.scheme

    @property
    def detail(self) -> str:
        """The detail that a worker gets: the path, if its transport has paths; else its address."""
        return self.place.path or self.address

    @property
    def is_bound(self) -> bool:
        return bool(self.udp or self.tcp)

    def __str__(self) -> str:
        if self.scheme:
            return self.address
        kinds = [kind for kind, group in self._groups() if group] or self.place.sockets
        return f"{'+'.join(kinds)} {self.address}"

    def of_worker(self, number: int) -> list[tuple[str, socket.socket]]:
        """The transport and the socket of each listener of one worker."""
        return [
            (self.scheme or kind, sock)
            for kind, group in self._groups()
            for sock in (group if self.is_shared else group[number : number + 1])
        ]

    def close(self) -> None:
        for sock in (*self.udp, *self.tcp):
            sock.close()

    def group(self, kind: str) -> list[socket.socket]:
        return self.udp if kind == "udp" else self.tcp

    def _groups(self) -> tuple[tuple[str, list[socket.socket]], ...]:
        return ("udp", self.udp), ("tcp", self.tcp)


def bind_all(listen: Sequence[ListenPlace], workers: int) -> tuple[list[Listening], list[str]]:
    """All of *listen* for so many workers, and what could be left out. What may come later is returned without sockets.

    Raises ListenError, with nothing left bound.
    """
    bound: list[Listening] = []
    left_out: list[str] = []
    try:
        for place in listen:
            is_spare = tuple(map(str, listen)) == DEFAULT_LISTEN and place is listen[1]
            try:
                bound.append(bind(place, workers, must_be_here=is_spare))
            except ListenError as error:
                number = getattr(error.__cause__, "errno", None)
                if is_spare and number in _ABSENT:
                    left_out.append(str(place))
                elif number in _MAY_COME:
                    bound.append(Listening(place))
                else:
                    raise
    except ListenError:
        for each in bound:
            each.close()
        raise
    return bound, left_out


def bind(place: ListenPlace, workers: int, *, must_be_here: bool = False) -> Listening:
    """An address that this machine does not have yet is bound all the same, where the system can, unless it *must be here*.

    Raises ListenError, with nothing left bound.
    """
    for _ in range(PORT_TRIES):
        listening = Listening(place)
        kind = ""
        try:
            for kind in place.sockets:
                group = _group(_KINDS[kind], place.host, listening.place.port, workers, must_be_here=must_be_here)
                listening.group(kind).extend(group)
                listening.place = place._replace(port=group[0].getsockname()[1])
        except OSError as error:
            listening.close()
            if not place.port and error.errno == errno.EADDRINUSE:
                continue  # the port that the first was given is taken for the second
            raise _refused(place, kind, error) from error
        return listening
    raise ListenError(str(place), f"no port was free for both UDP and TCP in {PORT_TRIES} tries")


def _group(kind: socket.SocketKind, host: str, port: int, workers: int, *, must_be_here: bool) -> list[socket.socket]:
    """A socket for each worker, on one address. The first is bound alone, so that any other holder shows, also one that would share."""
    first = _socket(kind, host, port, shares=False, must_be_here=must_be_here)
    group = [first]
    try:
        if workers > 1:
            with suppress(OSError):
                first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # Linux lets it share from now on
            try:
                chosen = first.getsockname()[1]
                group += [_socket(kind, host, chosen, shares=True, must_be_here=must_be_here)]
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                first.close()  # elsewhere, every socket that shares must have had the option before
                group = [_socket(kind, host, chosen, shares=True, must_be_here=must_be_here)]
            group += [_socket(kind, host, chosen, shares=True, must_be_here=must_be_here) for _ in range(workers - len(group))]
        if kind == socket.SOCK_STREAM:
            for sock in group:
                sock.listen(BACKLOG)
    except OSError:
        for sock in group:
            sock.close()
        raise
    return group


def _socket(kind: socket.SocketKind, host: str, port: int, *, shares: bool, must_be_here: bool) -> socket.socket:
    family, target = sockaddr.of(host, port)
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # connections of an earlier run may linger; listeners still show
        if shares:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if _LINUX and not must_be_here and family in _FREEBIND:
            with suppress(OSError):
                sock.setsockopt(*_FREEBIND[family], 1)
        sock.bind(target)
        prepare(sock)
    except OSError:
        sock.close()
        raise
    return sock


def prepare(sock: socket.socket) -> None:
    """The options of a bound UDP socket. What the kernel does not know or allow is done without."""
    if sock.type != socket.SOCK_DGRAM:
        return
    _enlarge(sock, socket.SO_RCVBUF, _SO_RCVBUFFORCE, RECEIVE_OCTETS)
    _enlarge(sock, socket.SO_SNDBUF, _SO_SNDBUFFORCE, SEND_OCTETS)
    is_wildcard = sock.getsockname()[0] in sockaddr.REACHED_AT
    with suppress(OSError):
        if is_wildcard and sock.family == socket.AF_INET6:  # a reply must come from where the query was sent to (RFC 2181 §4.1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif is_wildcard:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    if _LINUX and sock.family in _MTU_DISCOVER:
        with suppress(OSError):
            sock.setsockopt(*_MTU_DISCOVER[sock.family], _PMTUDISC_OMIT)


def _enlarge(sock: socket.socket, option: int, forced: int, octets: int) -> None:
    if _LINUX:
        with suppress(OSError):  # beyond rmem_max, where we may
            sock.setsockopt(socket.SOL_SOCKET, forced, octets)
            return
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, option, octets)


def _refused(place: ListenPlace, kind: str, error: OSError) -> ListenError:
    address, host, port, transport = str(place), place.host, place.port, kind.upper()
    elsewhere = f"choose another port, such as --listen {place.elsewhere}"
    if error.errno == errno.EADDRINUSE:
        who = holder(_KINDS[kind], host, port)
        hint = f"end it, or {elsewhere}"
        if "systemd-resolve" in who or (host, port) == ("127.0.0.53", 53):
            hint = f"it is systemd's stub: set DNSStubListener=no in /etc/systemd/resolved.conf, or {elsewhere}"
        return ListenError(address, f"{transport} port {port} is in use by {who}", hint)
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = (
            f"ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in a systemd unit) or "
            f"`sysctl net.ipv4.ip_unprivileged_port_start={port}`; or {elsewhere}"
        )
        return ListenError(address, f"{transport} port {port}: permission denied", hint)
    if error.errno in _ABSENT:
        return ListenError(address, "this machine has no IPv6" if ":" in host else (error.strerror or str(error)))
    return ListenError(address, error.strerror or str(error))
