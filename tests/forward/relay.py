"""A path to an upstream over TCP, on which connections can be lost in silence, before their handshake too."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """A path to a port of this host. lose(n): what goes over the connections that are open, and over the next n, is lost."""

    def __init__(self, port):
        self._to = port
        self._held = 0
        self.accepted = 0
        self._sockets = []
        self._lost = threading.Event()

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def lose(self, more):
        self._held = more
        self._lost.set()
        self._lost = threading.Event()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.accepted += 1
                self._sockets.append(near)
                if self._held:
                    self._held -= 1
                    continue
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets.append(far)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other, self._lost), daemon=True).start()

    def _pass_on(self, one, other, lost):
        with contextlib.suppress(OSError):
            while (octets := one.recv(65536)) and not lost.is_set():
                other.sendall(octets)
            if not lost.is_set():
                other.shutdown(socket.SHUT_WR)
