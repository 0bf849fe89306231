"""What a sick backend does to the answers: the matrix of docs/failures.md, against whole `dnsdisco serve`.

    python -m tests.whole.failures [consul] [kubernetes] [--only WORD] [--write]

Each failure: all known names are asked for, over and over, while the backend is well, while it fails, and until it is followed again.
Counted are names that were denied (NXDOMAIN) or not answered. The latency of a load of 5,000 questions a second (tests/bench/load.c, which needs
a C compiler) is taken in slices of half a second, by turns from this server and from another one with the same names, whose backend is a file and is
well: compared are the medians of their p99, so that what else the machine has to do is the same for both. `control` is the processor time of the control process while the backend fails. `followed` is the time from the
backend's return until something that changed meanwhile is answered; for a permission that is given back, and for "too many requests", the
next attempt comes within 10 s, else within 3 s.

Real servers (`eval "$(.ci/servers)"`) where they can be made to fail that way; the lying fakes for the rest. --write puts the table into the page.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol, Self

from tests.bench import load
from tests.whole.changes import Answer, Asker
from tests.whole.server import ROOT, Server

PAGE = ROOT / "docs" / "failures.md"
SERVICES = 20
PROBE = "probe"  # whose address changes, so that one sees whether the backend is followed
RATE = 5000.0
SLICE_S = 0.5
AFTER_S = 1.0  # for which the names are asked for when all is well again
FOLLOWED_S, FOLLOWED_DENIED_S = 3.0, 10.0
RATIO_MAX, CONTROL_MAX = 2.0, 0.05
STORM_CONTROL_MAX = 0.4  # of a backend that is well, and changes all the time
GIVEN_UP_S = 40.0


class Backend(Protocol):
    """A server with SERVICES services `svc-0`, … and PROBE. A context manager."""

    title: str
    provider: str  # the entry of `providers:`

    def __enter__(self) -> Any: ...
    def __exit__(self, *_: object) -> None: ...

    def move(self, address: str) -> None:
        """PROBE has that address from now on."""


@dataclass(frozen=True)
class Failure:
    """`begin()` makes the backend fail; `end()` returns when it is well again. `lasts_s`: at least so long."""

    title: str
    begin: Callable[[], object]
    end: Callable[[], object]
    lasts_s: float = 8.0
    followed_s: float = FOLLOWED_S
    control_max: float = CONTROL_MAX  # of one processor, while it fails


@dataclass
class Outcome:
    failure: Failure
    server: str
    answers: Counter[str]
    slices_us: tuple[
        list[float], list[float]
    ]  # p99 of each, of the server whose backend is well, and of the one whose backend fails
    control: float  # of one processor
    followed_s: float

    @property
    def ratio(self) -> float:
        well, failing = self.slices_us
        return statistics.median(failing) / statistics.median(well) if well and failing else 0.0

    @property
    def faults(self) -> list[str]:
        """What of the promises does not hold. Not the latency: that is for a quiet machine to judge."""
        return [
            *(f"{number} {what}" for what, number in self.answers.items() if what != "answered"),
            *([f"control at {self.control:.1%}"] if self.control > self.failure.control_max else []),
            *([f"followed after {self.followed_s:.1f} s"] if self.followed_s > self.failure.followed_s else []),
        ]

    def row(self) -> str:
        denied = self.answers["NXDOMAIN"]
        other = sum(self.answers.values()) - self.answers["answered"] - denied
        well, failing = [f"{statistics.median(each) / 1e3:.1f}" if each else "-" for each in self.slices_us]
        return (
            f"| {self.failure.title} | {self.server} | {denied} | {other} | {well} | {failing} | {self.control:.1%} | "
            f"{self.followed_s:.1f} s |"
        )


HEAD = "| failure | server | NXDOMAIN | not answered | p99 ms, well | p99 ms, failing | control | followed |\n|---|---|---|---|---|---|---|---|"


class Again:
    """Does something over and over, in a thread."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, act: Callable[[int], object], every_s: float) -> None:
        """*act* gets 0, 1, …"""
        self._over.clear()
        self._thread = threading.Thread(target=self._run, args=(act, every_s), daemon=True)
        self._thread.start()

    def end(self) -> None:
        assert self._thread is not None
        self._over.set()
        self._thread.join()

    def _run(self, act: Callable[[int], object], every_s: float) -> None:
        for at in count():
            if self._over.wait(every_s):
                return
            act(at)


class Names(AbstractContextManager["Names"]):
    """Asks for every known name in turn, a few hundred times a second, and counts what comes back."""

    def __init__(self, server: Server) -> None:
        self.answers: Counter[str] = Counter()
        self._asker = Asker(server)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._asker.close()

    def take(self) -> Counter[str]:
        taken, self.answers = self.answers, Counter()
        return taken

    def _run(self) -> None:
        for at in count():
            if self._stop.wait(0.003):
                return
            name = PROBE if at % 5 == 0 else f"svc-{at % SERVICES}"
            try:
                found: Answer = self._asker.ask(name)
            except TimeoutError:
                found = frozenset({"no answer"})
            is_answered = bool(found) and all(each[0].isdigit() for each in found)
            self.answers["answered" if is_answered else next(iter(found), "NODATA")] += 1


