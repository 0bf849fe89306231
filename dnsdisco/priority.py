"""Who goes first where our processes share a processor: a worker with a query before control with a catalog to parse.

Linux lets in at once who wakes up with the earlier deadline, and that is who asks for the shorter turn (slice; Linux 6.12 and later let a
process say how long its turns shall be). Somebody who has just had more than his share waits until the others have had theirs, and then for the
next moment when the kernel looks. Niceness makes the first wait short: control becomes nicer once it is ready, by so much only that it gets what it
needs beside programs that want every processor. `control/turns.py` makes the second one short.
Figures and what else was tried: docs/adr/0043-control-is-nicer-once-it-is-ready.md.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Collection
from contextlib import suppress
from struct import Struct
from typing import Any, NamedTuple

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}  # the C library has no function for it
_SCHED_ATTR = Struct("=IIQiIQQQ")  # sched_setattr(2): size, policy, flags, nice, priority, runtime: the slice; deadline, period
_SCHED_OTHER = 0


class Priority(NamedTuple):
    """*niceness* is added to what the program was started with. *slice_ns*: of a turn, 100,000 to 100,000,000."""

    niceness: int
    slice_ns: int


WORKER = Priority(-5, 100_000)  # only root, or who has CAP_SYS_NICE, may ask for less than there was
CONTROL = Priority(0, 100_000_000)  # until it is ready
# That control adds then: it has a ninth of the weight of another program and of a worker's, and a 28th of a worker's that may be less nice.
READY_NICENESS = 10
TURNS = Priority(0, 100_000)  # of the one thread of control that wakes up so that the kernel looks who else is there


class Setter:
    """Made before a fork, for there is nothing to be loaded after it; called in the child, or in a thread. What the system does not
    have is left."""

    def __init__(self, priority: Priority) -> None:
        self._priority = priority
        self._number = _SCHED_SETATTR.get(platform.machine()) if sys.platform == "linux" else None
        self._syscall: Any = None
        if self._number is not None:
            with suppress(OSError, AttributeError):
                self._syscall = ctypes.CDLL(None).syscall

    def __call__(self) -> bool:
        """True if turns now have the length that was asked for, as far as the system reports it."""
        try:
            niceness = os.nice(self._priority.niceness)
        except OSError:
            niceness = os.nice(0)
        if self._syscall is None or os.sched_getscheduler(0) != _SCHED_OTHER:  # a person who chose another one knows better
            return False
        attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, _SCHED_OTHER, 0, niceness, 0, self._priority.slice_ns, 0, 0)
        return bool(self._syscall(self._number, 0, ctypes.c_char_p(attributes), 0) == 0)


def give_way(niceness: int, but: Collection[int] = ()) -> None:
    """Make every thread of this process nicer by so much, and those that they will start; not the threads *but*. Only a privilege takes it back."""
    with suppress(OSError):
        for thread in map(int, os.listdir("/proc/self/task")):  # noqa: PTH208  numbers, not paths
            if thread not in but:
                with suppress(OSError):  # it has ended
                    os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)
