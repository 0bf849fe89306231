"""Who does not answer is killed; who cannot help it is not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dnsdisco.supervisor import watchdog
from dnsdisco.supervisor.watchdog import CONTROL_S, PAUSE_S, START_S, TICK_S, Watchdog, WORKER_S
from tests.supervisor.harness import ask, is_alive, Running, until

pytestmark = pytest.mark.slow


class Child:
    """As much of one as the watchdog looks at."""

    def __init__(self) -> None:
        self.pid, self.is_ready, self.heard_at, self.heard_cpu_s = 7, True, 0.0, 0.0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What /proc shows of it."""
    shown: dict[str, Any] = {"states": {"S"}, "cpu_s": 0.0}
    monkeypatch.setattr(watchdog, "_states", lambda _pid: shown["states"])
    monkeypatch.setattr(watchdog, "_cpu_s", lambda _pid: shown["cpu_s"])
    return shown


def silent_until(child: Child, seconds: float, begin: float = 0.0) -> float:
    """When a watchdog that looks regularly finds that it does not answer; infinity: not within so long."""
    dog = Watchdog([(child, WORKER_S)], begin)  # type: ignore[list-item]
    now = begin
    while now < begin + seconds:
        now += TICK_S
        if dog.look(now):
            return now
    return float("inf")


@pytest.mark.parametrize("state", ["S", "D", "T", "t"])
def test_one_that_sleeps_is_blocked_or_stopped(seen: dict[str, Any], state: str) -> None:
    seen["states"] = {state}
    assert WORKER_S < silent_until(Child(), 60) <= WORKER_S + TICK_S


def test_one_in_a_loop_has_its_time_and_one_that_waits_for_a_processor_only_its_own(seen: dict[str, Any]) -> None:
    seen.update(states={"R", "S"}, cpu_s=0.3)  # in ten seconds, where others take the processors
    assert silent_until(Child(), 10) == float("inf")
    seen["cpu_s"] = WORKER_S
    assert silent_until(Child(), 10) <= WORKER_S + TICK_S


def test_one_that_starts_has_longer_but_not_when_it_is_stopped(seen: dict[str, Any]) -> None:
    child = Child()
    child.is_ready = False
    assert START_S < silent_until(child, 60) <= START_S + TICK_S
    seen["states"] = {"S", "T"}
    assert silent_until(child, 60) <= WORKER_S + TICK_S


@pytest.mark.parametrize("pause_s", [TICK_S + PAUSE_S + 0.01, 30.0, 86400.0])
def test_after_a_pause_of_all_everybody_has_his_whole_time_anew(seen: dict[str, Any], pause_s: float) -> None:
    child = Child()
    dog = Watchdog([(child, WORKER_S)], 0.0)  # type: ignore[list-item]
    assert not dog.look(pause_s)
    assert child.heard_at == pause_s
    now = pause_s
    while now + TICK_S <= pause_s + WORKER_S:
        now += TICK_S
        assert not dog.look(now)
    assert dog.look(now + TICK_S)


# --------------------------------------------------------------------------------------------------------- as processes


@pytest.fixture
def run() -> Iterator[Running]:
    running = Running(workers=2)
    yield running
    running.close()


def test_a_stopped_worker_is_killed_and_replaced(run: Running) -> None:
    address = run.ready()
    stopped = ask(address)["pid"]
    os.kill(stopped, signal.SIGSTOP)
    began = time.monotonic()
    run.line(f'level=error event="worker . does not answer: it is killed" pid={stopped} silent_s=2')
    assert time.monotonic() - began >= WORKER_S - 0.5 - TICK_S
    until(lambda: not is_alive(stopped))
    assert {ask(address)["worker"] for _ in range(40)} == {0, 1}


def test_a_worker_in_a_loop_is_killed_and_replaced(run: Running) -> None:
    address = run.ready()
    with pytest.raises(TimeoutError):
        ask(address, "spin", 0.2)
    run.line("worker . does not answer: it is killed", 30)
    run.line("worker . ended: SIGKILL; it is started again now")
    until(lambda: {ask(address)["worker"] for _ in range(40)} == {0, 1})


def test_a_stopped_control_is_killed_and_replaced(run: Running) -> None:
    address = run.ready()
    stopped = ask(address, "control")["pid"]
    os.kill(stopped, signal.SIGSTOP)
    run.line(f'level=error event="control does not answer: it is killed" pid={stopped} silent_s={CONTROL_S:.0f}', 20)
    assert until(lambda: ask(address, "control"))["pid"] != stopped


def test_a_pause_of_all_kills_nobody(run: Running) -> None:
    address = run.ready()
    family = [ask(address)["pid"], ask(address, "control")["pid"]]
    for pid in (run.popen.pid, *family):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(WORKER_S + 1)
    for pid in (run.popen.pid, *family):
        os.kill(pid, signal.SIGCONT)
    time.sleep(1)
    assert all(map(is_alive, family))
    assert not any("does not answer" in line for line in run.lines)


def test_a_child_that_never_says_that_it_is_alive_is_not_left_alone() -> None:
    run = Running(worker="silent")
    try:
        run.ready()
        run.line("worker 0 does not answer: it is killed")
    finally:
        run.close()
