"""The supervisor's loop: children, signals, readiness, the end. Single-threaded; it waits in one place.

Status lines, one JSON object each:
  every child   {"event": "started"}                  it takes signals
                {"event": "alive", "cpu_s": 0.25}     twice a second, with the processor time it has had: watchdog.py
  a worker      {"event": "ready"}                    its sockets are read, and a whole catalog is in
  control       {"event": "ready", "zones": […], "providers": […], "example": "web"}
                {"event": "fatal", "message": "…"}    then it exits; before we are ready, that ends the start
                {"event": "keep", "kept": {…}}        what its successor must know; handed to it as it is
                {"event": "reloaded", "settings": {…}, "worker_settings": {…}, "origins": {…}}, {"event": "reload_failed"}
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dnsdisco.log.lines import Lines
from dnsdisco.priority import CONTROL, WORKER
from dnsdisco.supervisor import announce, signals, watchdog
from dnsdisco.supervisor.channels import journal, link
from dnsdisco.supervisor.child import Child, status_text
from dnsdisco.supervisor.late_listening import LateListening, LOOK_S
from dnsdisco.supervisor.notify import Notifier
from dnsdisco.supervisor.sockets import Listening
from dnsdisco.supervisor.watchdog import Watchdog

STOP_S = 4.5  # a worker has 2 s for what is in flight, and we promise to be gone in 5
START_DEATHS_MAX = 8  # of one child before it was ever ready, some 4 s: then it will not start at all, and a person should hear it
CONTROL_REST_S = 0.25  # before control starts again: workers that died with it need the processors first, and answer without it
EX_CONFIG = 78  # sysexits.h: a child's exit status when starting it again would not help
# When there is no memory the kernel ends control first, which costs no answer, then a worker, and us last: we start them again. In
# thousandths of the memory there is: more than a worker's cache makes of it.
CONTROL_OOM, WORKER_OOM = 700, 300


def _modules(name: str) -> list[str]:
    return [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", f"dnsdisco.{name}"]


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of the children; a descriptor's number is added as the last argument."""

    control: Sequence[str] = field(default_factory=lambda: _modules("control"))
    worker: Sequence[str] = field(default_factory=lambda: _modules("server"))


