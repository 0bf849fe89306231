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


class StreamWaiter(Protocol):
    """A question that waits on one connection, and perhaps on a second one as well. Every call names the sending that it is about."""

    tail: bytes  # the query without its id

    def on_message(self, sending: Sending, message: bytes) -> None: ...
    def on_lost(self, sending: Sending, kind: str, reason: str) -> None: ...
    def on_doubt(self, sending: Sending) -> None: ...


class Sending:
    """One question on one connection, with the id that it has there."""

    __slots__ = ("asker", "connection", "message_id", "sent_at")

    def __init__(self, asker: StreamWaiter, connection: UpstreamConnection, message_id: int, sent_at: float) -> None:
        self.asker, self.connection, self.message_id, self.sent_at = asker, connection, message_id, sent_at


class StreamPool:
    """All connections to one upstream. Opens them when there is something to ask, closes them when there is nothing any more.

    A kept connection may have died in silence: a NAT has forgotten it, a cable was pulled. One on which a question waits and nothing
    comes is *doubted*: nothing new is asked on it, what waits on it is asked on another one as well, and it is used again when an octet comes.
    """

    def __init__(self, address: UpstreamAddress, context: Context, tls: ssl.SSLContext | None) -> None:
        self.address = address
        self.context = context
        self.tls = tls
        self._connections: list[UpstreamConnection] = []
        self._doubted: list[UpstreamConnection] = []

    def ask(self, asker: StreamWaiter, proven_since: float = float("-inf")) -> Sending | None:
        """Send the question now or as soon as a connection is there: one that was opened, or has spoken, since then. None: all are full."""
        limits = self.context.limits
        for connection in self._connections:
            if len(connection.waiting) < limits.stream_pipeline and connection.proven_at >= proven_since:
                return connection.send(asker)
        if len(self._connections) >= limits.streams:
            self.context.statistics.streams_full += 1
            return None
        connection = UpstreamConnection(self)
        self._connections.append(connection)
        sending = connection.send(asker)
        connection.open()
        return sending

    def doubt(self, connection: UpstreamConnection) -> None:
        """Note that no reply comes over this connection."""
        self.context.statistics.connections_doubted += 1
        self._connections.remove(connection)
        if len(self._doubted) >= self.context.limits.streams:
            self._doubted[0].end("timeout", "the connection went silent")
        self._doubted.append(connection)

    def trust(self, connection: UpstreamConnection) -> None:
        """It speaks again."""
        self._doubted.remove(connection)
        if len(self._connections) < self.context.limits.streams:
            self._connections.append(connection)

    def remove(self, connection: UpstreamConnection) -> None:
        for connections in (self._connections, self._doubted):
            if connection in connections:
                connections.remove(connection)

    @property
    def has_lost_some(self) -> bool:
        """Connections have gone silent just now: one more that does not open may be lost in the same way."""
        return bool(self._doubted)

    def is_in_use(self, connection: UpstreamConnection) -> bool:
        return connection in self._connections

    def retire(self) -> None:
        """Take no new question: close idle connections now, the others as soon as they are idle."""
        for connection in tuple(self._connections):
            if not connection.waiting:
                connection.end("closed", "no longer an upstream")

    def close(self) -> None:
        """Cut every connection; the questions that wait on one get an error."""
        for connection in (*self._connections, *self._doubted):
            connection.end("closed", "shutting down")


class UpstreamConnection(asyncio.Protocol):
    """One connection. Ids are chosen here, unique among those that wait, so that replies find their questions."""

    def __init__(self, pool: StreamPool) -> None:
        self._pool = pool
        self._context = pool.context
        self.waiting: dict[int, Sending] = {}  # the one that has waited longest first
        self.slot = 0  # the ticker's
        self.proven_at = pool.context.now()  # opened, or something came
        self.has_answered = False  # the upstream speaks here
        self.is_doubted = False
        self._unsent: list[bytes] = []
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._has_ended = False

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

    def send(self, asker: StreamWaiter) -> Sending:
        """Put a question on the connection, or in line until it is open."""
        context = self._context
        message_id = context.random_id()
        while message_id in self.waiting:
            message_id = context.random_id()
        if not self.waiting:
            context.ticker.set(self, context.limits.stream_silence_s)
        self.waiting[message_id] = sending = Sending(asker, self, message_id, context.now())
        context.statistics.sent_stream += 1
        octets = frame(message_id.to_bytes(2, "big") + asker.tail)
        if self._transport is None:
            self._unsent.append(octets)
        else:
            self._transport.write(octets)
        return sending

    def forget(self, sending: Sending) -> None:
        """The question waits no longer."""
        if self.waiting.pop(sending.message_id, None) is not None and not self.waiting:
            self._drained()

    def on_time(self) -> None:
        """Has it been silent for too long?"""
        if not self.waiting or self.is_doubted:
            return
        limit_s = self._context.limits.stream_silence_s
        silent_s = self._context.now() - max(self.proven_at, next(iter(self.waiting.values())).sent_at)
        if silent_s < limit_s or (self._transport is None and not self._pool.has_lost_some):  # while it opens, `connect_s` counts
            self._context.ticker.set(self, max(limit_s - silent_s, limit_s / 4))
            return
        self.is_doubted = True
        self._pool.doubt(self)
        for sending in tuple(self.waiting.values()):
            sending.asker.on_doubt(sending)

    def _drained(self) -> None:
        self._context.ticker.forget(self)
        if self.is_doubted:
            self.end("timeout", "the connection went silent")
        elif self._pool.is_in_use(self):
            self._begin_idling()
        else:
            self.end("closed", "one more than are kept")

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._has_ended:
            transport.abort()
            return
        self._transport = transport
        self._prove()
        unsent, self._unsent = self._unsent, []
        transport.write(b"".join(unsent))
        if not self.waiting:
            self._begin_idling()

    def data_received(self, data: bytes) -> None:
        self._prove()
        self.has_answered = True
        self._frames.receive(data)
        try:
            while (message := self._frames.next_message()) is not None:
                sending = self.waiting.pop(message[0] << 8 | message[1], None)
                if sending is None:
                    self._context.statistics.wrong_replies += 1
                else:
                    sending.asker.on_message(sending, message)
        except WireError as error:
            self.end("malformed", str(error))
            return
        if not self.waiting and not self._has_ended:
            self._drained()

    def _prove(self) -> None:
        """The upstream is there, on this connection."""
        self.proven_at = self._context.now()
        if self.is_doubted:
            self.is_doubted = False
            self._pool.trust(self)
            self._context.ticker.set(self, self._context.limits.stream_silence_s)

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
        if self._context.now() - self.proven_at < self._context.limits.stream_idle_s:
            self._begin_idling()
            return
        self.end("closed", "idle")

    def end(self, kind: str, reason: str) -> None:
        """Cut it. Each question that waited gets an error, once; a second call does nothing."""
        if self._has_ended:
            return
        self._has_ended = True
        self._pool.remove(self)
        self._context.ticker.forget(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._transport is not None:
            self._transport.abort()  # close() would wait for the peer's goodbye, and nothing of ours is unsent
        elif self._opening is not None and self._opening is not asyncio.current_task(self._context.loop):
            self._opening.cancel()
        waiting, self.waiting = list(self.waiting.values()), {}
        if waiting:
            self._context.statistics.connections_lost += 1
        for sending in waiting:
            sending.asker.on_lost(sending, kind, reason)
