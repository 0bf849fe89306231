"""`python -m tests.admin.flood [--services N] [--rounds N]`: what DNS clients feel while HTTP is flooded.

A paced load of DNS, first in peace, then under a flood from 64 connections that ask for the next page as soon as they have one. The
program that floods is of the lowest priority: what it costs the machine by itself is not to be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench import load
from tests.bench.cases import A, SRV
from tests.bench.peers import Dnsdisco

RATE = 20_000  # DNS queries a second
SECONDS = 4.0
CONNECTIONS = 64
PAGES = {
    "one service": b"/v1/services/s7",
    "an unknown service": b"/v1/services/nosuch",
    "metrics": b"/metrics",
    "all services": b"/v1/services",
    "refused": b"/nosuch",
}


class WithHttp(Dnsdisco):
    def command(self) -> list[str]:
        words = super().command()
        words[words.index("--http") + 1] = "127.0.0.1:0"
        return words

    @property
    def http(self) -> int:
        log = self.folder / f"{self.name}.log"
        while not (found := re.search(r"address=http://127\.0\.0\.1:(\d+)", log.read_text())):
            time.sleep(0.05)
        return int(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.admin.flood", description=__doc__)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one-processor", action="store_true", help="the whole server on one processor, load and flood on another")
    arguments = parser.parse_args()
    two = arguments.one_processor
    with tempfile.TemporaryDirectory() as name, WithHttp(Path(name), arguments.services, 0 if two else None) as server:
        folder = Path(name)
        queries = (load.query(f"s{n}.svc.local", t) for n in range(1000) for t in (A, SRV))
        path, port = load.write(folder / "queries", queries), server.http
        _dns(server, path, two=two)
        print(f"{'':<22}{'p50 us':>8}{'p99 us':>8}{'p99.9':>8}{'lost':>6}{'HTTP/s':>8}{'control CPU':>13}")
        rows: dict[str, list[dict[str, float]]] = {}
        for _ in range(arguments.rounds):
            for page in ("in peace", *PAGES):
                rows.setdefault(page, []).append(_round(server, path, port, PAGES.get(page), two=two))
        for page, row in rows.items():
            row_of = {
                key: statistics.median(each[key] for each in row) for key in ("p50_us", "p99_us", "p999_us", "lost", "pages", "cpu")
            }
            print(
                f"{page:<22}{row_of['p50_us']:>8.0f}{row_of['p99_us']:>8.0f}{row_of['p999_us']:>8.0f}{row_of['lost']:>6.0f}"
                f"{row_of['pages']:>8.0f}{row_of['cpu']:>13.0%}"
            )
    return 0


def _round(server: WithHttp, path: Path, port: int, page: bytes | None, *, two: bool) -> dict[str, float]:
    control = next(pid for pid in server.pids() if b"dnsdisco.control" in Path(f"/proc/{pid}/cmdline").read_bytes())
    flood = None
    if page is not None:
        words = [sys.executable, "-c", "from tests.admin import flood; flood.flood()", str(port), page.decode(), str(SECONDS + 2)]
        flood = subprocess.Popen(
            ["nice", "-n", "19", *(["taskset", "-c", "1"] if two else []), *words], stdout=subprocess.PIPE, text=True
        )
        time.sleep(1.0)
    before, began = _cpu_s(control), time.monotonic()
    row = _dns(server, path, two=two)
    row["cpu"] = (_cpu_s(control) - before) / (time.monotonic() - began)
    row["pages"] = 0.0
    if flood is not None:
        row["pages"] = json.loads(flood.communicate()[0])["a second"]
    return row


def _dns(server: WithHttp, path: Path, *, two: bool) -> dict[str, Any]:
    return load.run(server.address, server.port, path, seconds=SECONDS, rate=RATE, cpu=1 if two else None)


def _cpu_s(pid: int) -> float:
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def flood() -> None:
    """In a process of its own: as many pages as it can get for some seconds."""
    port, page, seconds = int(sys.argv[1]), sys.argv[2].encode(), float(sys.argv[3])
    counts: Counter[str] = Counter()
    until = time.monotonic() + seconds
    request = b"GET " + page + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def client() -> None:
        while time.monotonic() < until:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                while time.monotonic() < until:
                    writer.write(request)
                    head = await reader.readuntil(b"\r\n\r\n")
                    counts[head[9:12].decode()] += 1
                    if b"transfer-encoding: chunked" in head.lower():
                        while octets := int(await reader.readline(), 16):
                            await reader.readexactly(octets + 2)
                        await reader.readline()
                    elif length := re.search(rb"(?i)content-length: (\d+)", head):
                        await reader.readexactly(int(length[1]))
                writer.close()
            except (OSError, asyncio.IncompleteReadError):
                counts["broken"] += 1

    async def clients() -> None:
        await asyncio.gather(*(client() for _ in range(CONNECTIONS)))

    asyncio.run(clients())
    print(json.dumps({"a second": sum(counts.values()) / seconds, **counts}))


if __name__ == "__main__":
    sys.exit(main())
