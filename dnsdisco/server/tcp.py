"""The TCP side: listening sockets, which connections may stay, and for how long (RFC 7766 §6.2, RFC 9210 §4).

One server for all listening sockets of a worker, so that its bounds hold for them together. What one connection does is in
`tcp_connection.py`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

from dnsdisco.server.connection import ClientConnection, MessageResponder
from dnsdisco.server.costly_work import CostlyWork
from dnsdisco.server.stream import Stream, StreamState
from dnsdisco.server.tcp_connection import TcpConnection
from dnsdisco.server.tcp_limits import TcpLimits
from dnsdisco.sockaddr import is_loopback

log = logging.getLogger("dnsdisco.tcp")

ACCEPTS_A_TURN = 32  # a flood of new connections must not hold up the datagrams
SWEEP_S = 0.25  # between two looks at every connection: 512 of them take about 0.1 ms
ACCEPT_PAUSE_S = 0.25  # after the system refused a connection and no other could be closed for it
LOG_GAP_S = 10.0  # between two lines about the same trouble
HANDSHAKE_MIN_S = 1.0  # even when few places are left: how many handshakes may wait in line
_NO_ROOM = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class TcpServer:
    """Accepts on *sockets*, which it does not own: the supervisor keeps them open for the next worker."""

    def __init__(
        self,
        sockets: Iterable[socket.socket],
        responder: MessageResponder,
        loop: asyncio.AbstractEventLoop,
        *,
        limits: TcpLimits | None = None,
        now: Callable[[], float] = time.monotonic,
        turns: CostlyWork | None = None,
    ) -> None:
        """*turns*: one for all servers of a loop that have costly work to do."""
        self.limits = limits or TcpLimits()
        self.counters: Counter[str] = Counter()  # accepted, and why connections ended (ClientConnection.end)
        self.responder = responder
        self.loop = loop
        self.now = now
        self.turns = turns or CostlyWork(loop)
        self.connections: OrderedDict[ClientConnection, None] = OrderedDict()  # the longest untouched first
        self._sockets = list(sockets)
        self._by_client: Counter[str] = Counter()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._all_ended: asyncio.Future[None] | None = None  # while draining
        self._is_accepting = False
        self._logged_at = float("-inf")
        self._turn_began_at: float | None = None  # for the connections, in this turn of the loop

    def start(self) -> None:
        self._is_accepting = True
        for sock in self._sockets:
            self._resume(sock)
        self._sweep()

    def listen_on(self, sock: socket.socket, _detail: str = "") -> None:
        """Accept on this one, too; or anew, on one whose descriptor leads to another socket now."""
        if sock not in self._sockets:
            self._sockets.append(sock)
        self._resume(sock)

    def stop_accepting(self) -> None:
        """Whoever comes now waits in the kernel for the next worker."""
        self._is_accepting = False
        for sock in self._sockets:
            self.loop.remove_reader(sock.fileno())

    async def drain(self) -> None:
        """Stop accepting and reading, send what is in flight within `drain_s`, close everything."""
        self.stop_accepting()
        all_ended = self._all_ended = self.loop.create_future()
        for connection in tuple(self.connections):
            connection.stop_reading()
        if self.connections:
            await asyncio.wait((all_ended,), timeout=self.limits.drain_s)
        self.close()

    def close(self) -> None:
        """Close everything now."""
        self.stop_accepting()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for connection in tuple(self.connections):
            connection.end("shutdown")

    def touched(self, connection: ClientConnection) -> None:
        """Something happened on it: others have been idle for longer."""
        if connection in self.connections:
            self.connections.move_to_end(connection)

    def has_time(self) -> bool:
        """This turn of the loop has time for the questions of one more connection."""
        now = self.now()
        if self._turn_began_at is None:
            self._turn_began_at = now
            self.loop.call_soon(self._end_turn)  # with the next one
        if now - self._turn_began_at <= self.limits.turn_s:
            return True
        self.counters["waited"] += 1
        return False

    def _end_turn(self) -> None:
        self._turn_began_at = None

    def ended(self, connection: ClientConnection, reason: str) -> None:
        """A connection has closed itself."""
        self.counters[reason] += 1
        self.connections.pop(connection, None)
        if not self.connections and self._all_ended is not None and not self._all_ended.done():
            self._all_ended.set_result(None)
        if connection.is_remote:
            self._by_client[connection.peer] -= 1
            if not self._by_client[connection.peer]:
                del self._by_client[connection.peer]

    # newcomers

    def _accept(self, sock: socket.socket) -> None:
        has_made_room = False
        for _ in range(ACCEPTS_A_TURN):
            try:
                accepted, address = sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    continue  # the error of one connection that broke while it waited (accept(2))
                self.counters["accept_errors"] += 1
                if has_made_room or not self._send_away("no_files"):
                    self._pause(sock, error)
                    return
                has_made_room = True
                continue
            self._admit(accepted, address[0])

    def _admit(self, sock: socket.socket, peer: str) -> None:
        is_remote = not is_loopback(peer) and peer != sock.getsockname()[0]
        if is_remote and self._by_client[peer] >= self.limits.per_client and not self._send_away("client_limit", peer):
            self._refuse(sock, "client_limit_refused")
            return
        if len(self.connections) >= self.limits.connections and not self._send_away("limit"):
            self._refuse(sock, "limit_refused")
            return
        connection = self._open(sock, peer, is_remote=is_remote)
        if connection is None:
            return
        self.counters["accepted"] += 1
        if is_remote:
            self._by_client[peer] += 1
        self.connections[connection] = None
        connection.start()

    def _open(self, sock: socket.socket, peer: str, *, is_remote: bool) -> ClientConnection | None:
        """The connection for its protocol; None: it has no known one, and is closed."""
        return TcpConnection(Stream(sock, self), peer, self, is_remote=is_remote)

    def _refuse(self, sock: socket.socket, reason: str) -> None:
        self.counters[reason] += 1
        sock.close()

    def _send_away(self, reason: str, peer: str = "") -> bool:
        """Make room for a newcomer: close the connection (of *peer*) that has been idle the longest, but one that has only just come
        not before one that does not get on with its message. False: all are at work."""
        youngest_at = self.now() - self.limits.begun_s
        idle, slowest, begun_at = None, None, youngest_at
        for connection in self.connections:
            if peer and connection.peer != peer:
                continue
            if connection.is_idle:
                if connection.touched_at <= youngest_at:
                    connection.end(reason)
                    return True
                idle = idle or connection
            elif connection.begun_at is not None and connection.begun_at <= begun_at:
                slowest, begun_at = connection, connection.begun_at
        if slowest is not None:
            slowest.end("slow_in_a_crowd")
        elif idle is not None:
            idle.end(reason)
        return slowest is not None or idle is not None

    def _pause(self, sock: socket.socket, error: OSError) -> None:
        """The listening socket stays readable: without a pause the loop would spin."""
        if self.now() - self._logged_at > LOG_GAP_S:
            self._logged_at = self.now()
            log.warning("TCP: no connection can be taken (%s)", error.strerror)
        self.loop.remove_reader(sock.fileno())
        self.loop.call_later(ACCEPT_PAUSE_S, self._resume, sock)

    def _resume(self, sock: socket.socket) -> None:
        if self._is_accepting:
            sock.setblocking(False)
            self.loop.add_reader(sock.fileno(), self._accept, sock)

    # open connections

    def idle_limit_s(self) -> float:
        """`idle_s`, and less the fewer places are left (RFC 9210 §4.2)."""
        limits = self.limits
        used = len(self.connections) / limits.connections
        if used <= limits.crowded:
            return limits.idle_s
        return max(limits.idle_s * (1 - used) / (1 - limits.crowded), limits.idle_min_s)

    def _sweep(self) -> None:
        now, idle_limit_s = self.now(), self.idle_limit_s()
        for connection in tuple(self.connections):
            self._look(connection, now, idle_limit_s)
        self._sweep_timer = self.loop.call_later(SWEEP_S, self._sweep)

    def _look(self, connection: ClientConnection, now: float, idle_limit_s: float) -> None:
        """Has it overstayed?"""
        connection.look(now)
        limits, stream, begun_at = self.limits, connection.stream, connection.begun_at
        if stream.has_ended:
            return
        if stream.unsent and now - stream.wrote_at > limits.unread_s:
            connection.end("unread", is_reset=True)
        elif stream.state is StreamState.SHAKING:
            if now - stream.opened_at > min(limits.handshake_s, max(idle_limit_s, HANDSHAKE_MIN_S)):
                connection.end("handshake_slow")
        elif connection.is_slow(now) or (begun_at is not None and now - begun_at > idle_limit_s):
            connection.end("slow")
        elif connection.is_idle and now - connection.touched_at > idle_limit_s:
            connection.end("idle")
