"""One client's TCP connection: questions in, replies out in whatever order they come (RFC 7766 §6.2.1.1, §7)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from dnsdisco.errors import WireError
from dnsdisco.server.tcp_limits import TcpLimits
from dnsdisco.wire.tcp_frame import frame, FrameReader

Send = Callable[[bytes], None]

READ_OCTETS = 4096  # in one turn of the loop: about a hundred questions, a millisecond, and then the datagrams have their turn
FLUSH_OCTETS = 16 * 1024  # replies to one segment go out together, in pieces of this size
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: throw away what is unsent, which the client does not read


class Responder(Protocol):
    """What answers a message (`serve.py`)."""

    def respond(self, message: bytes, peer: str, *, is_tcp: bool, send: Send) -> None: ...


class Owner(Protocol):
    """Whose connection it is (`tcp.py`)."""

    limits: TcpLimits
    responder: Responder
    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]

    def ended(self, connection: Connection, reason: str) -> None: ...

    def touched(self, connection: Connection) -> None: ...


class Connection:
    """Bounded in what it reads ahead, in what waits, and in what is unsent; the bounds are the server's."""

    __slots__ = (
        "_asked_at",
        "_frames",
        "_has_ended",
        "_in_flight",
        "_is_collecting",
        "_is_half_closed",
        "_is_reading",
        "_is_writing",
        "_message_at",
        "_send",
        "_server",
        "_sock",
        "_unsent",
        "_wrote_at",
        "is_remote",
        "peer",
        "touched_at",
    )

    def __init__(self, sock: socket.socket, peer: str, server: Owner, *, is_remote: bool) -> None:
        self.peer = peer
        self.is_remote = is_remote
        self.touched_at = server.now()  # when the client last did something, or we last answered
        self._server = server
        self._sock = sock
        self._send: Send = self.send  # bound once, not once a question
        self._frames = FrameReader()
        self._unsent = bytearray()
        self._in_flight = 0
        self._asked_at = self._wrote_at = self.touched_at
        self._message_at: float | None = None  # when a message's first octet came whose last has not
        self._is_reading = self._is_writing = self._is_collecting = False
        self._is_half_closed = False  # nothing more will be asked
        self._has_ended = False

    @property
    def is_idle(self) -> bool:
        """Nothing asked and unanswered, nothing half read, nothing unsent."""
        return not (self._in_flight or self._unsent) and self._frames.is_between_messages

    def start(self) -> None:
        self._sock.setblocking(False)
        with suppress(OSError):  # gone already: the first read will tell
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read(is_wanted=True)

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
        self._unsent += frame(reply)
        if not self._is_collecting:
            self._flush()
            self._go_on()
        elif len(self._unsent) >= FLUSH_OCTETS:
            self._flush()

    def stop_reading(self) -> None:
        """Take no more questions; what was asked is answered, then the connection ends."""
        self._is_half_closed = True
        self._read(is_wanted=False)
        self._end_if_done()

    def look(self, now: float, idle_limit_s: float) -> None:
        """Has it overstayed? Called by the server every now and then."""
        limits = self._server.limits
        if self._in_flight and now - self._asked_at > limits.answer_s:
            self._in_flight = 0  # these were dropped; no answer will come
            self._go_on()
            if self._has_ended:
                return
        if self._unsent and now - self._wrote_at > limits.unread_s:
            self.end("unread", is_reset=True)
        elif self._message_at is not None and now - self._message_at > limits.message_s:
            self.end("slow")
        elif self.is_idle and now - self.touched_at > idle_limit_s:
            self.end("idle")

    def end(self, reason: str, *, is_reset: bool = False) -> None:
        """Close. *reason* becomes a counter. A second call does nothing."""
        if self._has_ended:
            return
        self._has_ended = True
        self._read(is_wanted=False)
        self._write(is_wanted=False)
        if is_reset:
            with suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._sock.close()
        self._unsent.clear()
        self._server.ended(self, reason)

    def _touch(self) -> None:
        self.touched_at = self._server.now()
        self._server.touched(self)

    # octets in

    def _readable(self) -> None:
        try:
            octets = self._sock.recv(READ_OCTETS)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.end("reset")
            return
        self._touch()
        if not octets:  # half-closed: what was asked is still answered (RFC 7766 §6.2.4)
            self.stop_reading()
            return
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
            server.responder.respond(message, self.peer, is_tcp=True, send=self._send)
        self._is_collecting = False
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

    # octets out

    def _flush(self) -> None:
        if self._has_ended or not self._unsent:
            return
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.end("reset")
            return
        if sent:
            del self._unsent[:sent]
            self._wrote_at = self._server.now()
        self._write(is_wanted=bool(self._unsent))

    def _writable(self) -> None:
        self._flush()
        self._go_on()

    # the loop

    def _read(self, *, is_wanted: bool) -> None:
        if is_wanted != self._is_reading:
            self._is_reading = is_wanted
            if is_wanted:
                self._server.loop.add_reader(self._sock.fileno(), self._readable)
            else:
                self._server.loop.remove_reader(self._sock.fileno())

    def _write(self, *, is_wanted: bool) -> None:
        if is_wanted != self._is_writing:
            self._is_writing = is_wanted
            if is_wanted:
                self._server.loop.add_writer(self._sock.fileno(), self._writable)
            else:
                self._server.loop.remove_writer(self._sock.fileno())
