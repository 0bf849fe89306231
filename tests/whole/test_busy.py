"""Other programs want every processor: the server starts all the same, and changes arrive; `python -m tests.whole.busy` is the long form."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from dnsdisco.priority import READY_NICENESS
from tests.whole.busy import run
from tests.whole.server import Server

READY_S = 30.0  # 3 s on two processors with nothing but the four loops; a control that gives way to everybody needs minutes
CHANGE_S = 0.5  # nine of ten; 40 ms there


def test_control_does_not_starve(tmp_path: Path) -> None:
    busy = run(tmp_path, services=1000, changes=20)
    assert busy.ready_s < READY_S
    assert busy.p(0.9) < CHANGE_S


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_control_is_nicer_once_it_is_ready_and_its_successor_is_too(tmp_path: Path) -> None:
    """A start is short, and what everybody waits for; what is parsed later may take longer, and no answer shall wait for it."""
    with Server("--upstream", "none", "--http", "off", "--state-dir", "off", cwd=tmp_path) as server:
        (first,) = server.children()["control"]
        assert _has_given_way(first)
        os.kill(first, signal.SIGKILL)
        until = time.monotonic() + 20
        while not any(_has_given_way(pid) for pid in server.children()["control"] if pid != first):
            assert time.monotonic() < until
            time.sleep(0.05)


def _has_given_way(control: int) -> bool:
    """Every thread of it, but for the one whose short turns let others in (control/turns.py)."""
    nicer = min(os.getpriority(os.PRIO_PROCESS, 0) + READY_NICENESS, 19)
    niceness = [os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{control}/task").iterdir()]
    return nicer in niceness and sum(each != nicer for each in niceness) <= 1
