"""The thread that makes the kernel look who else wants the processor: often while control works, never while it does not."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dnsdisco.control import turns
from dnsdisco.control.turns import LOOKS
from dnsdisco.priority import Setter, TURNS

pytestmark = pytest.mark.slow

# A process as control is one: turns from the start, work in a thread of its own. Tells how often the thread woke up in each second.
RUN = """
import json, sys, threading, time
from pathlib import Path
from dnsdisco.control import turns
turns.start()
def woken():
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) != threading.main_thread().native_id and task.name in watched:
            return int([line for line in (task / "status").read_text().splitlines() if line.startswith("voluntary")][0].split()[1])
watched = {task.name for task in Path("/proc/self/task").iterdir()}
def work(until, how):
    while time.monotonic() < until:
        how()
def second(how):
    before = woken()
    thread = threading.Thread(target=work, args=(time.monotonic() + 1, how))
    thread.start()
    thread.join()
    return woken() - before
time.sleep(0.2)
text = json.dumps(list(range(200_000)))
told = {"idle": second(lambda: time.sleep(0.1)), "python": second(lambda: sum(range(100))), "c": second(lambda: json.loads(text))}
time.sleep(0.2)
told["idle again"] = second(lambda: time.sleep(0.1))
print(json.dumps(told))
"""


def can() -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if Setter(TURNS)() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not can(), reason="this system does not let a process choose the length of its turns")
def test_it_wakes_up_often_while_there_is_work_and_sleeps_while_there_is_none() -> None:
    told = json.loads(subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True, timeout=60).stdout)
    a_look_or_two = 3 * LOOKS  # for what the process used before
    assert max(told["idle"], told["idle again"]) <= a_look_or_two
    assert min(told["python"], told["c"]) > 2 * a_look_or_two  # some 2,000, where nobody else wants the processor


def test_where_turns_cannot_be_chosen_the_interpreter_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "an unknown one")
    before = sys.getswitchinterval()
    turns._run()
    assert sys.getswitchinterval() == before


def test_a_process_that_does_nothing_is_woken_by_nobody() -> None:
    code = "import time; from dnsdisco.control import turns; turns.start(); time.sleep(3)"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        time.sleep(1)

        def used() -> int:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        before = used()
        time.sleep(1)
        assert used() - before <= 1
        process.kill()
