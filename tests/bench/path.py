"""The worker's way of a datagram, in this process: a listener on a real socket, a client, and the prototype loop that both are held against.

`python -m tests.bench.path [--rounds N]` prints the processor time of each kind of query, beside the prototype's and the kernel's own part.
The guard (`test_guard.py`) counts steps here: instructions of the interpreter, and calls into C.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, NamedTuple, Self

from dnsdisco.server.batch import Batch
from dnsdisco.server.udp import UdpListener
from dnsdisco.wire.cookie import Cookies
from tests.bench.cases import A, AAAA, COOKIE, SRV
from tests.bench.load import query
from tests.kit import Answers

# With the server cookie that the listener gives to this client.
BOTH = b"\0\x0a\0\x18" + Cookies(bytes(range(16))).reply(COOKIE[4:], "127.0.0.1", 1_700_000_000)[0]
TOGETHER = 48  # datagrams that wait when the loop looks: less than one batch


class Steps(NamedTuple):
    """What the interpreter did: the same in every run of the same version, however busy the machine is."""

    instructions: int
    calls: int


class Prototype:
    """The loop of the prototype (docs/performance.md): a dictionary of prepared answers, and nothing of what a server needs beside it."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.prepared: dict[bytes, tuple[bytes, bytes]] = {}

    def learn(self, message: bytes, reply: bytes) -> None:
        end = 12 + message[12:].index(b"\0") + 5
        self.prepared[message[2:].lower()] = (reply[2:12], reply[end:])

    def drain(self) -> None:
        receive, send, prepared = self.socket.recvfrom, self.socket.sendto, self.prepared
        for _ in range(128):
            try:
                message, peer = receive(4096)
            except BlockingIOError:
                return
            found = prepared.get(message[2:].lower())
            if found is not None:
                head, tail = found
                send(message[:2] + head + message[12 : message.index(b"\0", 12) + 5] + tail, peer)


class Kernel:
    """Batches in, batches out, nothing between: what is left when the interpreter costs nothing."""

    def __init__(self, sock: socket.socket) -> None:
        self.batch = Batch(sock)

    def drain(self) -> None:
        lengths = self.batch.receive()
        for index, length in enumerate(lengths):
            self.batch.sizes[index] = length + 60
        self.batch.send(0, len(lengths))


