"""One client's stream as octets: read a little at a time, written as the client reads, with TLS around it or without.

What the octets mean is the subclass's: `tcp_connection.py` (DNS messages), `https_connection.py` (HTTP requests).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from dnsdisco.server.costly_work import CostlyWork
from dnsdisco.server.tcp_limits import TcpLimits
from dnsdisco.server.tls import TlsSession

READ_OCTETS = 4096  # in one turn of the loop: about a hundred questions, a millisecond, and then the datagrams have their turn
HANDSHAKE_MIN_S = 1.0  # even when few places are left: how many handshakes may wait in line
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: throw away what is unsent, which the client does not read


class Owner(Protocol):
    """Whose channel it is (`tcp.py`)."""

    limits: TcpLimits
    responder: Any
    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    turns: CostlyWork
    counters: Counter[str]

    def has_time(self) -> bool: ...

    def ended(self, channel: Channel, reason: str) -> None: ...

    def touched(self, channel: Channel) -> None: ...


class Channel:
    """Owns the socket. *tls* is None for a plain stream; else nothing is read or written before its handshake is done."""

    __slots__ = (
        "_has_ended",
        "_is_half_closed",
        "_is_in_turn",
        "_is_reading",
        "_is_writing",
        "_opened_at",
        "_server",
        "_sock",
        "_tls",
        "_unsent",
        "_wrote_at",
        "is_remote",
        "peer",
        "touched_at",
    )

    def __init__(self, sock: socket.socket, peer: str, server: Owner, *, is_remote: bool, tls: TlsSession | None = None) -> None:
        self.peer = peer
        self.is_remote = is_remote
        self.touched_at = server.now()  # when the client last did something, or we last answered
        self._server = server
        self._sock = sock
        self._tls = tls
        self._unsent = bytearray()
        self._opened_at = self._wrote_at = self.touched_at
        self._is_reading = self._is_writing = False
        self._is_half_closed = False  # nothing more will be asked
        self._is_in_turn = False  # what came in under TLS waits for its turn
        self._has_ended = False

    # set by a subclass

    @property
    def is_idle(self) -> bool:
        """Nothing asked and unanswered, nothing half read, nothing unsent."""
        raise NotImplementedError

    def _received(self, octets: bytes) -> None:
        """The client has sent *octets*."""
        raise NotImplementedError

    def _is_slow(self, now: float) -> bool:
        """What the client has begun to send takes too long to come."""
        raise NotImplementedError

    @property
    def begun_at(self) -> float | None:
        """When the client began to send what it has not sent whole; None: it is not in the middle of anything, or waits for us."""
        return None

    def _established(self) -> None:
        """The handshake is done."""

    def _go_on(self) -> None:
        """Room has been made in what is unsent."""

    def _end_if_done(self) -> None:
        """Nothing more will be asked: end once all is answered."""
        raise NotImplementedError

    # called by the server

    def start(self) -> None:
        self._sock.setblocking(False)
        with suppress(OSError):  # gone already: the first read will show it
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._server.limits.kernel_octets)
        self._read(is_wanted=True)

    def stop_reading(self) -> None:
        """Take no more questions; what was asked is answered, then the connection ends."""
        self._is_half_closed = True
        self._read(is_wanted=False)
        self._end_if_done()

    def look(self, now: float, idle_limit_s: float) -> None:
        """Has it overstayed? Called by the server every now and then."""
        limits = self._server.limits
        if self._unsent and now - self._wrote_at > limits.unread_s:
            self.end("unread", is_reset=True)
        elif self._tls is not None and not self._tls.is_established:
            if now - self._opened_at > min(limits.handshake_s, max(idle_limit_s, HANDSHAKE_MIN_S)):
                self.end("handshake_slow")
        elif self._is_slow(now) or (self.begun_at is not None and now - self.begun_at > idle_limit_s):
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
        with suppress(OSError):
            if is_reset:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            elif self._tls is not None and not self._unsent and (farewell := self._tls.close()):
                self._sock.send(farewell)
        self._sock.close()
        self._unsent.clear()
        if self._tls is not None:
            self._tls.release()
        self._server.ended(self, reason)

    def _touch(self) -> None:
        self.touched_at = self._server.now()
        self._server.touched(self)

    # octets in

    def _readable(self) -> None:
        if self._server.has_time():
            self._read_some()
        else:  # wait in line, so that the first connection of every turn is not the only one served
            self._server.loop.remove_reader(self._sock.fileno())
            self._server.turns.take(self._take_turn)

    def _take_turn(self) -> None:
        if self._is_reading and not self._has_ended:
            self._server.loop.add_reader(self._sock.fileno(), self._readable)
            self._read_some()

    def _read_some(self) -> None:
        try:
            octets = self._sock.recv(READ_OCTETS)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.end("reset")
            return
        self._touch()
        if self._tls is not None:
            self._sealed(self._tls, octets)
        elif octets:
            self._received(octets)
        else:  # half-closed: what was asked is still answered (RFC 7766 §6.2.4)
            self.stop_reading()

    def _sealed(self, tls: TlsSession, octets: bytes) -> None:
        if octets:
            tls.incoming.write(octets)
        else:
            tls.is_cut = True
        if tls.is_established:
            if not self._server.turns.try_now(self._unseal):  # many clients at once: one of them a turn
                self._read(is_wanted=False)
                self._server.turns.take(self._unseal_now)
        elif octets:  # a key operation takes milliseconds: at most one a turn
            self._read(is_wanted=False)
            self._server.turns.take(self._shake)
        else:
            self.end("handshake_given_up")

    def _shake(self) -> None:
        tls = self._tls
        if self._has_ended or tls is None:
            return
        try:
            tls.shake()
        except (ssl.SSLError, ValueError):  # ValueError: a server name that no text can be made of
            self._unsent += tls.outgoing.read()  # the alert with the reason
            self._flush()
            self.end("handshake_failed")
            return
        self._unsent += tls.outgoing.read()
        self._flush()
        if self._has_ended or self._is_half_closed:
            return
        self._read(is_wanted=True)
        if tls.is_established:
            self._server.counters["resumed" if tls.is_resumed else "handshakes"] += 1
            self._established()
            self._unseal()

    def _unseal(self) -> None:
        """Take what came in, a little at a time: one record may hold 16 KiB of questions."""
        self._is_in_turn = False
        tls = self._tls
        if self._has_ended or not self._is_reading or tls is None:
            return  # once it is wanted again, _read() comes back here
        try:
            octets, is_over = tls.read(READ_OCTETS)
            self._unsent += tls.outgoing.read()
        except ssl.SSLError:
            self.end("tls_broken")
            return
        if octets:
            self._received(octets)
        else:
            self._flush()
        if is_over and not self._has_ended:
            self.stop_reading()
        elif tls.has_more:
            self._unseal_later()

    def _unseal_now(self) -> None:
        if not (self._has_ended or self._is_half_closed):
            self._read(is_wanted=True)
            self._unseal()

    def _unseal_later(self) -> None:
        if self._is_reading and not self._is_in_turn:
            self._is_in_turn = True
            self._server.turns.take(self._unseal)

    # octets out

    def _put(self, octets: bytes) -> None:
        """Behind what is unsent."""
        if self._tls is not None:
            try:
                octets = self._tls.seal(octets)
            except ssl.SSLError:
                self.end("tls_broken")
                return
        self._unsent += octets

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
        if self._tls is None or self._tls.is_established:
            self._go_on()

    # the loop

    def _read(self, *, is_wanted: bool) -> None:
        if is_wanted != self._is_reading:
            self._is_reading = is_wanted
            if is_wanted:
                self._server.loop.add_reader(self._sock.fileno(), self._readable)
                if self._tls is not None and self._tls.has_more:
                    self._unseal_later()
            else:
                self._server.loop.remove_reader(self._sock.fileno())

    def _write(self, *, is_wanted: bool) -> None:
        if is_wanted != self._is_writing:
            self._is_writing = is_wanted
            if is_wanted:
                self._server.loop.add_writer(self._sock.fileno(), self._writable)
            else:
                self._server.loop.remove_writer(self._sock.fileno())
