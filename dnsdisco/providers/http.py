"""One HTTP/1.1 connection to a backend, over TCP, TLS or a Unix socket (RFC 9112), for providers whose package has none that is safe.

The usual clients give up only between two reads, so that a server that sends an octet now and then holds a thread for ever; they
read bodies of any size, follow redirects with the token in their hands, believe HTTP_PROXY, and a query that blocks cannot be ended.
Here an answer is due at a fixed time, is bounded, is this server's own, and abort() ends it. ADR 0052 has the reasons.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Any, NamedTuple

from dnsdisco.errors import system_reason
from dnsdisco.providers.endpoint import Endpoint
from dnsdisco.providers.forked import in_child, Lock
from dnsdisco.sockaddr import without_scope

CONNECT_S = 3.0  # a backend is near; what takes longer is down, or behind a filter that drops
BODY_OCTETS_MAX = 64 * 1024 * 1024  # one service with 50,000 instances, at some 1.3 kB each
READ_OCTETS = 1024 * 1024
BUFFER_OCTETS = 16 * 1024  # held while a query blocks, by each of a hundred connections
KEEPALIVE_S = (10, 5, 3)  # idle, interval, probes: a peer that has vanished in silence is noticed within 25 s

ContextSource = Callable[[], ssl.SSLContext]


@dataclass(frozen=True, slots=True)
class Patience:
    """The time that one answer may take, in seconds: until its head is whole, and from there until its body is."""

    head_s: float = 10.0
    body_s: float = 20.0


class NoAnswer(Exception):
    """`kind`: refused, reset, timeout, tls, malformed, large, aborted."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


class Redirected(NoAnswer):
    """The server redirects; some do so for a path that they would write in another way."""


class HttpReply(NamedTuple):
    status: int
    headers: Message
    body: bytes


