"""While control uses a processor, it makes the kernel look every 0.2 ms which other process wants it.

A worker that wakes up has the shorter turn and is let in at once, unless it has just had more than its share; then it waits, with more and
more queries behind it, until the kernel looks again: at the next tick, 4 ms later. A thread that wakes up is such a moment. This one
wakes up while the others work, at their cost of some 2 % more time, and sleeps for good while they do not (priority.py).
"""

from __future__ import annotations

import signal
import sys
import threading
import time

from dnsdisco.priority import Setter, TURNS

TURN_S = 0.0002  # a worker that must wait does so no longer
BUSY_S = 0.004  # of processor time that passes unnoticed: the kernel counts it by ticks
LOOKS = 25  # turns between two looks whether anybody works
SWITCH_S = 0.005  # the interpreter's own
BUSY_SHARE = 0.25  # of a processor: less than that is no reason to wake up so often


def start() -> int:
    """Before the first thread: SIGPROF is blocked in all of them, for this one waits for it. Returns the number that the kernel has for it."""
    if not hasattr(signal, "sigwait") or not hasattr(signal, "setitimer"):
        return 0
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    # Who waits for the interpreter wakes up after so long to ask for it, also while C code holds it.
    sys.setswitchinterval(TURN_S)
    thread = threading.Thread(target=_run, name="turns", daemon=True)
    thread.start()
    return thread.native_id or 0


def _run() -> None:
    if not Setter(TURNS)():  # it would be let in no sooner than the others
        sys.setswitchinterval(SWITCH_S)
        return
    while True:
        signal.setitimer(signal.ITIMER_PROF, BUSY_S)
        signal.sigwait({signal.SIGPROF})  # the process has used a processor
        while _take_turns():
            pass


def _take_turns() -> bool:
    """Let control work for some turns; True if it used the processor most of that time."""
    began, used = time.monotonic(), time.process_time()
    for _ in range(LOOKS):
        time.sleep(TURN_S)
    return time.process_time() - used > BUSY_SHARE * (time.monotonic() - began)
