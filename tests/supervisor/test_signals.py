"""No signal that another DNS server knows ends this one, or a child of it; two of them ask for statistics and a reload."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.harness import ask, is_alive, Running, until

HARMLESS = [
    "SIGUSR1",
    "SIGUSR2",
    "SIGALRM",
    "SIGVTALRM",
    "SIGPROF",
    "SIGIO",
    "SIGPWR",
    "SIGTTIN",
    "SIGTTOU",
    "SIGPIPE",
    "SIGWINCH",
    "SIGHUP",
]
NUMBERS = [*(getattr(signal, name) for name in HARMLESS if hasattr(signal, name)), *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)]


@pytest.fixture
def run() -> Iterator[Running]:
    running = Running()
    yield running
    running.close()


def test_they_end_neither_the_supervisor_nor_a_child(run: Running) -> None:
    address = run.ready()
    family = [run.popen.pid, ask(address)["pid"], ask(address, "control")["pid"]]
    for number in NUMBERS:
        for pid in family:
            os.kill(pid, number)
    time.sleep(0.2)
    assert all(map(is_alive, family))
    assert ask(address)["pid"] == family[1]
    assert ask(address, "control")["pid"] == family[2]
    assert not any("ended" in line for line in run.lines)


def test_a_child_has_them_ignored_from_its_very_first_instruction(run: Running) -> None:
    """Also one that catches none of them itself, and one that Python is still being loaded into."""
    worker = ask(run.ready())["pid"]
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines() if ":\t" in line)
    ignored = int(status["SigIgn"], 16)
    assert all(ignored >> (number - 1) & 1 for number in NUMBERS if number != signal.SIGWINCH)


def test_sigusr1_logs_statistics(run: Running) -> None:
    run.ready()
    run.popen.send_signal(signal.SIGUSR1)
    for process in ('"worker 0"', "control"):
        run.line(f"level=info event=statistics process={process} pid=\\d+ state=ready restarts=0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_those_that_end_it_do_so_in_order_also_twice(run: Running, number: signal.Signals) -> None:
    worker = ask(run.ready())["pid"]
    run.popen.send_signal(number)
    assert run.end(number)[0] == 0
    until(lambda: not is_alive(worker))
