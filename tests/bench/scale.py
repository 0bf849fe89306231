"""What size costs: a start with many services, the memory of a worker, one change among many; and what a start of each program costs."""

from __future__ import annotations

import compileall
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.peers import Dnsdisco, ROOT, schedstat
from tests.bench.storm import watched

CHANGES = 200
CHANGE_EVERY_S = 0.03  # longer than control waits for more before it publishes: each change goes alone
SERVICES, INSTANCES = 10_000, 10

Row = dict[str, float]


def one_change(rounds: int) -> dict[str, Row]:
    """Processor milliseconds of control and of the worker for one change of one service of two instances."""
    sizes = (10, 1_000, 10_000)
    seen: dict[int, list[Row]] = {size: [] for size in sizes}
    for number in range(1, rounds + 1):
        for size in sizes:
            seen[size].append(_one_change(size))
            _say(f"one change {number}/{rounds}: {size:,} services, control {seen[size][-1]['control_ms']:.2f} ms")
    return {
        f"{size:,} services": {key: statistics.median(row[key] for row in rows) for key in rows[0]} for size, rows in seen.items()
    }


def _one_change(services: int) -> Row:
    with watched(services) as (server, change):
        time.sleep(1.0)
        parts = _parts(server)
        idle, _ = _spent(parts, lambda: time.sleep(3.0))

        def changes() -> None:
            for number in range(CHANGES):
                change(number % services, number + 1)
                time.sleep(CHANGE_EVERY_S)

        busy, took_s = _spent(parts, changes)
    return {f"{name}_ms": (busy[name] - idle[name] * took_s / 3.0) / CHANGES / 1e6 for name in parts}


def start(rounds: int) -> dict[str, Row]:
    """Seconds from the start of the program to the answer for the last service, and what a worker keeps for each instance."""
    seen: dict[int, list[Row]] = {1: [], SERVICES: []}
    for number in range(1, rounds + 1):
        for services, each in seen.items():
            with tempfile.TemporaryDirectory() as folder:
                server = Many(Path(folder), services, None)
                began = time.monotonic()
                with server:
                    ready_s = time.monotonic() - began
                    cpu_s = server.cpu_ns() / 1e9
                    time.sleep(1.0)
                    rss = {name: _rss_kib(pid) / 1024 for name, pid in _parts(server).items()}
            each.append({"ready_s": ready_s, "ready_cpu_s": cpu_s, "worker_mib": rss["worker"], "control_mib": rss["control"]})
            _say(f"start {number}/{rounds}: {services:,} services, {ready_s:.2f} s, worker {rss['worker']:.0f} MiB")
    rows = {services: {key: statistics.median(row[key] for row in each) for key in each[0]} for services, each in seen.items()}
    more_kib = (rows[SERVICES]["worker_mib"] - rows[1]["worker_mib"]) * 1024
    rows[SERVICES]["worker_kib_an_instance"] = more_kib / (SERVICES * INSTANCES)
    return {f"{services:,} services of {INSTANCES} instances": row for services, row in rows.items()}


def imports(rounds: int) -> dict[str, Row]:
    """Milliseconds: what `-X importtime` says of each program's imports, and a whole start of it, on the clock and of processor time: the least
    of all rounds, for what else the machine does can only add. With bytecode files, as installed: pip makes them."""
    rows: dict[str, list[Row]] = {}
    compileall.compile_dir(ROOT / "dnsdisco", quiet=1)
    with tempfile.TemporaryDirectory() as folder, Dnsdisco(Path(folder), 10, None) as server:
        question = [sys.executable, "-m", "dnsdisco.cli", "query", "s1.svc.local", "--server", f"{server.address}:{server.port}"]
        for _ in range(rounds):
            for name, module in (("worker", "dnsdisco.server.run"), ("dnsdisco query", "dnsdisco.cli.query")):
                used = _timed([sys.executable, "-c", f"import {module}"])
                rows.setdefault(f"{name}: imports", []).append({"importtime_ms": _import_ms(module), **used})
            rows.setdefault("dnsdisco query: all of it", []).append(_timed(question))
            rows.setdefault("python -c pass", []).append(_timed([sys.executable, "-c", "pass"]))
    return {name: {key: min(row[key] for row in each) for key in each[0]} for name, each in rows.items()}


class Many(Dnsdisco):
    """SERVICES of INSTANCES each in a services file."""

    def command(self) -> list[str]:
        path = self.folder / "services.json"
        rows = (
            f'"s{n}": {{"instances": ['
            + ", ".join(
                f'{{"id": "i{at}", "address": "10.{at}.{n // 250 % 250}.{n % 250 + 1}", "port": 80, "tags": ["v{at % 3}"]}}'
                for at in range(INSTANCES)
            )
            + "]}"
            for n in range(self.services)
        )
        path.write_text("{" + ",\n".join(rows) + "}")
        return [*self.serve(), "--services", str(path)]


def _parts(server: Dnsdisco) -> dict[str, int]:
    """The processes of a server by what they are."""
    found = {}
    for pid in server.pids():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        for name, module in (("control", b"dnsdisco.control"), ("worker", b"dnsdisco.server")):
            if module in words:
                found[name] = pid
    return found


def _spent(parts: dict[str, int], work: Callable[[], None]) -> tuple[dict[str, float], float]:
    """Nanoseconds of processor time that each part takes while *work* runs, and the seconds that it runs."""
    began, before = time.monotonic(), {name: schedstat(pid) for name, pid in parts.items()}
    work()
    return {name: schedstat(pid) - before[name] for name, pid in parts.items()}, time.monotonic() - began


def _rss_kib(pid: int) -> int:
    return int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")).split()[1])


def _import_ms(module: str) -> float:
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    tops = (re.match(rf"import time:\s+\d+ \|\s+(\d+) \| {re.escape(module)}$", line) for line in done.stderr.splitlines())
    return sum(int(found[1]) for found in tops if found) / 1000


def _timed(command: list[str]) -> Row:
    before, began = os.times(), time.monotonic()
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall_ms": (time.monotonic() - began) * 1000, "cpu_ms": spent * 1000}


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
