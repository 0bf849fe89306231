"""Something to be checked: a TCP server that answers each connection as it is told, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"

TLS_RECORD = b"\x16\x03"  # a client that wants TLS where there is none

Say = bytes | Callable[[socket.socket], None]


class Target:
    """`says`: octets to every question, or a function that does what it likes with the connection. `port` is its own."""

    def __init__(self, says: Say = OK, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.says, self.host, self._tls = says, host, tls
        self.asked: list[tuple[float, bytes]] = []  # when, and the whole request
        self.open = self.most_open = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024)
        self.port = self._listener.getsockname()[1]

    @property
    def requests(self) -> list[bytes]:
        return [request for _, request in self.asked]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            connection.settimeout(5)
            wrapped = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with contextlib.suppress(OSError), wrapped as sock:
                self._answer(sock)
        except OSError:
            connection.close()
        finally:
            with self._lock:
                self.open -= 1

    def _answer(self, sock: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request and not request.startswith(TLS_RECORD) and (piece := sock.recv(4096)):
            request += piece
        self.asked.append((time.monotonic(), request))
        if callable(self.says):
            self.says(sock)
        elif request:
            sock.sendall(self.says)


def until(condition: Callable[[], object], timeout_s: float = 5.0) -> float:
    """Seconds until *condition* held, waited for in this thread."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout_s, "it did not come"
        time.sleep(0.002)
    return time.monotonic() - started
