"""The messages that cost most, found by fuzzing and kept as a corpus: `slowest.txt`, one a line, UDP or TCP and its octets."""

from __future__ import annotations

import base64
import heapq
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.kit import Answers

PATH = Path(__file__).with_name("slowest.txt")
KEPT = 12  # of each transport
CANDIDATES = 60  # looked at once more at the end, when the machine may be less busy
RUNS = 7  # the quickest of so many: what the message costs, without what else the machine does

Entry = tuple[bool, bytes]  # over TCP; the message


def cost_s(answers: Answers, message: bytes, *, is_tcp: bool, runs: int = RUNS) -> float:
    """Seconds that the answering code takes when nothing of the answer is at hand, compiled or a cookie."""
    best = 1e9
    for _ in range(runs):
        answers.responder.table.clear()
        answers.responder._cookies._known.clear()
        begin = time.perf_counter()
        answers.responder.respond(message, "127.0.0.1", is_tcp=is_tcp, send=_nowhere)
        best = min(best, time.perf_counter() - begin)
    return best


def _nowhere(_: bytes) -> None:
    pass


class Slowest:
    """Keeps the `KEPT` costliest of what it is shown. *measure*: cost_s of one message, with so many runs."""

    def __init__(self, measure: Callable[[bytes, int], float]) -> None:
        self._measure = measure
        self._heap: list[tuple[float, bytes]] = []

    def show(self, message: bytes, seconds: float) -> None:
        """*seconds*: of one run, which only counts as a reason to look again."""
        if len(self._heap) == CANDIDATES and seconds <= self._heap[0][0]:
            return
        if any(kept == message for _, kept in self._heap):
            return
        again = self._measure(message, RUNS)
        if len(self._heap) < CANDIDATES:
            heapq.heappush(self._heap, (again, message))
        elif again > self._heap[0][0]:
            heapq.heapreplace(self._heap, (again, message))

    def found(self) -> list[tuple[float, bytes]]:
        """The costliest first."""
        return sorted(((self._measure(message, 4 * RUNS), message) for _, message in self._heap), reverse=True)[:KEPT]


def load() -> list[Entry]:
    entries = []
    for line in PATH.read_text().splitlines():
        if line and not line.startswith("#"):
            transport, octets = line.split()
            entries.append((transport == "tcp", zlib.decompress(base64.b64decode(octets))))
    return entries


def save(entries: list[Entry]) -> None:
    lines = [f"{'tcp' if is_tcp else 'udp'} {base64.b64encode(zlib.compress(octets, 9)).decode()}\n" for is_tcp, octets in entries]
    PATH.write_text(
        "# The costliest messages that fuzzing found (tests/conformance/slowest.py): transport, base64 of deflated octets.\n"
        + "".join(lines)
    )
