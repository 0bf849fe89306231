"""One case: every server of it up at once, loaded in turn, ABAB; medians of what each run saw."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench import load
from tests.bench.cases import Case, ELSEWHERE
from tests.bench.forwarders import FORWARDERS, Upstream
from tests.bench.others import OTHERS
from tests.bench.peers import Dnsdisco, DnslibPerQuery, Peer


def _by_name(*kinds: type[Peer]) -> dict[str, type[Peer]]:
    return {kind.name: kind for kind in kinds}


PEERS = _by_name(Dnsdisco, DnslibPerQuery, *OTHERS)
FORWARDING = _by_name(Dnsdisco, *FORWARDERS)
TWO = (os.cpu_count() or 1) > 1  # processors: the server on one, the load on another

Row = dict[str, float]


def measure(case: Case, wanted: str, rounds: int, seconds: float) -> dict[str, Row]:
    """The medians of each server whose name has *wanted* in it, and of dnsdisco."""
    is_pinned = TWO and case.workers == 1
    runs: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(Upstream(folder, 1, 1 if TWO else None)) if case.forwards else None
        started: list[Peer] = []
        for label in case.peers:
            if wanted not in label and label != Dnsdisco.name:
                continue
            peer = (FORWARDING if case.forwards else PEERS)[label](folder, case.services, 0 if is_pinned else None)
            peer.workers = case.workers
            if upstream is not None:
                peer.upstream, peer.probe = (upstream.address, upstream.port), f"probe.{ELSEWHERE}"
            if reason := peer.available():
                _say(f"{label}: {reason}")
                continue
            started.append(stack.enter_context(peer))
            _say(f"{case.key}: {label} is up")
        paths = {peer: load.write(folder / "queries", case.queries(case.services, 0)) for peer in started}
        if case.returns_cookie:
            for number, peer in enumerate(started):
                queries = load.with_cookie(case.queries(case.services, 0), peer.address, peer.port)
                paths[peer] = load.write(folder / f"queries{number}", queries)
        for peer in started:
            _run(case, peer, paths[peer], case.warm_s, is_pinned=is_pinned)
        for number in range(1, rounds + 1):
            if case.fresh:
                load.write(folder / "queries", case.queries(case.services, number))
            for peer in started:
                row = _run(case, peer, paths[peer], seconds, is_pinned=is_pinned)
                runs.setdefault(peer.name, []).append(row)
                _say(f"{case.key} {number}/{rounds}: {peer.name} {row['qps']:,.0f} queries/s, {row['cpu_us']:.2f} us each")
    return {name: {key: statistics.median(run[key] for run in each) for key in each[0]} for name, each in runs.items()}


def _run(case: Case, peer: Peer, path: Path, seconds: float, *, is_pinned: bool) -> Row:
    cpu = 1 if is_pinned else None
    before = peer.cpu_ns()
    if case.transport == "tcp":
        told = load.run_tcp(peer.address, peer.port, path, seconds=seconds, cpu=cpu)
    else:
        told = load.run(peer.address, peer.port, path, seconds=seconds, cpu=cpu, window=case.window)
    spent = peer.cpu_ns() - before
    return {
        "qps": told["qps"],
        "cpu_us": spent / 1000 / max(told["received"], 1),
        **{key: told[key] for key in ("mean_us", "p50_us", "p99_us", "p999_us", "lost") if key in told},
        "rss_mib": peer.rss_kib() / 1024,
    }


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
