"""The listeners of a worker: a row for each transport has the maker of its server. The words for each are in written/transports.py.

A transport's modules are imported only for a socket of it: most workers have none that is encrypted, and start the sooner.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence, Sized
from typing import Any, NamedTuple, Protocol, TYPE_CHECKING

from dnsdisco.server.latency import Latency
from dnsdisco.server.recorder import Recorder
from dnsdisco.server.serve import Responder
from dnsdisco.server.statistics import BacklogStatistics, UdpStatistics
from dnsdisco.server.tcp import TcpServer
from dnsdisco.server.udp import UdpListener
from dnsdisco.settings.sections import TlsSettings

if TYPE_CHECKING:
    from dnsdisco.server.encrypted import Encryption


class BoundSocket(NamedTuple):
    """`detail`: the path where it is asked, where its transport has paths; else its address."""

    transport: str
    sock: socket.socket
    detail: str


class TransportServer(Protocol):
    """All sockets of one transport. They belong to the supervisor, which keeps them open for the next worker."""

    @property
    def counters(self) -> Mapping[str, int]: ...
    @property
    def connections(self) -> Sized: ...
    def start(self) -> None: ...
    def listen_on(self, sock: socket.socket, detail: str) -> None: ...
    def close(self) -> None: ...
    def drain(self) -> Coroutine[Any, Any, None]: ...


class ServerParts(NamedTuple):
    """The arguments of the makers of servers. `encryption()`: the certificate and the turns for costly work, shared by all encrypted ones."""

    responder: Responder
    loop: asyncio.AbstractEventLoop
    encryption: Callable[[], Encryption]


def _tcp(sockets: Sequence[BoundSocket], parts: ServerParts) -> TransportServer:
    return TcpServer([each.sock for each in sockets], parts.responder, parts.loop)


def _tls(sockets: Sequence[BoundSocket], parts: ServerParts) -> TransportServer:
    from dnsdisco.server.encrypted import TlsServer  # noqa: PLC0415  see above

    return TlsServer([each.sock for each in sockets], parts.responder, parts.loop, *parts.encryption())


def _https(sockets: Sequence[BoundSocket], parts: ServerParts) -> TransportServer:
    from dnsdisco.server.encrypted import HttpsServer  # noqa: PLC0415  see above

    return HttpsServer([(each.sock, each.detail) for each in sockets], parts.responder, parts.loop, *parts.encryption())


SERVED: dict[str, Callable[[Sequence[BoundSocket], ServerParts], TransportServer]] = {"tcp": _tcp, "tls": _tls, "https": _https}


class Listeners:
    """All of them. Datagrams of plain DNS have a loop of their own; every other transport is a row above."""

    def __init__(
        self,
        sockets: Iterable[tuple[str, socket.socket, str]],
        responder: Responder,
        loop: asyncio.AbstractEventLoop,
        latency: Latency,
    ) -> None:
        bound = [BoundSocket(*each) for each in sockets]
        self._loop, self._latency = loop, latency
        self._encryption: Encryption | None = None
        self._tls = TlsSettings()
        self._is_on = False  # from start() to close() or drain()
        self._parts = parts = ServerParts(responder, loop, self._shared)
        by_transport = {name: [each for each in bound if each.transport == name] for name in SERVED}
        self._servers = {
            name: SERVED[name](group, parts) for name, group in by_transport.items() if group or name == "tcp"
        }  # TCP counts, socket or none
        self._udp = [self._datagrams(each) for each in bound if each.transport == "udp"]
        self._bound = {os.fstat(each.sock.fileno()).st_ino: each for each in bound}

    def apply(self, tls: TlsSettings) -> None:
        """The files of certificate and key, also when they are those of before: they may have changed."""
        self._tls = tls
        if self._encryption is not None:
            self._encryption.apply(tls)

    def take(self, late: BoundSocket, replaces: int = 0) -> None:
        """A socket that was bound while this worker runs. *replaces*: the inode of the one that is dead since, its interface being gone; this
        one takes its place below everything that has its descriptor."""
        number = os.fstat(late.sock.fileno()).st_ino
        dead = self._bound.pop(replaces, None)
        if dead is not None:
            self._loop.remove_reader(dead.sock.fileno())
            os.dup2(late.sock.fileno(), dead.sock.fileno(), inheritable=False)
            late.sock.close()
            late = dead
        self._bound[number] = late
        if late.transport == "udp":
            self._take_datagrams(late)
        elif late.transport in self._servers:
            self._servers[late.transport].listen_on(late.sock, late.detail)
        else:
            self._servers[late.transport] = server = SERVED[late.transport]([late], self._parts)
            if self._is_on:
                server.start()

    def start(self) -> None:
        self._is_on = True
        for each in self._udp:
            each.start()
        for server in self._servers.values():
            server.start()

    def catch_up(self) -> None:
        """Nobody has read for a while: datagrams have piled up."""
        for each in self._udp:
            each.catch_up()

    def record(self, recorder: Recorder | None) -> None:
        """Show *recorder* each query from now on; None: no longer. To be said again for sockets that come later."""
        self._parts.responder.recorder = recorder
        for each in self._udp:
            each.record(recorder)

    def look(self) -> None:
        """Do what is due with time; call it about once a second."""
        if self._encryption is not None:
            self._encryption.certificates.look()

    def close(self) -> None:
        """End the connections now."""
        self._is_on = False
        for server in self._servers.values():
            server.close()

    def drain(self) -> list[asyncio.Task[None]]:
        """Take nothing new from now on. The tasks end with what is in flight on connections."""
        self._is_on = False
        for each in self._udp:
            each.close()
        return [self._loop.create_task(server.drain()) for server in self._servers.values()]

    def figures(self) -> dict[str, int]:
        """Everything counted, by name."""
        counts = UdpStatistics.sums(self._udp) | BacklogStatistics.sums([each.backlog for each in self._udp])
        for name, server in self._servers.items():
            counts |= {f"{name}.{event}": count for event, count in server.counters.items()}
            counts[f"{name}.open"] = len(server.connections)
        return counts | (self._encryption.certificates.figures() if self._encryption is not None else {})

    def _datagrams(self, bound: BoundSocket) -> UdpListener:
        return UdpListener(bound.sock, bound.detail, self._parts.responder, self._loop, latency=self._latency)

    def _take_datagrams(self, late: BoundSocket) -> None:
        listener = next((each for each in self._udp if each.serves(late.sock)), None)
        if listener is None:
            listener = self._datagrams(late)
            self._udp.append(listener)
        if self._is_on:
            listener.start()

    def _shared(self) -> Encryption:
        if self._encryption is None:
            from dnsdisco.server.certificates import Certificates  # noqa: PLC0415  see above
            from dnsdisco.server.costly_work import CostlyWork  # noqa: PLC0415  see above
            from dnsdisco.server.encrypted import Encryption  # noqa: PLC0415  see above

            self._encryption = Encryption(Certificates(), CostlyWork(self._loop))
            self._encryption.apply(self._tls)
        return self._encryption
