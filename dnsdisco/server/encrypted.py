"""Servers of encrypted transports, and what they share; loaded only where there are any."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import NamedTuple

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

    def listen_on(self, sock: socket.socket, detail: str = "") -> None:
        self._paths |= {detail.encode()}
        super().listen_on(sock, detail)

    def _open(self, sock: socket.socket, peer: str, *, is_remote: bool) -> ClientConnection | None:
        context = self._certificates.https
        if context is None:
            self._refuse(sock, NO_CERTIFICATE)
            return None
        return self._connection(TlsStream(sock, self, context), peer, self, is_remote=is_remote, paths=self._paths)


class Encryption(NamedTuple):
    """The parts that all encrypted listeners of a worker share: the certificate, and the turns for costly work."""

    certificates: Certificates
    turns: CostlyWork

    def apply(self, tls: TlsSettings) -> None:
        """The files of certificate and key, also when they are those of before: they may have changed."""
        self.certificates.apply(Pair(tls.certificate, tls.key) if tls.certificate else None)
