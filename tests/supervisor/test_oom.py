"""Whom the kernel ends first when there is no memory, and what the service manager's watchdog hears."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dnsdisco.supervisor.family import CONTROL_OOM, WORKER_OOM
from tests.supervisor.harness import ask, Running


def score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.parametrize("ours", [0, 500])
def test_control_goes_before_a_worker_and_a_worker_before_the_supervisor(ours: int) -> None:
    before = score(os.getpid())
    if before > ours:
        pytest.skip("only root may take back what this process was given")
    run = Running(wrap=lambda: Path("/proc/self/oom_score_adj").write_text(str(ours)))  # type: ignore[arg-type,return-value]
    try:
        address = run.ready()
        worker, control = ask(address)["pid"], ask(address, "control")["pid"]
        assert score(run.popen.pid) == ours
        assert score(worker) == min(ours + WORKER_OOM, 1000)
        assert score(control) == min(ours + CONTROL_OOM, 1000)
        assert score(run.popen.pid) < score(worker) < score(control)
    finally:
        run.close()


@pytest.mark.slow
def test_systemd_s_watchdog_hears_that_the_supervisor_s_loop_goes_round(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        run = Running(environ={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"})
        try:
            heard = [manager.recv(4096) for _ in range(4)]
            assert heard.count(b"WATCHDOG=1") >= 3
        finally:
            run.close()
