"""`python -m tests.bench [--case TEXT] [--peer TEXT] [--rounds N] [--seconds S] [--json FILE]`: the servers in turn, ABAB, each case."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import load
from tests.bench.cases import Case, CASES
from tests.bench.others import OTHERS
from tests.bench.peers import Dnsdisco, DnslibPerQuery, Peer

PEERS: tuple[type[Peer], ...] = (Dnsdisco, DnslibPerQuery, *OTHERS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--case", default="", help="only cases whose name has this text")
    parser.add_argument("--peer", default="", help="only servers whose name has this text, and dnsdisco")
    parser.add_argument("--rounds", type=int, default=5, help="alternations; the median counts")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--json", type=Path, help="write the results here too")
    arguments = parser.parse_args()
    cases = [case for case in CASES if arguments.case in case.name]
    peers = [peer for peer in PEERS if arguments.peer in peer.name or peer is Dnsdisco]
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}; server on one, load on another")
    results: dict[str, Any] = {}
    for case in cases:
        results[case.name] = measure(case, peers, arguments.rounds, arguments.seconds)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def measure(case: Case, peers: list[type[Peer]], rounds: int, seconds: float) -> dict[str, Any]:
    """One case: every server up at once, loaded in turn."""
    two = (os.cpu_count() or 1) > 1
    runs: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    with tempfile.TemporaryDirectory() as folder:
        path = load.write(Path(folder) / "queries", case.queries(case.services))
        started: list[Peer] = []
        try:
            for kind in peers:
                peer = kind(Path(folder), case.services, 0 if two else None)
                if reason := peer.available():
                    print(f"{kind.name}: {reason}", file=sys.stderr)
                    continue
                started.append(peer.__enter__())
            for peer in started:
                _run(peer, path, 0.5)
            for _ in range(rounds):
                for peer in started:
                    runs[peer.name].append(_run(peer, path, seconds))
        finally:
            for peer in started:
                peer.__exit__()
    medians = {name: {key: statistics.median(run[key] for run in each) for key in each[0]} for name, each in runs.items() if each}
    _print(case.name, medians)
    return medians


def _run(peer: Peer, path: Path, seconds: float) -> dict[str, float]:
    before = peer.cpu_ns()
    told = load.run(peer.address, peer.port, path, seconds=seconds, cpu=1 if (os.cpu_count() or 1) > 1 else None)
    spent = peer.cpu_ns() - before
    return {
        "qps": told["qps"],
        "cpu_us": spent / 1000 / max(told["received"], 1),
        "p50_us": told["p50_us"],
        "p99_us": told["p99_us"],
        "p999_us": told["p999_us"],
        "lost": told["lost"],
        "rss_mib": peer.rss_kib() / 1024,
    }


def _print(case: str, medians: dict[str, dict[str, float]]) -> None:
    ours = medians[Dnsdisco.name]
    print(
        f"\n{case}\n{'':<18}{'qps':>10}{'CPU us/q':>10}{'p50 us':>9}{'p99 us':>9}{'lost':>6}{'MiB':>7}{'our qps / its':>15}{'our CPU / its':>15}"
    )
    for name, row in medians.items():
        print(
            f"{name:<18}{row['qps']:>10.0f}{row['cpu_us']:>10.2f}{row['p50_us']:>9.0f}{row['p99_us']:>9.0f}{row['lost']:>6.0f}"
            f"{row['rss_mib']:>7.0f}{ours['qps'] / row['qps']:>15.2f}{ours['cpu_us'] / row['cpu_us']:>15.2f}"
        )


if __name__ == "__main__":
    raise SystemExit(main())
