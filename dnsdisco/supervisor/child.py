"""One child process: how it is started, what it reports, and when it may be started again."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from dnsdisco.priority import Priority, Setter
from dnsdisco.supervisor.document import document
from dnsdisco.supervisor.restarts import Restarts
from dnsdisco.supervisor.signals import ignore_in_child

LINE_OCTETS_MAX = 1024 * 1024  # of a status line: settings of any size that a person writes
OOM_SCORE_MAX = 1000  # linux/oom.h
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

Parameters = Callable[[], tuple[dict[str, Any], list[int]]]


class Child:
    """A place for one process after another. `restarts` counts those after the first."""

    def __init__(self, name: str, command: Sequence[str], parameters: Parameters, priority: Priority, oom_score: int = 0) -> None:
        """*parameters* gives, for every start, the JSON document and the descriptors it speaks of. `status_fd` is added here.
        *oom_score*: how much sooner than us the kernel shall end it when there is no memory, in thousandths of all memory."""
        self.name = name
        self.pid = 0  # 0: there is none now
        self.restarts = 0
        self.is_ready = False
        self.has_started = False  # it has reported that it is up: signals are safe
        self.status_fd = -1  # to read from
        self.is_mute = False  # it has closed its end: nothing more will come
        self.heard_at = 0.0  # when its last status line came, or when it was started
        self.heard_cpu_s = 0.0  # the processor time that it had had then
        self._restarts = Restarts()
        self._command, self._parameters = list(command), parameters
        self._priority, self._oom_score = priority, oom_score
        self._started_at = 0.0
        self._popen: subprocess.Popen[bytes] | None = None
        self._unread = b""

    @property
    def young_deaths(self) -> int:
        """How many deaths came in a row, each soon after a start."""
        return self._restarts.young

    def start(self, now: float) -> None:
        """Raises OSError when there can be no process (no memory, no descriptors)."""
        plain, fds = self._parameters()
        reader, writer = os.pipe()
        parameters_fd = -1
        try:
            parameters_fd = document(json.dumps({**plain, "status_fd": writer}).encode())
            self._popen = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                [*self._command, str(parameters_fd)],
                stdin=subprocess.DEVNULL,
                pass_fds=[*fds, writer, parameters_fd],
                process_group=0,  # Ctrl-C at a terminal reaches the supervisor alone, which ends the others in its own order
                preexec_fn=_Preexec(os.getpid(), self._priority, self._oom_score),  # noqa: PLW1509  there are no threads in this process
            )
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
            if parameters_fd >= 0:
                os.close(parameters_fd)
        os.set_blocking(reader, False)
        self.pid, self.status_fd, self._started_at, self._unread = self._popen.pid, reader, now, b""
        self.heard_at, self.heard_cpu_s = now, 0.0
        self.is_ready = self.has_started = self.is_mute = False

    def died(self, status: int, now: float) -> float:
        """It was waited for, with that wait status. Returns the seconds until it may start again."""
        assert self._popen is not None
        self._popen.returncode = os.waitstatus_to_exitcode(status)  # Popen need not, and could not, wait again
        os.close(self.status_fd)
        self.pid, self.status_fd, self.is_ready, self.has_started = 0, -1, False, False
        self.restarts += 1
        return self._restarts.died(self._started_at, now)

    def read(self, now: float) -> list[dict[str, Any]]:
        """The status lines that have come in. What is no JSON object is passed over."""
        with suppress(BlockingIOError):
            while octets := os.read(self.status_fd, 65536):
                self._unread += octets
                if len(self._unread) > LINE_OCTETS_MAX and b"\n" not in self._unread:
                    self._unread = b""
            self.is_mute = True
        *lines, self._unread = self._unread.split(b"\n")
        events = []
        for line in lines:
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    events.append(event)
                    self.heard_at, self.heard_cpu_s = now, float(event.get("cpu_s") or self.heard_cpu_s)
        return events

    def kill(self, number: signal.Signals) -> None:
        """Send *signal*; without a process, nothing happens. Until died() no other process can have the pid: only we wait for it."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def status_text(status: int) -> str:
    """A wait status for people."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


class _Preexec:
    """Runs in the child before its program does."""

    def __init__(self, parent: int, priority: Priority, oom_score: int) -> None:
        self._parent, self._set_priority, self._oom_score = parent, Setter(priority), oom_score
        try:
            self._prctl: Any = ctypes.CDLL(None).prctl
        except (OSError, AttributeError):  # not Linux: there it ends when its status pipe has no reader any more
            self._prctl = None

    def __call__(self) -> None:
        if self._prctl is not None:
            self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != self._parent:  # it died before we could set that
                os._exit(1)
        ignore_in_child()
        self._set_priority()
        with suppress(OSError, ValueError):
            fd = os.open("/proc/self/oom_score_adj", os.O_RDWR)
            try:
                inherited = int(os.read(fd, 16))
                os.write(fd, b"%d" % min(inherited + self._oom_score, OOM_SCORE_MAX))
            finally:
                os.close(fd)
