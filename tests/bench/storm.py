"""What DNS clients feel while the control process has its hands full, and how long a change takes to be in the answers."""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Self

from tests.bench import load, plugin
from tests.bench.cases import A, SRV
from tests.bench.measure import TWO
from tests.bench.peers import Dnsdisco

PARSED = 10_000  # services in the file that is parsed again and again
RATE = 20_000  # queries a second: a tenth of what one worker can answer
CHANGES_S = 500
SAMPLES = 200  # changes whose way into the answers is timed

Row = dict[str, float]


def parsing(rounds: int, seconds: float) -> dict[str, Row]:
    """A paced load on 1,000 names, in peace and while the file of 10,000 services is parsed anew three times a second.

    All of the server shares one processor, so that control is in a worker's way as much as it can be; the load has the other.
    """
    with tempfile.TemporaryDirectory() as folder, Dnsdisco(Path(folder), PARSED, 0 if TWO else None) as server:
        path = _queries(Path(folder))
        turn = _versions(Path(folder) / "services.json")
        _run(server, path, 1.0, RATE)
        idle, busy = [], []
        for number in range(1, rounds + 1):
            idle.append(_run(server, path, seconds, RATE))
            with _Busy(lambda: next(turn), every_s=0.3) as work:
                busy.append(_run(server, path, seconds, RATE))
            _say(
                f"parsing {number}/{rounds}: p99 {idle[-1]['p99_us']:.0f} us, {busy[-1]['p99_us']:.0f} us ({work.count} times parsed)"
            )
    return {f"{RATE:,} queries/s, in peace": _median(idle), f"… while {PARSED:,} services are parsed": _median(busy)}


def changing(rounds: int, seconds: float) -> dict[str, Row]:
    """A saturating load on 1,000 names, in peace and while 500 of the services get another address each second."""
    with watched(1000) as (server, change):
        path = _queries(server.folder)
        load.run(server.address, server.port, path, seconds=1.0)
        calm, stormy = [], []
        for number in range(1, rounds + 1):
            calm.append(_run(server, path, seconds))
            turn = iter(range(10**9))

            def change_some(turn: Iterator[int] = turn) -> None:
                for _ in range(CHANGES_S // 100):
                    at = next(turn)
                    change(at % 1000, at // 1000 + 1)

            with _Busy(change_some, every_s=0.01):
                stormy.append(_run(server, path, seconds))
            _say(f"changes {number}/{rounds}: {calm[-1]['qps']:,.0f} queries/s, {stormy[-1]['qps']:,.0f} queries/s")
    return {"saturated, in peace": _median(calm), f"… while {CHANGES_S} services change each second": _median(stormy)}


def delay(rounds: int) -> dict[str, Row]:
    """Milliseconds from a backend's word to the first answer that has it, with 10 and with 10,000 services."""
    rows = {}
    for services in (10, PARSED):
        taken: list[float] = []
        with watched(services) as (server, change), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            sock.connect((server.address, server.port))
            for number in range(SAMPLES * rounds // 5):
                at, version = number % min(services, 1000), 1 + number
                wanted, question = socket.inet_aton(plugin.address(at, version)), load.query(f"s{at}.svc.local", A)
                began = time.monotonic()
                change(at, version)
                while True:
                    sock.send(question)
                    if wanted in sock.recv(4096):
                        break
                    time.sleep(0.0005)
                taken.append((time.monotonic() - began) * 1000)
                time.sleep(0.03)
        taken.sort()
        rows[f"{services:,} services"] = {
            "p50_ms": taken[len(taken) // 2],
            "p99_ms": taken[int(len(taken) * 0.99)],
            "changes": len(taken),
        }
        _say(f"change to answer, {services:,} services: {taken[len(taken) // 2]:.1f} ms")
    return rows


@contextmanager
def watched(services: int) -> Iterator[tuple[Dnsdisco, Callable[[int, int], None]]]:
    """A server whose services come from the plug-in, and what changes one of them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Watched(Path(folder), services, None) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        target = str(Path(folder) / "changes")

        def change(number: int, version: int) -> None:
            sock.sendto(b"%d %d" % (number, version), target)

        yield server, change


class Watched(Dnsdisco):
    """With the plug-in as its one provider."""

    instances = 2

    def command(self) -> list[str]:
        self.pythonpath = [str(plugin.install(self.folder))]
        config = self.folder / "dnsdisco.yaml"
        entry = {"type": "bench", "path": str(self.folder / "changes"), "services": self.services, "instances": self.instances}
        config.write_text(json.dumps({"providers": [entry]}))
        return [*self.serve(), "--config", str(config)]


def _queries(folder: Path) -> Path:
    return load.write(folder / "queries", (load.query(f"s{n}.svc.local", t) for n in range(1000) for t in (A, SRV)))


def _run(server: Dnsdisco, path: Path, seconds: float, rate: float = 0) -> Row:
    before = server.cpu_ns()
    told = load.run(server.address, server.port, path, seconds=seconds, rate=rate, cpu=None if server.cpu is None else 1)
    told["cpu_us"] = (server.cpu_ns() - before) / 1000 / max(told["received"], 1)
    return {key: told[key] for key in ("qps", "cpu_us", "p50_us", "p99_us", "p999_us", "lost")}


def _median(runs: list[Row]) -> Row:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


class _Busy:
    """Calls *work* over and over from a thread, each *every_s* or as soon after as it can."""

    def __init__(self, work: Callable[[], None], every_s: float) -> None:
        self.count = 0
        self._work, self._every_s = work, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)

    def _loop(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(due - time.monotonic(), 0)):
            due += self._every_s
            self._work()
            self.count += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _versions(path: Path) -> Iterator[None]:
    """Each step puts another version of the services file in its place, by rename: one service has another address."""
    versions = [path.with_suffix(f".{number}") for number in (1, 2)]
    text = path.read_text()
    for number, version in enumerate(versions, 1):
        version.write_text(text.replace('"10.0.0.1"', f'"10.99.0.{number}"', 1))
    new = path.with_suffix(".new")
    for version in cycle(versions):  # a link costs nothing beside what is measured
        new.hardlink_to(version)
        os.utime(new)
        new.rename(path)
        yield