class Way:
    """One socket that something drains, and a client of it on the loopback."""

    def __init__(self, host: str, drain: Callable[[socket.socket], Callable[[], None]]) -> None:
        self.server, self.client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.server.setblocking(False)
        self.server.bind((host, 0))
        if host == "0.0.0.0":
            self.server.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_PKTINFO", 8), 1)
        self.client.connect(("127.0.0.1", self.server.getsockname()[1]))
        self.client.setblocking(False)
        self.drain = drain(self.server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.client.close()

    def ask(self, queries: Iterable[bytes], drain: Callable[[], None] | None = None) -> list[bytes]:
        """The replies to *queries*, which wait together when the socket is drained. They go the whole way within this call."""
        asked = 0
        for message in queries:
            self.client.send(message)
            asked += 1
        (drain or self.drain)()
        replies = [self.client.recv(4096) for _ in range(asked)]
        assert len(replies) == asked
        return replies

    def steps(self, queries: list[bytes]) -> Steps:
        """Of one query more in a batch."""
        # The first count makes Python 3.12 and later instrument the code; it is not used.
        _, few, many = (
            counted(lambda drain, some=queries[:number]: self.ask(some, drain), self.drain)
            for number in (1, TOGETHER // 2, TOGETHER)
        )
        more = TOGETHER - TOGETHER // 2
        return Steps((many.instructions - few.instructions) // more, (many.calls - few.calls) // more)

    def microseconds(self, queries: list[bytes], count: int) -> float:
        """Processor time of this thread for each of *count* queries, the client's own part left out."""
        spent = 0.0

        def timed() -> None:
            nonlocal spent
            began = time.thread_time()
            self.drain()
            spent += time.thread_time() - began

        done = at = 0
        while done < count:
            some = queries[at : at + TOGETHER]
            at = at + TOGETHER if at + TOGETHER < len(queries) else 0
            done += len(self.ask(some, timed))
        return spent / done * 1e6


class _Caught:
    """The part of a loop that a listener uses; what is to be called soon is called right after the drain."""

    def __init__(self) -> None:
        self._read: Callable[[], None] = lambda: None
        self._soon: list[Callable[[], None]] = []

    def add_reader(self, _fd: int, drain: Callable[[], None]) -> None:
        self._read = drain

    def call_soon(self, call: Callable[[], None]) -> None:
        self._soon.append(call)

    def drain(self) -> None:
        self._read()
        while self._soon:
            self._soon.pop()()


def listener(answers: Answers, host: str = "127.0.0.1", **options: Any) -> Way:
    """A worker's listener over *answers*."""

    def start(sock: socket.socket) -> Callable[[], None]:
        loop: Any = _Caught()
        UdpListener(sock, host, answers.responder, loop, **options).start()
        return loop.drain

    return Way(host, start)


def prototype(known: Way, queries: list[bytes]) -> Way:
    """The prototype loop, with the replies to *queries* that *known* gives."""
    made: list[Prototype] = []

    def start(sock: socket.socket) -> Callable[[], None]:
        made.append(Prototype(sock))
        return made[0].drain

    way = Way("127.0.0.1", start)
    for message in queries:
        (reply,) = known.ask([message])
        made[0].learn(message, reply)
    return way


def counted(call: Callable[[Callable[[], None]], object], drain: Callable[[], None]) -> Steps:
    """The steps of *drain*, which *call* calls once."""
    instructions = calls = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal instructions
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        instructions += event == "opcode"
        return trace

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "c_call"

    def traced() -> None:
        sys.setprofile(profile)
        sys.settrace(trace)
        try:
            drain()
        finally:
            sys.settrace(before)
            sys.setprofile(None)

    before = sys.gettrace()
    call(traced)
    return Steps(instructions, calls)


def services(count: int) -> Answers:
    rows = (
        f"s{n}: {{instances: [{{id: a, address: 10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}, port: 80}},"
        f" {{id: b, address: 10.{10 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}, port: 80}}]}}"
        for n in range(count)
    )
    return Answers("\n".join(rows), recursion=False)


def kinds(count: int) -> dict[str, list[bytes]]:
    """Queries by what they are called in docs/performance.md."""
    source = random.Random(5)

    def spelled(name: str) -> str:
        return "".join(source.choice((char.upper(), char)) for char in name)

    names = [f"s{n}.svc.local" for n in range(count)]
    return {
        "hits": [query(name, qtype) for name in names for qtype in (A, SRV)],
        "hits without EDNS": [query(name, A, edns=False) for name in names],
        "hits in mixed case": [query(spelled(name), A) for name in names],
        "hits with a cookie": [query(name, A, options=COOKIE) for name in names],
        "hits with both cookies": [query(name, A, options=BOTH) for name in names],
        "NODATA": [query(name, AAAA) for name in names],
        "NODATA with a cookie": [query(name, AAAA, options=COOKIE) for name in names],
        "NXDOMAIN with a cookie": [query(f"x{source.randrange(10**9, 10**10)}.svc.local", A, options=COOKIE) for _ in range(count)],
        "NXDOMAIN": [query(f"x{source.randrange(10**9, 10**10)}.svc.local", A) for _ in range(count)],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.path", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="alternations; the median counts")
    parser.add_argument("--services", type=int, default=1000)
    arguments = parser.parse_args()
    answers = services(arguments.services)
    asked = kinds(arguments.services)
    for queries in asked.values():
        random.Random(1).shuffle(queries)
    with listener(answers) as ours, listener(answers, "0.0.0.0") as wild, listener(answers, in_batches=False) as single:
        ways = {"ours": ours, "0.0.0.0": wild, "one by one": single}
        with prototype(single, asked["hits"]) as plain, Way("127.0.0.1", lambda sock: Kernel(sock).drain) as kernel:
            print(f"{'CPU us a query':<22}" + "".join(f"{name:>12}" for name in (*ways, "prototype", "kernel")))
            for name, queries in asked.items():
                each = ways | ({"prototype": plain} if name == "hits" else {}) | {"kernel": kernel}
                for way in each.values():
                    way.microseconds(queries, len(queries))
                taken: dict[str, list[float]] = {way: [] for way in each}
                for _ in range(arguments.rounds):
                    for label, way in each.items():
                        taken[label].append(way.microseconds(queries, 5000))
                medians = {label: statistics.median(times) for label, times in taken.items()}
                row = "".join(
                    f"{medians[label]:>12.2f}" if label in medians else f"{'':>12}" for label in (*ways, "prototype", "kernel")
                )
                print(f"{name:<22}{row}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
