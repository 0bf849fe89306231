"""The encrypted listeners of a worker put together; loaded only where there are any."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence

from dnsdisco.server.certificates import Certificates, Pair
from dnsdisco.server.connection import ClientConnection, MessageResponder
from dnsdisco.server.costly_work import CostlyWork
from dnsdisco.server.tcp import TcpServer
from dnsdisco.server.tcp_connection import TcpConnection
from dnsdisco.server.tls_stream import TlsStream
from dnsdisco.settings.sections import TlsSettings

NO_CERTIFICATE = "no_certificate_refused"


class TlsServer(TcpServer):
    """DNS over TLS (RFC 7858): the same as over TCP, under TLS. It has bounds of its own, so that neither can use up the other's."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        responder: MessageResponder,
        loop: asyncio.AbstractEventLoop,
        certificates: Certificates,
        turns: CostlyWork,
    ) -> None:
        super().__init__(sockets, responder, loop, turns=turns)
        self._certificates = certificates

    def _open(self, sock: socket.socket, peer: str, *, is_remote: bool) -> ClientConnection | None:
        context = self._certificates.dot
        if context is None:
            self._refuse(sock, NO_CERTIFICATE)
            return None
        return TcpConnection(TlsStream(sock, self, context), peer, self, is_remote=is_remote)


class HttpsServer(TcpServer):
    """DNS over HTTPS (RFC 8484), by the same rules."""

    def __init__(
        self,
        sockets: Sequence[tuple[socket.socket, str]],
        responder: MessageResponder,
        loop: asyncio.AbstractEventLoop,
        certificates: Certificates,
        turns: CostlyWork,
    ) -> None:
        """*sockets* with the path where each is asked; all of them answer at all paths."""
        from dnsdisco.server.https_connection import HttpsConnection  # noqa: PLC0415  what HTTP takes is loaded where it is spoken

        super().__init__([sock for sock, _ in sockets], responder, loop, turns=turns)
        self._certificates = certificates
        self._connection = HttpsConnection
        self._paths = frozenset(path.encode() for _, path in sockets)

    def _open(self, sock: socket.socket, peer: str, *, is_remote: bool) -> ClientConnection | None:
        context = self._certificates.https
        if context is None:
            self._refuse(sock, NO_CERTIFICATE)
            return None
        return self._connection(TlsStream(sock, self, context), peer, self, is_remote=is_remote, paths=self._paths)


class Encrypted:
    """All of them. They share the turns in which they do what is costly, and the certificate."""

    def __init__(
        self,
        tls: Sequence[socket.socket],
        https: Sequence[tuple[socket.socket, str]],
        responder: MessageResponder,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.certificates = Certificates()
        turns = CostlyWork(loop)
        self._servers: dict[str, TcpServer] = {}
        if tls:
            self._servers["tls"] = TlsServer(tls, responder, loop, self.certificates, turns)
        if https:
            self._servers["https"] = HttpsServer(https, responder, loop, self.certificates, turns)

    def apply(self, tls: TlsSettings) -> None:
        """The files of certificate and key, also when they are those of before: they may have changed."""
        self.certificates.apply(Pair(tls.certificate, tls.key) if tls.certificate else None)

    def start(self) -> None:
        for server in self._servers.values():
            server.start()

    def look(self) -> None:
        """To be called about once a second."""
        self.certificates.look()

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    async def drain(self) -> None:
        await asyncio.gather(*(server.drain() for server in self._servers.values()))

    def statistics(self) -> Iterator[tuple[str, int]]:
        for name, server in self._servers.items():
            yield from ((f"{name}.{event}", count) for event, count in server.counters.items())
            yield f"{name}.open", len(server.connections)
        yield from self.certificates.figures().items()
