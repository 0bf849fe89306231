"""`python -m tests.whole.chaos [--minutes 10] [--every 2] [--workers 2] [--pace 500] [--seed N]`: children killed and stopped at random.

Questions for known names go on all the while, from many ports, over UDP. A stopped worker holds back those that are its own until it is killed and its
successor is there, which may be stopped in its turn: what piles up meanwhile may be more than a worker lets wait. Questions of a port that has had
no answer since a worker was stopped are counted apart. One is lost when no answer has come in ANSWER_S. At the end all children are killed at once, a few times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from bisect import bisect
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import dns.message

from dnsdisco.supervisor.restarts import WINDOW_S
from tests.whole.server import Server

SERVICES = 1000
FLOWS = 64  # ports to ask from: the kernel chooses a worker by them
ANSWER_S = 20.0
HELD_BACK_S = 1.0  # and longer
SERVFAIL = 2
SETTLE_S = 2.0  # after the start: the catalog is kept a second after it has come


@dataclass
class Outcome:
    asked: int = 0
    lost: int = 0
    lost_behind_stopped: int = 0  # apart from those: their worker had been stopped
    rcodes: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # that an answer took
    killed: int = 0
    stopped: int = 0
    stopped_at: list[float] = field(default_factory=list)  # workers
    at_once_s: list[float] = field(default_factory=list)  # the slowest answer each time when all children were killed at once

    @property
    def lost_share(self) -> float:
        return self.lost / max(self.asked, 1)

    @property
    def held_back(self) -> int:
        return sum(seconds > HELD_BACK_S for seconds in self.seconds)

    def p(self, share: float) -> float:
        ordered = sorted(self.seconds) or [0.0]
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Asker:
    """A thread that asks *pace* questions a second; `waiting` are those without an answer yet, by flow and id."""

    def __init__(self, address: tuple[str, int], pace: float, outcome: Outcome) -> None:
        self._outcome, self._pace = outcome, pace
        self._selector = selectors.DefaultSelector()
        self._flows = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(FLOWS)]
        for at, sock in enumerate(self._flows):
            sock.connect(address)
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, at)
        self._questions = [dns.message.make_query(f"s{n}.svc.local", "A").to_wire()[2:] for n in range(SERVICES)]
        self.waiting: dict[tuple[int, int], float] = {}
        self._answered_at: list[list[float]] = [[] for _ in range(FLOWS)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for sock in self._flows:
            sock.close()
        self._selector.close()

    def _run(self) -> None:
        due, number = time.monotonic(), 0
        while not self._stop.is_set() or self.waiting:
            now = time.monotonic()
            while due <= now and not self._stop.is_set():
                self._ask(number)
                number, due = number + 1, due + 1 / self._pace
            for key, _ in self._selector.select(max(min(due - time.monotonic(), 0.05), 0)):
                self._hear(key.data)
            for late in [asked for asked, at in self.waiting.items() if now - at > ANSWER_S]:
                if self._is_behind_stopped(late[0], self.waiting.pop(late)):
                    self._outcome.lost_behind_stopped += 1
                else:
                    self._outcome.lost += 1

    def _is_behind_stopped(self, flow: int, sent_at: float) -> bool:
        """Whether a worker was stopped between the answers that this port got before and after that."""
        answers = self._answered_at[flow]
        at = bisect(answers, sent_at)
        before, after = answers[at - 1] if at else 0.0, answers[at] if at < len(answers) else float("inf")
        return any(before <= stopped_at <= after for stopped_at in self._outcome.stopped_at)

    def _ask(self, number: int) -> None:
        flow, identity = number % FLOWS, number // FLOWS % 65536
        with suppress(OSError):  # refused: an answer to one before, that nobody listened
            self._flows[flow].send(struct.pack("!H", identity) + self._questions[number % SERVICES])
        self.waiting[flow, identity] = time.monotonic()
        self._outcome.asked += 1

    def _hear(self, flow: int) -> None:
        with suppress(OSError):
            while True:
                reply = self._flows[flow].recv(4096)
                sent_at = self.waiting.pop((flow, int.from_bytes(reply[:2])), None)
                if sent_at is not None:
                    self._outcome.seconds.append(time.monotonic() - sent_at)
                    self._answered_at[flow].append(time.monotonic())
                    rcode = reply[3] & 15
                    self._outcome.rcodes[rcode if rcode or reply[6:8] != b"\0\0" else -1] += 1  # -1: no error, and no answer


def run(
    folder: Path,
    *,
    seconds: float,
    every_s: float = 2.0,
    workers: int = 2,
    pace: float = 500,
    calm_s: float = 0.0,
    at_once: int = 5,
    seed: int = 0,
) -> Outcome:
    """*calm_s*: without a signal, before all are killed at once; after WINDOW_S nobody is held back for having died again and again."""
    draw, outcome = random.Random(seed), Outcome()
    rows = {f"s{n}": {"instances": [{"id": "a", "address": f"10.0.{n // 250}.{n % 250 + 1}", "port": 80}]} for n in range(SERVICES)}
    (folder / "services.json").write_text(json.dumps(rows))
    options = [
        "--services",
        "services.json",
        "--upstream",
        "none",
        "--http",
        "off",
        "--state-dir",
        "off",
        "--workers",
        str(workers),
    ]
    with Server(*options, cwd=folder) as server:
        time.sleep(SETTLE_S)
        with Asker((server.address, server.port), pace, outcome) as asker:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(every_s)
                number, pid = draw.choice([signal.SIGKILL, signal.SIGSTOP]), draw.choice(_children(server))
                if number == signal.SIGSTOP and pid in server.children()["server"]:
                    outcome.stopped_at.append(time.monotonic())
                _signal(pid, number)
                outcome.killed += number == signal.SIGKILL
                outcome.stopped += number == signal.SIGSTOP
            _wait_for_all(server, asker, workers)
            time.sleep(calm_s)
            for _ in range(at_once):
                time.sleep(1.0)
                before = len(outcome.seconds)
                for pid in _children(server):
                    _signal(pid, signal.SIGKILL)
                time.sleep(1.0)
                _wait_for_all(server, asker, workers)
                outcome.at_once_s.append(max(outcome.seconds[before:], default=ANSWER_S))
    return outcome


def _children(server: Server) -> list[int]:
    return [pid for kind in server.children().values() for pid in kind]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait_for_all(server: Server, asker: Asker, workers: int) -> None:
    """Until every child runs and what was held back is answered or lost."""
    until = time.monotonic() + 30
    while len(_children(server)) < workers + 1 or any(time.monotonic() - at > 0.5 for at in list(asker.waiting.values())):
        assert time.monotonic() < until, server.stderr
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.whole.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two signals")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pace", type=float, default=500, help="questions a second")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(
            Path(folder),
            seconds=given.minutes * 60,
            every_s=given.every,
            workers=given.workers,
            pace=given.pace,
            calm_s=WINDOW_S,
            seed=given.seed,
        )
    asked = max(outcome.asked, 1)
    print(
        f"seed {given.seed}: {outcome.killed} killed, {outcome.stopped} stopped, one every {given.every:g} s; {given.workers} workers"
    )
    print(f"{outcome.asked} questions for known names: {outcome.lost} lost ({outcome.lost_share:.4%}), ", end="")
    print(f"{outcome.lost_behind_stopped} lost behind stopped workers ({outcome.lost_behind_stopped / asked:.2%}), ", end="")
    print(f"{outcome.rcodes[SERVFAIL]} SERVFAIL ({outcome.rcodes[SERVFAIL] / asked:.4%}), ", end="")
    print(f"{sum(outcome.rcodes.values()) - outcome.rcodes[SERVFAIL] - outcome.rcodes[0]} otherwise wrong")
    print(f"{outcome.held_back} held back for more than {HELD_BACK_S:g} s ({outcome.held_back / asked:.2%}); ", end="")
    print(f"p50 {outcome.p(0.5) * 1000:.1f} ms, slowest {outcome.p(1) * 1000:.0f} ms")
    print(f"all children killed at once: the slowest answer {' '.join(f'{s * 1000:.0f}' for s in outcome.at_once_s)} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
