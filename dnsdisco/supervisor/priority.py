"""Who goes first where our processes share a processor: a worker with a query before control with a catalog to parse.

Niceness alone is half of it. A process that wakes up is let in at once only while it has had less than its share, and otherwise at the
next tick, up to 4 ms later; with the others as nice as they can be, its share is nearly all there is. And a process that runs may
finish its turn (slice) unless the other asks for a shorter one: Linux 6.12 and later let a process say how long its turns shall be.
Figures and what else was tried: docs/adr/0025-who-goes-first.md.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import suppress
from struct import Struct
from typing import Any, NamedTuple

NICENESS_MAX = 19
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}  # the C library has no function for it
_SCHED_ATTR = Struct("=IIQiIQQQ")  # sched_setattr(2): size, policy, flags, nice, priority, runtime: the slice; deadline, period
_SCHED_OTHER = 0


class Priority(NamedTuple):
    """*niceness* is added to what the program was started with. *slice_ns*: of a turn, 100,000 to 100,000,000."""

    niceness: int
    slice_ns: int


WORKER = Priority(-5, 100_000)  # only root, or who has CAP_SYS_NICE, may ask for less than there was
CONTROL = Priority(NICENESS_MAX, 100_000_000)


class Setter:
    """Made before a fork, for there is nothing to be loaded after it; called in the child. What the system does not have is left."""

    def __init__(self, priority: Priority) -> None:
        self._priority = priority
        self._number = _SCHED_SETATTR.get(platform.machine()) if sys.platform == "linux" else None
        self._syscall: Any = None
        if self._number is not None:
            with suppress(OSError, AttributeError):
                self._syscall = ctypes.CDLL(None).syscall

    def __call__(self) -> None:
        try:
            niceness = os.nice(self._priority.niceness)
        except OSError:
            niceness = os.nice(0)
        if self._syscall is not None and os.sched_getscheduler(0) == _SCHED_OTHER:  # a person who chose another one knows better
            attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, _SCHED_OTHER, 0, niceness, 0, self._priority.slice_ns, 0, 0)
            self._syscall(self._number, 0, ctypes.c_char_p(attributes), 0)
