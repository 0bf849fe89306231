"""Asks thousands of instances over and over, in an event loop in a thread of its own, and reports what has changed.

Each probe has its own rhythm: the first question comes at a random moment, the next ones after the interval less a random part, so that
questions never come in step, not even after a suspend. A bounded number is under way at a time; the others wait for their turn.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from dnsdisco.control.probing import ProbeClient
from dnsdisco.model.probe_target import Probe
from dnsdisco.model.service import Health

CONCURRENT_MAX = 256  # sockets at a time, a quarter of the usual limit; with 2 s time-outs, 128 dead instances a second
SPREAD_S = 0.005  # between the first questions to many new instances: 200 a second, up to one interval
JITTER = 0.1  # of the interval by which a question may come early: intervals of many drift apart
RESOLVERS = 4  # threads for host names; a resolver that hangs holds up others that wait for one, and no address
CLOSE_S = 1.0


class Flip(NamedTuple):
    """A change of health of the instance that *probe* asks. `number`: that of the want() it comes from."""

    probe: Probe
    number: int
    health: Health
    reason: str


@dataclass(slots=True)
class _ProbeState:
    number: int
    health: Health
    good: int = 0  # in a row
    bad: int = 0
    due_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None
    is_waiting: bool = False


class Prober:
    """Runs the checks in a thread of its own, which starts with the first want(). *report* and *warn* are called in that thread."""

    def __init__(
        self,
        report: Callable[[list[Flip]], None],
        warn: Callable[[str], None],
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._report, self._warn, self._uniform = report, warn, uniform
        self._states: dict[Probe, _ProbeState] = {}
        self._waiting: deque[Probe] = deque()
        self._under_way = 0
        self._is_late = self._is_ending = False
        self._flips: list[Flip] = []
        self._own_loop: asyncio.AbstractEventLoop | None = None  # made with the thread, for a constructor opens nothing
        self._resolving = ThreadPoolExecutor(RESOLVERS, "resolve-for-checks")
        self._asker = ProbeClient(self._resolving)
        self._thread = threading.Thread(target=self._run, name="checks", daemon=True)

    def want(self, number: int, add: Iterable[Probe], drop: Iterable[Probe]) -> None:
        """Begin to check *add*, and stop checking *drop*. From any thread. *number* is the caller's, which marks late results."""
        if self._own_loop is None:
            self._own_loop = asyncio.new_event_loop()
            self._thread.start()
        with suppress(RuntimeError):  # closed
            self._loop.call_soon_threadsafe(self._change, number, tuple(add), tuple(drop))

    def close(self) -> None:
        """End all checks; nothing is reported after it has returned. A host name that is being resolved is abandoned."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_S)
        self._resolving.shutdown(wait=False, cancel_futures=True)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        assert self._own_loop is not None
        return self._own_loop

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._is_ending = True
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the sockets that they let go of are closed in the next turn

    def _change(self, number: int, add: tuple[Probe, ...], drop: tuple[Probe, ...]) -> None:
        for probe in drop:
            state = self._states.pop(probe, None)
            if state is not None and state.timer is not None:
                state.timer.cancel()
            if state is not None and state.task is not None:
                state.task.cancel()
        for probe in add:
            if probe not in self._states:
                state = self._states[probe] = _ProbeState(number, probe.initial)
                self._plan(probe, state, self._loop.time() + self._uniform(0.0, min(probe.interval_s, SPREAD_S * len(add))))

    def _plan(self, probe: Probe, state: _ProbeState, at: float) -> None:
        state.due_at = at
        state.timer = self._loop.call_at(at, self._due, probe, state)

    def _due(self, probe: Probe, state: _ProbeState) -> None:
        state.timer = None
        if self._is_ending:
            return
        if self._under_way < CONCURRENT_MAX:
            self._start(probe, state)
        else:
            state.is_waiting = True
            self._waiting.append(probe)

    def _start(self, probe: Probe, state: _ProbeState) -> None:
        self._under_way += 1
        late_s = self._loop.time() - state.due_at
        if late_s > probe.interval_s and not self._is_late:
            self._is_late = True
            self._warn(f"health checks are late: {len(self._states)} instances are more than can be asked in time")
        state.task = self._loop.create_task(self._ask(probe, state))
        state.task.add_done_callback(partial(self._asked, probe, state, self._loop.time()))

    async def _ask(self, probe: Probe, state: _ProbeState) -> None:
        self._take(probe, state, await self._asker.ask(probe))

    def _asked(self, probe: Probe, state: _ProbeState, started_at: float, _task: asyncio.Task[None]) -> None:
        """However it ended: one that is cancelled before its first step has run nothing of its own."""
        state.task = None
        self._under_way -= 1
        if self._states.get(probe) is state and not self._is_ending:
            wait_s = self._uniform(probe.interval_s * (1 - JITTER), probe.interval_s)
            self._plan(probe, state, max(started_at + wait_s, self._loop.time()))
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and not self._is_ending:
            probe = self._waiting.popleft()
            state = self._states.get(probe)
            if state is not None and state.is_waiting:  # else it has been dropped meanwhile
                state.is_waiting = False
                self._start(probe, state)
                return
        self._is_late = False

    def _take(self, probe: Probe, state: _ProbeState, reason: str) -> None:
        if reason:
            state.bad, state.good = state.bad + 1, 0
            health = Health.CRITICAL if state.bad >= probe.fall else state.health
        else:
            state.good, state.bad = state.good + 1, 0
            health = Health.PASSING if state.good >= probe.rise else state.health
        if health is not state.health and self._states.get(probe) is state:
            state.health = health
            if not self._flips:
                self._loop.call_soon(self._report_flips)
            self._flips.append(Flip(probe, state.number, health, reason))

    def _report_flips(self) -> None:
        flips, self._flips = self._flips, []
        self._report(flips)
