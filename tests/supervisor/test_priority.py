"""Who goes first where our processes share a processor, as the system tells it of living ones."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsdisco.priority import CONTROL, Priority, Setter, WORKER
from tests.supervisor.harness import ask, Running

SCHED_GETATTR = {"x86_64": 315, "aarch64": 275, "riscv64": 275}
ATTRIBUTES = struct.Struct("=IIQiIQQQ")


@pytest.fixture
def running() -> Iterator[Running]:
    run = Running()
    run.ready()
    yield run
    run.close()


def slice_ns(pid: int) -> int:
    """Of the turns of a process; 0 where the system does not tell it (Linux before 6.12)."""
    room = ctypes.create_string_buffer(ATTRIBUTES.size)
    number = SCHED_GETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None or ctypes.CDLL(None).syscall(number, pid, room, len(room), 0):
        return 0
    return int(ATTRIBUTES.unpack(room.raw)[5])


def may_be_less_nice() -> bool:
    """Whether who runs this is allowed to; asked of the system by a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            os.nice(WORKER.niceness)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def control_of(running: Running, worker: int) -> int:
    family = running.popen.pid
    children = map(int, Path(f"/proc/{family}/task/{family}/children").read_text().split())
    return next(pid for pid in children if pid != worker)


def test_control_is_started_no_nicer_than_others_and_a_worker_less_so_where_it_may(running: Running) -> None:
    worker = ask(running.ready())["pid"]
    control = control_of(running, worker)
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker) == (max(ours + WORKER.niceness, -20) if may_be_less_nice() else ours)
    assert os.getpriority(os.PRIO_PROCESS, control) == ours
    assert os.getpriority(os.PRIO_PROCESS, running.popen.pid) == ours
    if not slice_ns(0):
        pytest.skip("this system does not let a process choose the length of its turns")
    assert (slice_ns(worker), slice_ns(control)) == (WORKER.slice_ns, CONTROL.slice_ns)


def test_a_policy_that_a_person_chose_stays() -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            Setter(Priority(3, 100_000))()
            code = 0 if os.sched_getscheduler(0) == os.SCHED_BATCH else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_not_allowed_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nice(more: int) -> int:
        asked.append(more)
        if more < 0:
            raise PermissionError
        return more

    monkeypatch.setattr(os, "nice", nice)
    monkeypatch.setattr(platform, "machine", lambda: "an unknown one")
    Setter(WORKER)()
    assert asked == [WORKER.niceness, 0]


@pytest.mark.parametrize("machine", ["x86_64", "an unknown one"])
def test_no_system_call_no_harm(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(ctypes, "CDLL", _without_functions)
    Setter(Priority(0, 100_000))()


def _without_functions(_name: object) -> object:
    return object()


# A process as control is one: a thread that takes turns, others that work, and one that is started when it has given way.
GIVE_WAY = """
import os, threading
from dnsdisco.priority import give_way
end = threading.Event()
threads = [threading.Thread(target=end.wait) for _ in range(3)]
for thread in threads:
    thread.start()
give_way(4, but=(threads[0].native_id,))
give_way(3, but=(threads[0].native_id,))
threads.append(threading.Thread(target=end.wait))
threads[-1].start()
print(*(os.getpriority(os.PRIO_PROCESS, number) for number in (threading.main_thread().native_id, *(thread.native_id for thread in threads))))
end.set()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_every_thread_gives_way_but_the_one_that_is_named() -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    told = subprocess.run([sys.executable, "-c", GIVE_WAY], capture_output=True, text=True, check=True, timeout=60).stdout
    nicer = min(ours + 7, 19)
    assert list(map(int, told.split())) == [nicer, ours, nicer, nicer, nicer]
