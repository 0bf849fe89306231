"""One message to a server and what comes back, over plain sockets."""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

TIMEOUT_S = 2.0  # as dig's +time=2 +tries=1, with which RFC 8906 asks


class Target(NamedTuple):
    address: str
    port: int

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


def send(target: Target, message: bytes, *, is_tcp: bool, timeout_s: float = TIMEOUT_S) -> bytes | None:
    """The reply's octets; None: silence, or a connection that was closed without one."""
    exchange = _tcp if is_tcp else _udp
    try:
        return exchange(target, message, timeout_s)
    except (TimeoutError, ConnectionError):
        return None


def _udp(target: Target, message: bytes, timeout_s: float) -> bytes:
    with socket.socket(target.family, socket.SOCK_DGRAM) as sock:
        sock.connect(target)  # so that only the server itself is heard
        sock.settimeout(timeout_s)
        sock.send(message)
        return sock.recv(65535)


def _tcp(target: Target, message: bytes, timeout_s: float) -> bytes | None:
    until = time.monotonic() + timeout_s
    with socket.create_connection(target, timeout_s) as sock:
        sock.sendall(struct.pack("!H", len(message)) + message)
        octets = b""
        while len(octets) < 2 or len(octets) < 2 + int.from_bytes(octets[:2], "big"):
            sock.settimeout(max(until - time.monotonic(), 0.001))
            piece = sock.recv(65537)
            if not piece:
                return None
            octets += piece
    return octets[2:]
