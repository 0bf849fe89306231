"""Connections to one upstream, TCP or TLS: kept, shared, pipelined, replies in any order (RFC 7766 §6.2.1, RFC 7858 §3)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Protocol

from dnsdisco import sockaddr
from dnsdisco.errors import WireError
from dnsdisco.forward.context import Context
from dnsdisco.wire.tcp_frame import frame, FrameReader
from dnsdisco.written.endpoints import UpstreamAddress


class Asker(Protocol):
    """A question that waits on a connection. The connection sets the last three."""

    tail: bytes  # the query without its id
    message_id: int
    sent_at: float
    connection: Connection | None

    def on_message(self, message: bytes) -> None: ...
    def on_lost(self, kind: str, reason: str) -> None: ...


class StreamPool:
    """All connections to one upstream. Opens them when there is something to ask, closes them when there is nothing any more."""

    def __init__(self, address: UpstreamAddress, context: Context, tls: ssl.SSLContext | None) -> None:
        self.address = address
        self.context = context
        self.tls = tls
        self._connections: list[Connection] = []

    def ask(self, asker: Asker) -> bool:
        """Send the question now or as soon as a connection is there. False: all connections are full."""
        limits = self.context.limits
        for connection in self._connections:
            if len(connection.waiting) < limits.stream_pipeline:
                connection.send(asker)
                return True
        if len(self._connections) >= limits.streams:
            self.context.statistics.streams_full += 1
            return False
        connection = Connection(self)
        self._connections.append(connection)
        connection.send(asker)
        connection.open()
        return True

    def remove(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)

    def retire(self) -> None:
        """Nothing more will be asked: close what is idle now, the rest when it is."""
        for connection in tuple(self._connections):
            if not connection.waiting:
                connection.end("closed", "no longer an upstream")

    def close(self) -> None:
        """Cut every connection; who waits on one is told."""
        for connection in tuple(self._connections):
            connection.end("closed", "shutting down")


class Connection(asyncio.Protocol):
    """One connection. Ids are chosen here, unique among those that wait, so that replies find their questions."""

    def __init__(self, pool: StreamPool) -> None:
        self._pool = pool
        self._context = pool.context
        self.waiting: dict[int, Asker] = {}
        self._unsent: list[bytes] = []
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._received_at = float("-inf")
        self._has_ended = False

    @property
    def has_answered(self) -> bool:
        """Something came over it: the upstream speaks here."""
        return self._received_at > float("-inf")

    def open(self) -> None:
        self._context.statistics.connections += 1
        self._opening = self._context.loop.create_task(self._connect())

    async def _connect(self) -> None:
        address, tls = self._pool.address, self._pool.tls
        name = (address.name or sockaddr.without_scope(address.host)) if tls else None
        sock: socket.socket | None = None
        try:
            async with asyncio.timeout(self._context.limits.connect_s):
                family, place = sockaddr.of(address.host, address.port)
                sock = socket.socket(family, socket.SOCK_STREAM)
                sock.setblocking(False)
                await self._context.loop.sock_connect(sock, place)
                connected, sock = sock, None  # the transport closes it
                await self._context.loop.create_connection(lambda: self, sock=connected, ssl=tls, server_hostname=name)
        except TimeoutError:
            self.end("timeout", "no connection in time")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            verify = getattr(error, "verify_message", "")
            self.end("refused", f"certificate: {verify}" if verify else getattr(error, "strerror", None) or str(error))
        finally:
            if sock is not None:
                sock.close()

    def send(self, asker: Asker) -> None:
        """Put a question on the connection, or in line until it is open."""
        message_id = self._context.random_id()
        while message_id in self.waiting:
            message_id = self._context.random_id()
        asker.message_id, asker.connection, asker.sent_at = message_id, self, self._context.now()
        self.waiting[message_id] = asker
        self._context.statistics.sent_stream += 1
        octets = frame(message_id.to_bytes(2, "big") + asker.tail)
        if self._transport is None:
            self._unsent.append(octets)
        else:
            self._transport.write(octets)

    def forget(self, asker: Asker) -> None:
        """The question waits no longer. One that waited in vain on a silent connection takes it down, so that the next gets a new one."""
        if self.waiting.get(asker.message_id) is not asker:
            return
        del self.waiting[asker.message_id]
        waited_s = self._context.now() - asker.sent_at
        if waited_s >= self._context.limits.stream_silence_s and self._received_at < asker.sent_at:
            self.end("timeout", "the connection went silent")
        elif not self.waiting:
            self._begin_idling()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._has_ended:
            transport.abort()
            return
        self._transport = transport
        unsent, self._unsent = self._unsent, []
        transport.write(b"".join(unsent))
        if not self.waiting:
            self._begin_idling()

    def data_received(self, data: bytes) -> None:
        self._received_at = self._context.now()
        self._frames.receive(data)
        try:
            while (message := self._frames.next_message()) is not None:
                asker = self.waiting.pop(message[0] << 8 | message[1], None)
                if asker is None:
                    self._context.statistics.wrong_replies += 1
                else:
                    asker.on_message(message)
        except WireError as error:
            self.end("malformed", str(error))
            return
        if not self.waiting:
            self._begin_idling()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("refused", f"connection lost: {exc}" if exc else "the upstream closed the connection")

    # how it ends

    def _begin_idling(self) -> None:
        if self._idle_timer is None and not self._has_ended:
            self._idle_timer = self._context.loop.call_later(self._context.limits.stream_idle_s, self._on_idle)

    def _on_idle(self) -> None:
        self._idle_timer = None
        if self.waiting:
            return
        if self._context.now() - self._received_at < self._context.limits.stream_idle_s:
            self._begin_idling()
            return
        self.end("closed", "idle")

    def end(self, kind: str, reason: str) -> None:
        """Cut it. Who waited is told, once; a second call does nothing."""
        if self._has_ended:
            return
        self._has_ended = True
        self._pool.remove(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._transport is not None:
            self._transport.abort()  # close() would wait for the peer's goodbye, and nothing of ours is unsent
        elif self._opening is not None and self._opening is not asyncio.current_task(self._context.loop):
            self._opening.cancel()
        waiting, self.waiting = list(self.waiting.values()), {}
        if waiting:
            self._context.statistics.connections_lost += 1
        for asker in waiting:
            asker.on_lost(kind, reason)