@dataclass
class Bench:
    """A whole server before one backend. `with_load`: whether latency is taken. *tell* gets each outcome when it is there."""

    backend: Backend
    folder: Path
    with_load: bool = True
    tell: Callable[[Outcome], None] = lambda _: None
    outcomes: list[Outcome] = field(default_factory=list)
    _moves: Iterator[int] = field(default_factory=lambda: count(1))

    def run(self, failures: list[Failure]) -> list[Outcome]:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "services.yaml").write_text(
            "".join(f"svc-{at}: {{address: 10.0.0.{at + 1}, port: 80}}\n" for at in range(SERVICES))
        )
        config = self.folder / "dnsdisco.yaml"
        config.write_text(f"providers: [{self.backend.provider}]\nforward: {{upstreams: []}}\n")
        queries = load.write(self.folder / "queries", (load.query(f"svc-{at}.svc.local", 1) for at in range(SERVICES)))
        common = ("--http", "off", "--state-dir", "off")
        with (
            Server("--services", "services.yaml", "--provider", "static", "--upstream", "none", *common, cwd=self.folder) as well,
            Server("--config", str(config), *common, cwd=self.folder) as server,
        ):
            asker = Asker(server)
            self._follow(asker, "the start")
            with Names(server) as names:
                for failure in failures:
                    self.outcomes.append(self._suffer(failure, server, well, asker, names, queries))
                    self.tell(self.outcomes[-1])
            asker.close()
            assert "Traceback" not in server.stderr, server.stderr
        return self.outcomes

    def _suffer(self, failure: Failure, server: Server, well: Server, asker: Asker, names: Names, queries: Path) -> Outcome:
        (control,) = server.children()["control"]
        names.take()
        cpu_s, began_at = cpu(control), time.monotonic()
        failure.begin()
        slices_us = self._slices([well, server], queries, began_at + failure.lasts_s)
        used = (cpu(control) - cpu_s) / (time.monotonic() - began_at)
        failure.end()
        followed_s = self._follow(asker, failure.title)
        time.sleep(AFTER_S)
        answers = names.take()
        assert server.children()["control"] == [control], "control has been restarted"
        return Outcome(failure, self.backend.title, answers, slices_us, used, followed_s)

    def _follow(self, asker: Asker, after: str) -> float:
        """Seconds until a change made now is answered."""
        address = f"10.200.0.{next(self._moves)}"
        began_at = time.monotonic()
        self.backend.move(address)
        while asker.ask(PROBE) != {address}:
            assert time.monotonic() - began_at < GIVEN_UP_S, f"{after}: not followed after {GIVEN_UP_S} s"
            time.sleep(0.005)
        return time.monotonic() - began_at

    def _slices(self, servers: list[Server], queries: Path, ends_at: float) -> tuple[list[float], list[float]]:
        """p99 of one slice after another, in microseconds, of each server by turns, until then."""
        slices: tuple[list[float], list[float]] = [], []
        while self.with_load and time.monotonic() < ends_at - SLICE_S / 2:
            for server, into in zip(servers, slices, strict=True):
                into.append(load.run(server.address, server.port, queries, seconds=SLICE_S, rate=RATE)["p99_us"])
        time.sleep(max(0.0, ends_at - time.monotonic()))
        return slices


def cpu(pid: int) -> float:
    """Seconds of processor time that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


Made = tuple[Callable[[Path], Backend], Callable[[Any], list[Failure]]]


def run(
    made: Made,
    folder: Path,
    only: str = "",
    *,
    with_load: bool = True,
    lasts_s: float | None = None,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """The failures of one backend whose titles match *only*, one after the other."""
    folder.mkdir(exist_ok=True)
    with made[0](folder) as backend:
        failures = [each for each in made[1](backend) if re.search(only, each.title)]
        if lasts_s is not None:
            failures = [replace(each, lasts_s=min(each.lasts_s, lasts_s)) for each in failures]
        return Bench(backend, folder / "server", with_load, tell).run(failures) if failures else []


def summary(outcomes: list[Outcome]) -> str:
    """One line for all."""
    ratios = sorted(each.ratio for each in outcomes)
    over = [each.failure.title for each in outcomes if each.ratio > RATIO_MAX]
    faults = [f"{each.failure.title}: {fault}" for each in outcomes for fault in each.faults]
    asked = sum(sum(each.answers.values()) for each in outcomes)
    text = f"{len(outcomes)} failures, {asked} questions for known names. p99 while failing to p99 while well: median {statistics.median(ratios):.2f}, "
    text += f"most {ratios[-1]:.2f}" + (f" (above {RATIO_MAX:g}: {', '.join(over)})" if over else "")
    return text + (f"\nbroken promises: {'; '.join(faults)}" if faults else "")


def main() -> int:
    from tests.whole import failing_consul, failing_kubernetes

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="*", metavar="consul|kubernetes")
    parser.add_argument("--only", default="", help="a pattern for the failures' names")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/failures.md")
    given = parser.parse_args()
    is_broken = False
    for name, all_made in (("Consul", failing_consul.BACKENDS), ("Kubernetes", failing_kubernetes.BACKENDS)):
        if given.backends and name.lower() not in given.backends:
            continue
        outcomes: list[Outcome] = []
        print(f"\n## {name}\n\n{HEAD}", flush=True)
        for made in all_made:
            if absent := made[0].missing():  # type: ignore[attr-defined]
                print(f"(not run: {absent} is not here)", file=sys.stderr)
                continue
            with tempfile.TemporaryDirectory() as folder:
                outcomes += run(made, Path(folder), given.only, tell=lambda outcome: print(outcome.row(), flush=True))
        if outcomes:
            print(f"\n{summary(outcomes)}")
            is_broken |= any(each.faults for each in outcomes)
            if given.write:
                write(name, outcomes)
    return int(is_broken)


def write(name: str, outcomes: list[Outcome]) -> None:
    table = "\n".join([HEAD, *(each.row() for each in outcomes), "", summary(outcomes)])
    text = re.sub(rf"(## {name}\n).*?(?=\n## |\Z)", lambda match: f"{match[1]}\n{table}\n", PAGE.read_text(), flags=re.DOTALL)
    PAGE.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
