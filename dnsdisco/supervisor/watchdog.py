"""Which child has stopped answering: it was stopped, is blocked, or is in an endless loop.

Each child's event loop reports twice a second that it runs, and how much processor time its process has had. A child that is silent
for too long is killed. There are two exceptions. When all processes stood still (a suspended machine, a frozen container, a
debugger of the supervisor), a tick of the supervisor comes late, and no child is killed. When a child waits for a busy processor, only
the processor time that it has had counts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dnsdisco.supervisor.child import Child

WORKER_S, CONTROL_S = 2.0, 5.0  # of silence: a client of a worker asks again after so long; control may be reading a large view
START_S = 15.0  # until a child is ready: Python and its modules may come from a slow disk, and control reads what was kept
TICK_S = 0.25
PAUSE_S = 0.5  # a tick that is later than this means that we stood still ourselves


class Watchdog:
    def __init__(self, children: Sequence[tuple[Child, float]], now: float) -> None:
        """*children*: each with the seconds that it may be silent."""
        self._children = children
        self._looked_at = now

    def look(self, now: float) -> list[tuple[Child, float]]:
        """The children that do not answer, with the seconds of their silence; call it every TICK_S."""
        late_s, self._looked_at = now - self._looked_at - TICK_S, now
        if late_s > PAUSE_S:
            for child, _ in self._children:
                child.heard_at = now
        return [
            (child, now - child.heard_at)
            for child, limit_s in self._children
            if child.pid and now - child.heard_at > limit_s and self._is_hung(child, limit_s, now)
        ]

    @staticmethod
    def _is_hung(child: Child, limit_s: float, now: float) -> bool:
        states = _states(child.pid)
        if "T" in states or "t" in states:
            return True
        if not child.is_ready:
            limit_s = START_S
        if "R" in states and _cpu_s(child.pid) - child.heard_cpu_s < limit_s:
            return False
        return now - child.heard_at > limit_s


def _states(pid: int) -> set[str]:
    """The states of all threads (proc_pid_stat(5)): R runs or waits for a processor, T is stopped. Empty if they cannot be seen."""
    states = set()
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                states.add((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return states


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("inf")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
