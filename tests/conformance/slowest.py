"""The messages that cost most, found by fuzzing and kept as a corpus: `slowest.txt`, one a line, UDP or TCP and its octets.

Likewise the replies of an upstream: `slowest_replies.txt`. `python -m tests.conformance.slowest` tells what each costs here and now.
"""

from __future__ import annotations

import base64
import heapq
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from dnsdisco.answer import cached_reply
from dnsdisco.answer.believe import believe, UpstreamQuestion
from dnsdisco.answer.decision import Want
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.cache.cache import Cache
from dnsdisco.errors import WireError
from dnsdisco.forward.message import judge
from dnsdisco.wire.query import slice_query
from tests.conformance.replies import BASE, QNAME, worst
from tests.kit import Answers

PATH = Path(__file__).with_name("slowest.txt")
REPLIES_PATH = Path(__file__).with_name("slowest_replies.txt")
KEPT = 12  # of each transport
CANDIDATES = 60  # looked at once more at the end, when the machine may be less busy
RUNS = 7  # the quickest of so many: what the message costs, without what else the machine does

Entry = tuple[bool, bytes]  # over TCP; the message


def cost_s(answers: Answers, message: bytes, *, is_tcp: bool, runs: int = RUNS) -> float:
    """Seconds that the answering code takes when nothing of the answer is at hand, compiled or a cookie."""
    best = 1e9
    for _ in range(runs):
        answers.responder.fast_path.table.clear()
        answers.responder._cookies._known.clear()
        begin = time.perf_counter()
        answers.responder.respond(message, "127.0.0.1", is_tcp=is_tcp, send=_nowhere)
        best = min(best, time.perf_counter() - begin)
    return best


def _nowhere(_: bytes) -> None:
    pass


def use_reply(reply: bytes, *, dnssec_ok: bool) -> bytes | None:
    """All that is done with an upstream's reply: judged, read, kept, and made one of ours; None: it was not believed."""
    question, cache = reply[12:BASE], Cache()
    judge(reply, 0, question, is_stream=True)
    with suppress(WireError):
        qtype = int.from_bytes(question[-4:-2], "big")
        entry = cache.keep(b"key", believe(reply, UpstreamQuestion(QNAME, qtype, dnssec_ok), _IS_OURS).item, 0.0)
        query = slice_query(bytes((0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + question)
        if entry.target:
            cached_reply.records(entry, Want(QNAME, qtype), entry.body(1.5))
        return cached_reply.reply_from(entry, query, 1.5, limit=65535, options=b"", trust_ad=False)
    return None


_IS_OURS = partial(cached_reply.is_answered_here, settings=AnswerSettings())


def cost_of_reply_s(reply: bytes, runs: int = RUNS) -> float:
    """Seconds, with DO or without, whichever is more."""
    best = [1e9, 1e9]
    for _ in range(runs):
        for dnssec_ok in (False, True):
            begin = time.perf_counter()
            use_reply(reply, dnssec_ok=dnssec_ok)
            best[dnssec_ok] = min(best[dnssec_ok], time.perf_counter() - begin)
    return max(best)


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


def load_replies() -> list[bytes]:
    lines = REPLIES_PATH.read_text().splitlines()
    return [zlib.decompress(base64.b64decode(line)) for line in lines if line and not line.startswith("#")]


def save_replies(replies: list[bytes]) -> None:
    REPLIES_PATH.write_text(
        "# The costliest replies of an upstream that fuzzing found (tests/conformance/slowest.py): base64 of deflated octets.\n"
        + "".join(f"{base64.b64encode(zlib.compress(reply, 9)).decode()}\n" for reply in replies)
    )


def main() -> None:
    answers = Answers(recursion=False)
    for is_tcp in (False, True):
        costs = [cost_s(answers, message, is_tcp=is_tcp) for over_tcp, message in load() if over_tcp == is_tcp]
        print(f"queries over {'TCP' if is_tcp else 'UDP'}: {max(costs) * 1e3:.2f} ms at most, of {len(costs)} kept")
    found = [cost_of_reply_s(reply) for reply in load_replies()]
    print(f"replies of upstreams: {max(found) * 1e3:.2f} ms at most, of {len(found)} kept")
    for what, reply in worst().items():
        print(f"  {cost_of_reply_s(reply) * 1e3:5.2f} ms  {len(reply):5} octets  {what}")


if __name__ == "__main__":
    main()
