"""Control's end of the link to one worker: messages out without ever blocking, within a bound, and messages in."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from dnsdisco.errors import WireError
from dnsdisco.model.delta import Assembler, Message, PIECE_OCTETS

BACKLOG_OCTETS_MAX = 4 * 1024 * 1024  # of changes queued for one worker; beyond that a whole catalog costs it less
TURN_DATAGRAMS = 64  # sent or read before the loop's other users have a turn: about 2 MB, under 10 ms


class WorkerLink:
    """One worker's. All methods belong to the loop's thread."""

    def __init__(
        self,
        number: int,
        sock: socket.socket,
        on_message: Callable[[WorkerLink, Message], None],
        on_room: Callable[[WorkerLink], None],
    ) -> None:
        """*on_room* is called when the worker reads again after the backlog was dropped."""
        self.number = number
        self.applied = 0  # the serial that the worker last reported
        self.backlogs_dropped = 0
        self._socket = sock
        self._on_message, self._on_room = on_message, on_room
        self._loop = asyncio.get_running_loop()
        self._assembler = Assembler()
        self._queue: deque[tuple[Iterator[bytes], bool]] = deque()  # whether its octets count
        self._queued_octets = 0  # of what send() queued and the socket has not taken; what restart() sends is made on the way
        self._datagram: bytes | None = None  # the next one, when the socket had no room for it
        self._is_writing = False
        self.is_dropping = False  # nothing is queued until the worker reads again
        self._is_closed = False
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def is_restarting(self) -> bool:
        """True while a whole catalog from restart() is due, or not yet taken by the socket."""
        return self.is_dropping or (bool(self._queue) and not self._queue[0][1])

    def send(self, datagrams: Sequence[bytes]) -> None:
        """Queue a message's datagrams. Over the bound everything is dropped, and on_room() comes later: then the whole is due."""
        if self.is_dropping or self._is_closed:
            return
        self._queued_octets += sum(map(len, datagrams))
        if self._queued_octets > BACKLOG_OCTETS_MAX:
            self._drop()
            return
        self._queue.append((iter(datagrams), True))
        self._pump()

    def send_alive(self, datagrams: Sequence[bytes]) -> None:
        """Like send(), but only if nothing waits: otherwise the messages that wait show the worker that control is there."""
        if not self._queue and self._datagram is None:
            self.send(datagrams)

    def restart(self, datagrams: Iterator[bytes]) -> None:
        """Drop what is queued and send these. They are drawn as the socket takes them, so they may be made on the way."""
        if self._is_closed:
            return
        self._queue.clear()
        self._datagram, self._queued_octets, self.is_dropping = None, 0, False
        self._queue.append((datagrams, False))
        self._pump()

    def close(self) -> None:
        """The socket is let go of, not closed: it belongs to the code that made it."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.clear()
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())

    def _drop(self) -> None:
        self.backlogs_dropped += 1
        self._queue.clear()
        self._datagram, self._queued_octets, self.is_dropping = None, 0, True
        self._write_later()

    def _pump(self) -> None:
        for _ in range(TURN_DATAGRAMS):
            if self._datagram is None:
                self._datagram = self._next()
                if self._datagram is None:
                    self._write_no_more()
                    return
            try:
                self._socket.send(self._datagram)
            except BlockingIOError:
                break
            except OSError:  # the other end is gone for good, and so is this process soon: its supervisor holds both ends
                self.close()
                return
            self._datagram = None
        self._write_later()

    def _next(self) -> bytes | None:
        while self._queue:
            datagrams, is_counted = self._queue[0]
            datagram = next(datagrams, None)
            if datagram is not None:
                self._queued_octets -= len(datagram) if is_counted else 0
                return datagram
            self._queue.popleft()
        return None

    def _writable(self) -> None:
        if self.is_dropping:
            self.is_dropping = False
            self._on_room(self)
        self._pump()

    def _write_later(self) -> None:
        if not self._is_writing:
            self._is_writing = True
            self._loop.add_writer(self._socket.fileno(), self._writable)

    def _write_no_more(self) -> None:
        if self._is_writing:
            self._is_writing = False
            self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        for _ in range(TURN_DATAGRAMS):
            try:
                datagram = self._socket.recv(PIECE_OCTETS + 1)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            if not datagram:  # end of file: only where no other process holds the other end
                self.close()
                return
            try:
                message = self._assembler.feed(datagram)
            except WireError:
                continue  # cut by the death of a worker; its successor sends hello
            if message is not None:
                self._on_message(self, message)
