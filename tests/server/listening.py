"""A listener on a real socket of the running loop, and a client of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dnsdisco.server.udp import UdpListener
from tests.kit import Answers


@contextmanager
def listening(answers: Answers, **options: Any) -> Iterator[tuple[UdpListener, socket.socket]]:
    """*options*: of the listener. The client is connected, and does not block."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        server.bind(("127.0.0.1", 0))
        client.setblocking(False)
        client.connect(server.getsockname())
        listener = UdpListener(server, "127.0.0.1", answers.responder, loop, **options)
        listener.start()
        yield listener, client
        listener.close()
