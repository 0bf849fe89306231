"""`python -m tests.bench.storm`: what DNS clients feel while the control process has its hands full.

A paced load on 1,000 names, first in peace, then while 10,000 services are parsed again and again, then while 500 services change
each second; and how long a change of the services file takes to be in the answers.
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.bench import load
from tests.bench.cases import A, SRV
from tests.bench.peers import Dnsdisco

SERVICES = 10_000
RATE = 20_000  # queries a second: a tenth of what one worker can answer
SECONDS = 5.0
ROUNDS = 3
CHANGES_S = 500


class Small(Dnsdisco):
    """Of 1,000 services, for the storm of changes."""


def main() -> int:
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, Dnsdisco(Path(folder), SERVICES, None) as server:
        path = load.write(Path(folder) / "queries", (load.query(f"s{n}.svc.local", t) for n in range(1000) for t in (A, SRV)))
        _run(server, path, 1.0)
        idle, parsing = [], []
        for _ in range(ROUNDS):
            idle.append(_run(server, path, SECONDS))
            with _Busy(lambda: _rewrite(Path(folder) / "services.json", touched=1)) as busy:
                parsing.append(_run(server, path, SECONDS))
            print(f"  {busy.count} times parsed anew", file=sys.stderr)
        results["in peace"] = _median(idle)
        results[f"while {SERVICES} services are parsed"] = _median(parsing)
        print(f"a change in {SERVICES} services is answered after: {_latencies(server, Path(folder) / 'services.json')}")
    with tempfile.TemporaryDirectory() as folder, Small(Path(folder), 1000, None) as server:
        path = load.write(Path(folder) / "queries", (load.query(f"s{n}.svc.local", t) for n in range(1000) for t in (A, SRV)))
        _run(server, path, 1.0)
        calm, stormy = [], []
        for _ in range(ROUNDS):
            calm.append(_run(server, path, SECONDS, rate=0))
            with _Busy(lambda: _rewrite(Path(folder) / "services.json", touched=CHANGES_S // 10), every_s=0.1):
                stormy.append(_run(server, path, SECONDS, rate=0))
        results["saturated, in peace"] = _median(calm)
        results[f"saturated, {CHANGES_S} changes/s"] = _median(stormy)
        print(f"a change in 1000 services is answered after: {_latencies(server, Path(folder) / 'services.json')}")
    print(f"\n{'':<36}{'qps':>9}{'p50 us':>9}{'p99 us':>9}{'p99.9 us':>10}{'lost':>6}")
    for name, row in results.items():
        print(f"{name:<36}{row['qps']:>9.0f}{row['p50_us']:>9.0f}{row['p99_us']:>9.0f}{row['p999_us']:>10.0f}{row['lost']:>6.0f}")
    return 0


def _run(server: Dnsdisco, path: Path, seconds: float, rate: float = RATE) -> dict[str, Any]:
    return load.run(server.address, server.port, path, seconds=seconds, rate=rate)


def _median(runs: list[dict[str, Any]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in ("qps", "p50_us", "p99_us", "p999_us", "lost")}


class _Busy:
    """Calls *work* over and over from a thread, at most each *every_s*."""

    def __init__(self, work: Callable[[], None], every_s: float = 0.3) -> None:
        self.count = 0
        self._work, self._every_s = work, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)

    def _loop(self) -> None:
        while not self._stop.wait(self._every_s):
            self._work()
            self.count += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


_version = 0


def _rewrite(path: Path, touched: int) -> None:
    """The services file with *touched* of its services at another address, replaced by rename. By lines: it is large."""
    global _version  # noqa: PLW0603  one file at a time
    _version += 1
    lines = path.read_text().splitlines()
    for n in range(touched):
        at = (_version * touched + n) % 1000
        data = json.loads("{" + _inner(lines[at]) + "}")
        data[f"s{at}"]["instances"][0]["address"] = f"10.99.{_version % 250}.{at % 250 + 1}"
        lines[at] = ("{" if at == 0 else "") + json.dumps(data)[1:-1] + ("}" if at == len(lines) - 1 else ",")
    new = path.with_suffix(".new")
    new.write_text("\n".join(lines))
    new.rename(path)


def _inner(line: str) -> str:
    """The one member of the JSON object that *line* is a part of."""
    return line.removeprefix("{").removesuffix(",") if line.endswith(",") else line[:-1].removeprefix("{")


def _latencies(server: Dnsdisco, path: Path, times: int = 20) -> str:
    """Milliseconds from the rename of the file to the first answer with the new address."""
    taken = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect((server.address, server.port))
        for _ in range(times):
            _rewrite(path, touched=1)
            start = time.monotonic()
            wanted = bytes((10, 99, _version % 250, _version % 1000 % 250 + 1))
            question = load.query(f"s{_version % 1000}.svc.local", A)
            while True:
                sock.send(question)
                if wanted in sock.recv(4096):
                    break
                time.sleep(0.001)
            taken.append((time.monotonic() - start) * 1000)
            time.sleep(0.15)
    taken.sort()
    return f"median {taken[len(taken) // 2]:.0f} ms, worst of {times}: {taken[-1]:.0f} ms"


if __name__ == "__main__":
    raise SystemExit(main())
