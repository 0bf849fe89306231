"""One client's TCP connection: questions in, replies out in whatever order they come (RFC 7766 §6.2.1.1, §7)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Protocol

from dnsdisco.errors import WireError
from dnsdisco.server.channel import Channel, Owner
from dnsdisco.server.tls import TlsSession
from dnsdisco.wire.tcp_frame import frame, FrameReader

Send = Callable[[bytes], None]

FLUSH_OCTETS = 16 * 1024  # replies to one segment go out together, in pieces of this size


class MessageResponder(Protocol):
    """What answers a message (`serve.py`). *is_encrypted* is given only where the stream is."""

    def respond(self, message: bytes, peer: str, *, is_tcp: bool, send: Send, is_encrypted: bool = False) -> None: ...


class TcpConnection(Channel):
    """Bounded in what it reads ahead, in what waits, and in what is unsent; the bounds are the server's."""

    __slots__ = ("_asked_at", "_frames", "_in_flight", "_is_collecting", "_message_at", "_respond", "_send")

    def __init__(self, sock: socket.socket, peer: str, server: Owner, *, is_remote: bool, tls: TlsSession | None = None) -> None:
        super().__init__(sock, peer, server, is_remote=is_remote, tls=tls)
        self._send: Send = self.send  # bound once, not once a question
        respond = server.responder.respond
        self._respond: Callable[..., None] = respond if tls is None else partial(respond, is_encrypted=True)
        self._frames = FrameReader()
        self._in_flight = 0
        self._asked_at = self.touched_at
        self._message_at: float | None = None  # when a message's first octet came whose last has not
        self._is_collecting = False

    @property
    def is_idle(self) -> bool:
        return not (self._in_flight or self._unsent) and self._frames.is_between_messages

    @property
    def begun_at(self) -> float | None:
        return None if self._in_flight or self._unsent else self._message_at

    def send(self, reply: bytes) -> None:
        """The responder's way back: one reply, at once or later."""
        if self._has_ended:
            return
        self._in_flight = max(self._in_flight - 1, 0)
        self._touch()
        if len(self._unsent) >= self._server.limits.unsent_octets:
            self.end("unread", is_reset=True)
            return
        if not self._unsent:
            self._wrote_at = self.touched_at
        self._put(frame(reply))
        if not self._is_collecting:
            self._flush()
            self._go_on()
        elif len(self._unsent) >= FLUSH_OCTETS:
            self._flush()

    def look(self, now: float, idle_limit_s: float) -> None:
        """Has it overstayed? Called by the server every now and then."""
        limits = self._server.limits
        if self._in_flight and now - self._asked_at > limits.answer_s:
            self._in_flight = 0  # these were dropped; no answer will come
            self._go_on()
            if self._has_ended:
                return
        super().look(now, idle_limit_s)

    def _is_slow(self, now: float) -> bool:
        return self._message_at is not None and now - self._message_at > self._server.limits.message_s

    # octets in

    def _received(self, octets: bytes) -> None:
        if self._message_at is None:
            self._message_at = self.touched_at
        self._frames.receive(octets)
        self._take()

    def _take(self) -> None:
        """Hand over the whole messages that are here, as long as there is room for their answers; send the replies together."""
        server, frames = self._server, self._frames
        limits = server.limits
        self._is_collecting = True
        taken = 0
        while self._in_flight < limits.in_flight and len(self._unsent) < limits.pause_octets and not self._has_ended:
            try:
                message = frames.next_message()
            except WireError:
                self._is_collecting = False
                self._flush()  # what came before the fault is answered
                self.end("malformed")
                return
            if message is None:
                break
            taken += 1
            self._in_flight += 1
            self._asked_at = self.touched_at
            self._respond(message, self.peer, is_tcp=True, send=self._send)
        self._is_collecting = False
        server.counters["questions"] += taken
        if self._has_ended:
            return
        if frames.is_between_messages:
            self._message_at = None
        elif taken or self._message_at is None:
            self._message_at = server.now()  # another message has begun, or we go on after a pause
        self._flush()
        self._pace()

    def _pace(self) -> None:
        """Read on, or not: while the bounds are reached, the client has to wait, in its own kernel."""
        if self._has_ended:
            return
        limits = self._server.limits
        is_full = self._in_flight >= limits.in_flight or len(self._unsent) >= limits.pause_octets
        if is_full:
            self._message_at = None  # that it does not come is our doing
        self._read(is_wanted=not is_full and not self._is_half_closed)
        self._end_if_done()

    def _go_on(self) -> None:
        """Room has been made: take what was left lying, then read on."""
        if self._has_ended:
            return
        if self._is_reading or (self._is_half_closed and self._frames.is_between_messages):
            self._end_if_done()
        elif self._in_flight < self._server.limits.in_flight // 2 + 1 and len(self._unsent) < self._server.limits.pause_octets:
            self._take()

    def _end_if_done(self) -> None:
        if self._is_half_closed and not (self._in_flight or self._unsent):
            self.end("closed")
