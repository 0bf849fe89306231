"""One client's socket as a stream of octets: read a little at a time, written as the client reads.

What the octets mean is the connection's (`connection.py`), which the stream calls. The states of a stream, and what ends each:

    SHAKING     TLS alone: nothing is read or written for the connection. The handshake is done: OPEN; it fails, or is given up: ENDED
    OPEN        the connection reads and writes. No more will be asked, by the client's choice or by ours: ANSWERING
    ANSWERING   the connection writes; what it reads is thrown away. All is answered: ENDED
    ENDED       the socket is closed

From each of them a fault, or a deadline (`tcp.py`), leads to ENDED.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import auto, Enum
from typing import Protocol

from dnsdisco.server.costly_work import CostlyWork
from dnsdisco.server.tcp_limits import TcpLimits

READ_OCTETS = 4096  # in one turn of the loop: about a hundred questions, a millisecond, and then the datagrams have their turn
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: throw away what is unsent, which the client does not read


class StreamState(Enum):
    SHAKING = auto()
    OPEN = auto()
    ANSWERING = auto()
    ENDED = auto()


class StreamServer(Protocol):
    """The calls of a stream to its server (`tcp.py`)."""

    limits: TcpLimits
    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    turns: CostlyWork
    counters: Counter[str]

    def has_time(self) -> bool: ...


class StreamUser(Protocol):
    """The calls of a stream to its connection (`connection.py`)."""

    def touch(self) -> None: ...
    def established(self, protocol: str | None) -> None: ...
    def received(self, octets: bytes) -> None: ...
    def stop_reading(self) -> None: ...
    def go_on(self) -> None: ...
    def ended(self, reason: str) -> None: ...


class Stream:
    """Owns the socket. `unsent`: what the kernel has not taken yet, since `wrote_at`."""

    __slots__ = ("_connection", "_is_writing", "_server", "_sock", "is_reading", "opened_at", "state", "unsent", "wrote_at")

    is_encrypted = False

    def __init__(self, sock: socket.socket, server: StreamServer) -> None:
        self.state = StreamState.OPEN
        self.unsent = bytearray()
        self.opened_at = self.wrote_at = server.now()
        self._sock = sock
        self._server = server
        self.is_reading = self._is_writing = False

    @property
    def has_ended(self) -> bool:
        return self.state is StreamState.ENDED

    @property
    def is_open(self) -> bool:
        return self.state is StreamState.OPEN

    def start(self, connection: StreamUser) -> None:
        self._connection = connection
        self._sock.setblocking(False)
        with suppress(OSError):  # gone already: the first read will show it
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._server.limits.kernel_octets)
        self.read_on(is_wanted=True)

    def stop_reading(self) -> None:
        """No more will be asked."""
        self.read_on(is_wanted=False)
        if self.state is StreamState.SHAKING:
            self.end("closed")
        elif self.state is StreamState.OPEN:
            self.state = StreamState.ANSWERING

    def end(self, reason: str, *, is_reset: bool = False) -> None:
        """Close, whatever is unsent. *is_reset*: let the client know at once. A second call does nothing."""
        if self.has_ended:
            return
        self.read_on(is_wanted=False)
        self._write_on(is_wanted=False)
        with suppress(OSError):
            if is_reset:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            elif not self.unsent and (farewell := self._farewell()):
                self._sock.send(farewell)
        self.state = StreamState.ENDED
        self._sock.close()
        self.unsent.clear()
        self._connection.ended(reason)

    def end_writing(self) -> None:
        """Everything is sent, and the client shall know; it can read our last octets, as long as what it sends is read."""
        self.unsent += self._farewell()
        self.flush()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _farewell(self) -> bytes:
        """The last octets."""
        return b""

    # octets in

    def read_on(self, *, is_wanted: bool) -> None:
        """Begin to read what the client sends, or leave it in the kernel."""
        if is_wanted != self.is_reading:
            self.is_reading = is_wanted
            if is_wanted:
                self._server.loop.add_reader(self._sock.fileno(), self._readable)
            else:
                self._server.loop.remove_reader(self._sock.fileno())

    def _readable(self) -> None:
        if self._server.has_time():
            self._read()
        else:  # wait in line, so that the first connection of every turn is not the only one served
            self._server.loop.remove_reader(self._sock.fileno())
            self._server.turns.take(self._take_turn)

    def _take_turn(self) -> None:
        if self.is_reading:
            self._server.loop.add_reader(self._sock.fileno(), self._readable)
            self._read()

    def _read(self) -> None:
        try:
            octets = self._sock.recv(READ_OCTETS)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.end("reset")
            return
        self._connection.touch()
        self._came_in(octets)

    def _came_in(self, octets: bytes) -> None:
        if octets:
            self._connection.received(octets)
        else:  # half-closed: what was asked is still answered (RFC 7766 §6.2.4)
            self._connection.stop_reading()

    # octets out

    def put(self, octets: bytes) -> None:
        """Behind what is unsent."""
        if not self.unsent:
            self.wrote_at = self._server.now()
        self.unsent += octets

    def flush(self) -> None:
        """Send what the kernel takes now, the rest when it takes more."""
        if not self.unsent or self.has_ended:
            return
        try:
            sent = self._sock.send(self.unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.end("reset")
            return
        if sent:
            del self.unsent[:sent]
            self.wrote_at = self._server.now()
        self._write_on(is_wanted=bool(self.unsent))

    def _writable(self) -> None:
        self.flush()
        if self.state is not StreamState.SHAKING:
            self._connection.go_on()

    def _write_on(self, *, is_wanted: bool) -> None:
        if is_wanted != self._is_writing:
            self._is_writing = is_wanted
            if is_wanted:
                self._server.loop.add_writer(self._sock.fileno(), self._writable)
            else:
                self._server.loop.remove_writer(self._sock.fileno())