class BackendConnection:
    """Used by one thread at a time; abort() by any. Opened when it is needed, and kept open. `headers` go with every request."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        context: ContextSource | None = None,
        server_name: str = "",
        body_octets_max: int = BODY_OCTETS_MAX,
    ) -> None:
        """*context*: for https, asked before each connecting. *server_name*: the name that the certificate must have; "": the host."""
        self.headers: dict[str, str] = {}
        self.patience = Patience()  # of the next answers
        self.is_repeatable = True  # whether the next request may be sent twice when a kept connection turns out to be dead
        self._endpoint, self._context = endpoint, context
        self._server_name = server_name or without_scope(endpoint.host)
        self._body_octets_max = body_octets_max
        self._lock = Lock()  # around _sock and _is_aborted
        self._sock: socket.socket | None = None
        self._is_aborted = False
        self._http: http.client.HTTPConnection | None = None
        self._due_at = 0.0
        in_child(self.close)  # without a farewell: the parent goes on with it

    def request(self, method: str, target: str, body: bytes | None = None) -> HttpReply:
        """The whole answer, whatever its status. Raises NoAnswer."""
        was_open = self._http is not None
        try:
            return self._exchange(method, target, body)
        except NoAnswer as error:
            if not (was_open and self.is_repeatable and error.kind == "reset"):
                raise
        return self._exchange(method, target, body)  # it was closed while it was idle

    def abort(self) -> None:
        """End what is going on, in whatever thread, and refuse everything that comes. Does not block."""
        with self._lock:
            self._is_aborted = True
            if self._sock is not None:
                try:
                    # Not SSLSocket's own shutdown(): it pulls the session from under the thread that reads.
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
                except OSError:
                    return  # not connected yet, or not any more

    def close(self) -> None:
        """By the thread that uses it."""
        with self._lock:
            sock, self._sock, self._http = self._sock, None, None
        if sock is not None:
            sock.close()

    def __del__(self) -> None:
        # A program that forgets its provider gets no warning: it is the same with requests.
        self.close()

    def _exchange(self, method: str, target: str, data: bytes | None) -> HttpReply:
        try:
            self._due_at = time.monotonic() + self.patience.head_s
            connection = self._http or self._open()
            connection.request(method, target, body=data, headers=self.headers)
            answer = connection.getresponse()
            body = self._body(answer)
        except BaseException as error:
            self.close()
            if isinstance(error, NoAnswer):
                raise
            if self._is_aborted:
                raise NoAnswer("aborted", "closed") from None
            failure = _no_answer(error)
            if failure is None:
                raise
            raise failure from None
        if answer.will_close:
            self.close()
        return HttpReply(answer.status, answer.headers, body)

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        if 300 <= answer.status < 400:
            raise Redirected("malformed", f"HTTP {answer.status}: a redirect, which is not followed")
        self._due_at = time.monotonic() + self.patience.body_s
        parts, octets = [], 0
        while part := answer.read(READ_OCTETS):
            octets += len(part)
            if octets > self._body_octets_max:
                raise NoAnswer("large", f"an answer of more than {self._body_octets_max} octets")
            parts.append(part)
        if answer.length:
            raise NoAnswer("malformed", f"the answer ended {answer.length} octets early")
        return b"".join(parts)

    def _open(self) -> http.client.HTTPConnection:
        endpoint = self._endpoint
        sock = self._connected()
        if endpoint.scheme == "https":
            assert self._context is not None
            sock.settimeout(CONNECT_S)
            sock = self._hold(self._context().wrap_socket(sock, server_hostname=self._server_name))
        self._http = http.client.HTTPConnection(without_scope(endpoint.host), endpoint.port)
        self._http.sock = _Wire(sock, self)
        return self._http

    def _connected(self) -> socket.socket:
        endpoint = self._endpoint
        if endpoint.path:
            places: list[Any] = [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", endpoint.path)]
        else:
            places = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        for at, (family, kind, protocol, _, address) in enumerate(places):
            sock = self._hold(socket.socket(family, kind, protocol))
            try:
                sock.settimeout(CONNECT_S)
                sock.connect(address)
            except OSError:
                self.close()
                if at + 1 == len(places) or self._is_aborted:
                    raise
                continue
            if not endpoint.path:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _keep_alive(sock)
            return sock
        raise OSError("no address")

    def _hold(self, sock: socket.socket) -> socket.socket:
        """Keep the socket where abort() finds it."""
        with self._lock:
            if self._is_aborted:
                sock.close()
                raise NoAnswer("aborted", "closed")
            self._sock = sock
        return sock

    def left_s(self) -> float:
        """Until the answer is due. Raises TimeoutError when it was."""
        left_s = self._due_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _Wire(io.RawIOBase):
    """The socket as http.client sees it: a read ends when the answer is due, not some time after the last octet came."""

    def __init__(self, sock: socket.socket, connection: BackendConnection) -> None:
        self._sock, self._connection = sock, connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Wire(self._sock, self._connection), BUFFER_OCTETS)

    def sendall(self, octets: bytes) -> None:
        self._sock.settimeout(self._connection.left_s())
        self._sock.sendall(octets)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._connection.left_s())
        return self._sock.recv_into(buffer)


def _no_answer(error: BaseException) -> NoAnswer | None:
    """The failure that *error*, from a socket or from http.client, stands for; None: it is something else."""
    match error:
        case TimeoutError():
            return NoAnswer("timeout", "no answer in time")
        case ssl.SSLCertVerificationError():
            return NoAnswer("tls", f"its certificate is not accepted: {error.verify_message}")
        case ssl.SSLError():
            return NoAnswer("tls", f"TLS failed: {(error.reason or str(error)).lower().replace('_', ' ')}")
        case socket.gaierror():
            return NoAnswer("refused", f"its name does not resolve: {error.strerror}")
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return NoAnswer("reset", "connection reset")
        case http.client.IncompleteRead():
            return NoAnswer("malformed", "the answer ended early")
        case http.client.HTTPException():
            return NoAnswer("malformed", f"no HTTP answer ({type(error).__name__})")
        case OSError():
            return NoAnswer("refused", system_reason(error))
        case ValueError():  # http.client reads a chunk's size with int(), and a file that was closed meanwhile
            return NoAnswer("malformed", "no HTTP answer")
    return None


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in zip(("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"), KEEPALIVE_S, strict=True):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