class Supervisor:
    """One start of the whole program. Owns *listening* until run() ends."""

    def __init__(
        self,
        parameters: dict[str, Any],
        listening: list[Listening],
        notifier: Notifier,
        lines: Lines,
        commands: Commands | None = None,
    ) -> None:
        commands = commands or Commands()
        self._source, self._settings = parameters.get("source"), parameters["settings"]
        self._worker_settings = parameters["worker_settings"]  # a part of them, without secrets
        self._origins = parameters.get("origins") or {}  # of the settings, for control's pages
        self._listening, self._notifier, self._lines = listening, notifier, lines
        self._kept: dict[str, Any] = {}
        self._cookie_secret = os.urandom(16).hex()  # one for all workers and their successors: each knows the others' cookies
        self._is_ready = False
        self._wants_reload = False  # control was not up when the signal came
        self._stop_at: float | None = None
        self._code = 0
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._selector = selectors.DefaultSelector()
        self._journal = journal()
        self._links = [link() for _ in range(self._settings["workers"])]
        self._late = LateListening(listening, len(self._links), lines)
        self._ready_line: dict[str, Any] = {}
        self.control = Child("control", commands.control, self._control_parameters, CONTROL, CONTROL_OOM)
        self.workers = [
            Child(f"worker {number}", commands.worker, self._worker_parameters(number), WORKER, WORKER_OOM)
            for number in range(len(self._links))
        ]
        limits = [(self.control, watchdog.CONTROL_S), *((worker, watchdog.WORKER_S) for worker in self.workers)]
        self._watchdog = Watchdog(limits, time.monotonic())

    def run(self) -> int:
        """Until a signal, or something that ends the start. Returns the exit code."""
        wakeup, self._wakeup_writer = signals.catch()
        self._selector.register(wakeup, selectors.EVENT_READ)
        for child in self._children():
            self._start(child)
        self._watch()
        if self._late.is_needed:
            self._bind_late()
        while self._stop_at is None or any(child.pid for child in self._children()):
            for key, _ in self._selector.select(self._seconds_to_wait()):
                if key.fileobj is wakeup:
                    self._take_signals(wakeup)
                elif key.data.status_fd == key.fd:
                    self._take_status(key.data)
            self._run_timers()
            self._reap()  # whatever woke us: a SIGCHLD may stand for several deaths
        signals.let_go()
        return self._code

    def _children(self) -> list[Child]:
        """All children in the order in which they are started: the processes that answer come first."""
        return [*self.workers, self.control]

    def _control_parameters(self) -> tuple[dict[str, Any], list[int]]:
        links = [ours.fileno() for ours, _ in self._links]
        plain = {
            "links": links,
            "source": self._source,
            "settings": self._settings,
            "origins": self._origins,
            "restarts": self.control.restarts,
            "kept": self._kept,
            "listening": [each.address for each in self._listening],
            "journal": [writer for writer, _ in self._journal],
        }
        return plain, [*links, *plain["journal"]]

    def _worker_parameters(self, number: int) -> Callable[[], tuple[dict[str, Any], list[int]]]:
        def parameters() -> tuple[dict[str, Any], list[int]]:
            sockets = [
                {"fd": sock.fileno(), "transport": transport, "detail": each.detail}
                for each in self._listening
                for transport, sock in each.of_worker(number)
            ]
            link = self._links[number][1].fileno()
            journal = [reader for _, reader in self._journal]
            fds = [link, *journal, *(sock.fileno() for each in self._listening for _, sock in each.of_worker(number))]
            plain = {"worker": number, "sockets": sockets, "link_fd": link, "journal": journal}
            if (late := self._late.channel(number)) is not None:
                plain["late_fd"], plain["absent"] = late, self._late.absent
                fds.append(late)
            return {**plain, "settings": self._worker_settings, "cookie_secret": self._cookie_secret}, fds

        return parameters

    def _start(self, child: Child) -> None:
        if self._stop_at is not None:
            return
        try:
            child.start(time.monotonic())
        except OSError as error:
            self._lines.event("error", f"{child.name} cannot be started", reason=error.strerror or error)
            self._after(1.0, lambda: self._start(child))
            return
        self._selector.register(child.status_fd, selectors.EVENT_READ, child)

    def _reap(self) -> None:
        """Wait for each process that has ended: our children, and as PID 1 in a container also orphans that they leave."""
        ended: dict[int, int] = {}
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                ended[found[0]] = found[1]
        for child in self._children():
            if child.pid in ended:
                self._on_exit(child, ended[child.pid])

    def _on_exit(self, child: Child, status: int) -> None:
        self._take_status(child)  # its last words
        with suppress(KeyError):
            self._selector.unregister(child.status_fd)
        pid = child.pid
        wait_s = child.died(status, time.monotonic())
        if self._stop_at is not None:
            return
        is_hopeless = child.young_deaths >= START_DEATHS_MAX or os.waitstatus_to_exitcode(status) == EX_CONFIG
        if is_hopeless and not self._is_ready:
            self._fail(f"{child.name} cannot start ({status_text(status)}); see the lines above")
            return
        again = f"again in {wait_s:g} s" if wait_s else "again now"
        text = f"{child.name} ended: {status_text(status)}; it is started {again}"
        self._lines.event("warning", text, pid=pid, restarts=child.restarts)
        if child is self.control:
            wait_s = max(wait_s, CONTROL_REST_S)
        if wait_s:
            self._after(wait_s, lambda: self._start(child))
        else:
            self._start(child)

    def _take_status(self, child: Child) -> None:
        for event in child.read(time.monotonic()):
            self._take_event(child, event)
        if child.is_mute:
            with suppress(KeyError):  # it would be readable for ever
                self._selector.unregister(child.status_fd)

    def _take_event(self, child: Child, event: dict[str, Any]) -> None:
        match event.get("event"):
            case "started":
                child.has_started = True
                if child is self.control and self._wants_reload:
                    self._reload()
            case "ready":
                child.is_ready = child.has_started = True
                if child is self.control:
                    self._ready_line = event
                self._look_whether_ready()
            case "fatal" if not self._is_ready:
                self._fail(str(event.get("message")))
            case "fatal":
                self._lines.event("error", f"{child.name} cannot go on", reason=event.get("message"))
            case "keep":
                self._kept = event.get("kept") or {}
            case "reloaded":
                self._settings = event.get("settings") or self._settings
                self._worker_settings = event.get("worker_settings") or self._worker_settings
                self._origins = event.get("origins") or self._origins
                self._lines.apply(self._settings)
                self._notifier.ready(self._status())
            case "reload_failed":
                self._notifier.ready("the new configuration is not used; see the log")
            case _:
                pass

    def _look_whether_ready(self) -> None:
        if self._is_ready or not all(child.is_ready for child in self._children()):
            return
        self._is_ready = True
        announce.ready(self._lines, self._listening, self._ready_line)
        self._notifier.ready(self._status())

    def _status(self) -> str:
        return f"answering on {', '.join(listening.address for listening in self._listening)}; workers: {len(self.workers)}"

    def _watch(self) -> None:
        """End a child that does not answer; its death is then like any other."""
        self._after(watchdog.TICK_S, self._watch)
        self._notifier.alive()
        for child, silent_s in self._watchdog.look(time.monotonic()):
            if self._stop_at is None:
                self._lines.event(
                    "error", f"{child.name} does not answer: it is killed", pid=child.pid, silent_s=round(silent_s, 1)
                )
                child.kill(signal.SIGKILL)
                child.heard_at = time.monotonic()  # once is enough

    def _bind_late(self) -> None:
        self._after(LOOK_S, self._bind_late)
        for number in self._late.look():
            self.workers[number].kill(signal.SIGTERM)

    def _take_signals(self, wakeup: socket.socket) -> None:
        with suppress(BlockingIOError):
            for number in set(wakeup.recv(4096)):
                if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                    self._stop(0)
                elif number == signal.SIGUSR1:
                    self._log_statistics()
                elif number == signal.SIGHUP:
                    self._reload()

    def _reload(self) -> None:
        self._wants_reload = not self.control.has_started
        if self.control.has_started:
            self._notifier.reloading()
            self.control.kill(signal.SIGHUP)

    def _log_statistics(self) -> None:
        """Ours here; control logs what it and the workers have counted."""
        for child in self._children():
            state = "ready" if child.is_ready else "starting" if child.pid else "not running"
            self._lines.event("info", "statistics", process=child.name, pid=child.pid, state=state, restarts=child.restarts)
        self.control.kill(signal.SIGUSR1)

    def _fail(self, message: str) -> None:
        if self._stop_at is None:
            self._lines.contract("error", f"dnsdisco: {message}", message)
        self._stop(1)

    def _stop(self, code: int) -> None:
        """Ask all children at once to end. A second signal ends them now."""
        if self._stop_at is not None:
            self._kill_stragglers()
            return
        self._code, self._stop_at = code, time.monotonic()
        self._notifier.stopping()
        for child in self._children():
            child.kill(signal.SIGTERM)
        # Our copy too: a connection that no process will accept is better refused than left waiting.
        self._late.close()
        for listening in self._listening:
            listening.close()
        self._after(STOP_S, self._kill_stragglers)

    def _kill_stragglers(self) -> None:
        for child in self._children():
            child.kill(signal.SIGKILL)

    def _after(self, wait_s: float, call: Callable[[], None]) -> None:
        self._timers.append((time.monotonic() + wait_s, call))

    def _seconds_to_wait(self) -> float | None:
        return max(0.0, min(at for at, _ in self._timers) - time.monotonic()) if self._timers else None

    def _run_timers(self) -> None:
        now = time.monotonic()
        due = [call for at, call in self._timers if at <= now]
        self._timers = [(at, call) for at, call in self._timers if at > now]
        for call in due:
            call()
