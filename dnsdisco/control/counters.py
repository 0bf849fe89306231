"""The counters of all workers, added up: totals that do not fall when a worker is started anew.

Every worker reports once a second all that it has counted since its start, with a number for this life. When the life is new,
the last figures of the one before are added to the past. The past outlives this process, too: it is handed over to the successor.
What a worker counted in the second before it was killed is lost. What it counted in a life that ended while control was away is lost.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dnsdisco.cache.statistics import CacheStatistics
from dnsdisco.control import upstreams
from dnsdisco.control.facts import UP, UpstreamView, WorkerView
from dnsdisco.forward.statistics import ForwardStatistics
from dnsdisco.model.delta import Message
from dnsdisco.server.statistics import (
    AdmissionStatistics,
    BacklogStatistics,
    CertificateStatistics,
    TRANSPORTS,
    UdpStatistics,
    WorkerStatistics,
)
from dnsdisco.wire.constants import RCODES, TYPES

SILENCE_S = 5.0  # a worker reports once a second; one that stands still is ended by the supervisor after less
NAMES_MAX = 4096  # of one worker: known types times rcodes are 1,500 at the very worst
OTHER = "other"
DECLARED = tuple(
    each
    for kind in (
        ForwardStatistics,
        CacheStatistics,
        WorkerStatistics,
        BacklogStatistics,
        UdpStatistics,
        CertificateStatistics,
        AdmissionStatistics,
    )
    for each in kind.declared()
)  # what a worker may count by a fixed name
LEVELS = frozenset(
    {each.name for each in DECLARED if each.is_level} | {f"{transport}.open" for transport in TRANSPORTS}
)  # they fall, too

_TYPE_NAMES = {str(number): name for name, number in TYPES.items()}
_RCODE_NAMES = {str(number): name for number, name in RCODES.items()}

Keep = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    number: int
    started: float | None  # unix time; None: not heard of yet
    serial: int  # of the catalog that it answers from; 0: none yet


@dataclass(frozen=True, slots=True)
class Totals:
    """The sum over all workers and their predecessors. Read-only."""

    counts: Mapping[str, int]  # by the names of server/worker.py `statistics()`; they never fall
    levels: Mapping[str, int]  # those of LEVELS, of the workers there are
    answers: Mapping[tuple[str, str], int]  # by the mnemonics of type and rcode; OTHER where there is none
    restarts: int
    workers: tuple[WorkerFigures, ...]


@dataclass(slots=True)
class _Seat:
    """A worker's place."""

    life: int | None = None  # when its worker started, in nanoseconds of unix time
    counts: dict[str, int] = field(default_factory=dict)
    pid: int | None = None
    heard_at: float = field(default_factory=time.monotonic)  # or when the seat was made: a worker that never reports is silent, too
    upstreams: object = None  # as reported


class Counters:
    """The loop's thread only."""

    def __init__(self, workers: int, kept: Mapping[str, Any], keep: Keep) -> None:
        """*kept*: what a process before this one gave to its *keep*; *keep* is called when a worker's life begins."""
        self._seats = [_Seat() for _ in range(workers)]
        self._keep = keep
        self._past: Counter[str] = Counter({str(name): int(count) for name, count in (kept.get("past") or {}).items()})
        self._restarts = int(kept.get("restarts") or 0)
        for seat, life in zip(self._seats, kept.get("lives") or (), strict=False):
            seat.life = life

    def take(self, worker: int, message: Message) -> None:
        """A `counters` message. One that makes no sense is passed over: no figure is worth a fault here."""
        seat, life, counters = self._seats[worker], message.get("life"), message.get("counters")
        if not isinstance(life, int) or not isinstance(counters, dict) or len(counters) > NAMES_MAX:
            return
        if not all(isinstance(count, int) and count >= 0 for count in counters.values()):
            return
        pid = message.get("pid")
        seat.pid, seat.heard_at, seat.upstreams = pid if isinstance(pid, int) else None, time.monotonic(), message.get("upstreams")
        is_new = life != seat.life
        if is_new:
            self._restarts += seat.life is not None
            self._past.update({name: count for name, count in seat.counts.items() if name not in LEVELS})
        seat.life, seat.counts = life, counters
        if is_new:
            self._keep({"past": dict(self._past), "restarts": self._restarts, "lives": [each.life for each in self._seats]})

    def workers(self, applied: Sequence[int], due: int = 0) -> tuple[WorkerView, ...]:
        """Each worker's figures; *applied* holds the serial that each one reported last, and *due* is the one that each should have by now."""
        now = time.monotonic()
        return tuple(
            _worker(number, seat, serial, due, now) for number, (seat, serial) in enumerate(zip(self._seats, applied, strict=True))
        )

    def upstreams(self) -> tuple[UpstreamView, ...]:
        return upstreams.together(seat.upstreams for seat in self._seats)

    def totals(self) -> Totals:
        """O(names of all workers)."""
        counts = Counter(self._past)
        levels: Counter[str] = Counter(dict.fromkeys(LEVELS, 0))
        for seat in self._seats:
            for name, count in seat.counts.items():
                (levels if name in LEVELS else counts)[name] += count
        answers: Counter[tuple[str, str]] = Counter()
        for name in [name for name in counts if name.startswith("answers.")]:
            _, _, kind = name.partition(".")
            rtype, _, rcode = kind.partition(".")
            answers[_TYPE_NAMES.get(rtype, OTHER), _RCODE_NAMES.get(rcode, OTHER)] += counts.pop(name)
        return Totals(
            counts, levels, answers, self._restarts, tuple(_figures(number, seat) for number, seat in enumerate(self._seats))
        )


def _figures(number: int, seat: _Seat) -> WorkerFigures:
    is_heard = bool(seat.counts)
    return WorkerFigures(number, seat.life / 1e9 if is_heard and seat.life is not None else None, seat.counts.get("serial", 0))


def _worker(number: int, seat: _Seat, serial: int, due: int, now: float) -> WorkerView:
    is_silent = now - seat.heard_at > SILENCE_S
    state = "starting" if not serial else "silent" if is_silent else "behind" if serial < due else UP
    queries = sum(count for name, count in seat.counts.items() if name.startswith("answers."))
    return WorkerView(number, seat.pid, state, serial, queries)
