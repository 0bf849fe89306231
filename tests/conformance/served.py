"""The answering code behind its real sockets, UDP with the table of compiled answers and TCP, in a thread of the test process."""

from __future__ import annotations

import asyncio
import threading
from typing import Self

from dnsdisco.server.tcp import TcpServer
from dnsdisco.server.udp import UdpListener
from dnsdisco.testing import one_port
from tests.conformance.exchange import Target
from tests.kit import Answers


class Served:
    """Context manager. `target`: where UDP and TCP are."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self._udp, self._tcp = one_port()
        self.target = Target(*self._tcp.getsockname()[:2])
        self._thread.start()
        assert self._started.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        self._udp.close()
        self._tcp.close()

    def _run(self) -> None:
        listener = UdpListener(self._udp, "127.0.0.1", self._answers.responder, self._loop)
        server = TcpServer([self._tcp], self._answers.responder, self._loop)
        listener.start()
        server.start()
        self._loop.call_soon(self._started.set)
        self._loop.run_forever()
        listener.close()
        server.close()
