"""One watch() from its beginning to its end: a thread for each list that makes up the view, and one that asks whether the server is there."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dnsdisco.errors import ProviderError
from dnsdisco.model.service import Snapshot
from dnsdisco.providers.forked import LEFT_BEHIND
from dnsdisco.providers.kubernetes.cluster import ClusterView
from dnsdisco.providers.kubernetes.connection import ApiConnection
from dnsdisco.providers.kubernetes.credentials import TYPE
from dnsdisco.providers.kubernetes.options import Options
from dnsdisco.providers.kubernetes.reflector import Broken, Dropped, Heard, ObjectRefused, Put, Reflector, Replaced, Stopped
from dnsdisco.providers.kubernetes.rejected import Faults
from dnsdisco.providers.kubernetes.watch_plan import Plan, WatchedList

STOP_POLL_S = 0.1  # how soon a stop is noticed while nothing happens; ten wake-ups a second cost 0.1 % of a core
QUEUED_MAX = 10_000  # events that wait for a slow consumer; then the reading threads wait, and TCP makes the server wait
DRAINED_MAX = 5000  # events taken into one snapshot: a storm must not keep the first change back for ever
RESUME_OBJECTS_MIN = 2000  # below, a new list after a loss costs less than a second, and leaves no doubt

Asked = TypeVar("Asked")
Event = Replaced | Put | Dropped | ObjectRefused | Heard | Broken


def unless_stopped(ask: Callable[[], Asked], stop: threading.Event) -> Asked | None:
    """The result of *ask*; None as soon as *stop* is set: then a server that hangs keeps a thread of its own."""
    outcome: queue.SimpleQueue[tuple[Asked | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((ask(), None))
        except BaseException as error:  # noqa: BLE001  raised below, in the thread that wants to know
            outcome.put((None, error))

    threading.Thread(target=run, name="kubernetes-ask", daemon=True).start()
    while not stop.is_set():
        try:
            answer, error = outcome.get(timeout=STOP_POLL_S)
        except queue.Empty:
            continue
        if error is not None:
            raise error
        return answer
    return None


@dataclass(slots=True)
class SessionFacts:
    """The facts that one session leaves to the next, with the version of each source."""

    plan: Plan
    view: ClusterView
    versions: dict[WatchedList, str] = field(default_factory=dict)

    @property
    def is_worth_resuming(self) -> bool:
        return self.view.size >= RESUME_OBJECTS_MIN and set(self.versions) == set(self.plan.sources())


class Session:
    """Used once, by one thread: snapshots(), then close()."""

    def __init__(self, connection: ApiConnection, options: Options, known: SessionFacts, faults: Faults) -> None:
        """The session owns *known* until it has ended, and leaves it consistent."""
        self._connection, self._options, self._faults = connection, options, faults
        self.known = known
        self._events: queue.Queue[tuple[WatchedList | None, Event]] = queue.Queue(QUEUED_MAX)
        self._stopped = threading.Event()
        self._process = os.getpid()
        self.index = ""  # the version that was reported last, by any source
        self._heard_at = time.monotonic()
        versions = known.versions if known.is_worth_resuming else {}
        self._reflectors = [
            Reflector(connection, source, options, faults, self._reporter(source), versions.get(source, ""))
            for source in known.plan.sources()
        ]
        if not versions:
            known.versions.clear()
        self._silent = set(known.plan.sources())  # those that have not reported yet that they are up to date

    def snapshots(self, stop: threading.Event) -> Iterator[Snapshot]:
        """The views, as the contract's watch() yields them. Raises ProviderError when the server is lost."""
        for reflector in self._reflectors:
            threading.Thread(target=reflector.run, name="kubernetes-reflector", daemon=True).start()
        threading.Thread(target=self._ping_control, name="kubernetes-pulse", daemon=True).start()
        yielded: Snapshot | None = None
        seen: Snapshot | None = None
        while not stop.is_set():
            if os.getpid() != self._process:
                raise ProviderError(TYPE, LEFT_BEHIND)
            was_heard, error = self._take_events()
            if not self._silent and (was_heard or yielded is None):
                snapshot = self.known.view.snapshot()
                if yielded is None:
                    yielded = replace(snapshot, changed=None)  # against what, a new listener cannot know
                elif snapshot is not seen:
                    yielded = snapshot
                seen = snapshot
                yield yielded
            if error is not None:
                raise error

    def close(self) -> None:
        """Threads end soon after and are not waited for. What they have reported is taken in, so that *known* is consistent."""
        if os.getpid() != self._process:
            return
        self._stopped.set()
        for reflector in self._reflectors:
            reflector.stop()
        while not self._events.empty():
            self._take_events()

    def _take_events(self) -> tuple[bool, ProviderError | None]:
        """Take the events that have come in. Returns whether they are worth a snapshot, and the error that has ended a source."""
        was_heard, error = False, None
        try:
            source, event = self._events.get(timeout=0 if self._stopped.is_set() else STOP_POLL_S)
            for _ in range(DRAINED_MAX):
                if isinstance(event, Broken):
                    error = error or event.error
                elif source is None:
                    was_heard = True
                else:
                    was_heard |= self._take(source, event)
                source, event = self._events.get_nowait()
        except queue.Empty:
            pass
        return was_heard, error

    def _take(self, source: WatchedList, event: Replaced | Put | Dropped | ObjectRefused | Heard) -> bool:
        view, versions = self.known.view, self.known.versions
        match event:
            case Put(fact, version):
                view.put(source.resource, fact)
                versions[source] = self.index = version
            case Dropped(key, version):
                versions[source] = self.index = version
                if key is None:
                    return False
                view.drop(source.resource, key)
            case ObjectRefused(key, version):
                versions[source] = self.index = version
                view.refuse(source.resource, key)
            case Replaced(listing):
                view.replace(source.resource, source.namespace, listing.objects, listing.refused)
                versions[source] = self.index = listing.version
                self._silent.discard(source)
            case Heard():
                self._silent.discard(source)
        return True

    def _reporter(self, source: WatchedList | None) -> Callable[[Event], None]:
        def report(event: Event) -> None:
            self._heard_at = time.monotonic()
            while not self._stopped.is_set():
                try:
                    self._events.put((source, event), timeout=STOP_POLL_S)
                except queue.Full:
                    continue
                return
            raise Stopped

        return report

    def _ping_control(self) -> None:
        """An idle watch on a dead connection looks like an idle watch."""
        report, pulse_s = self._reporter(None), self._options.pulse_s
        while not self._stopped.wait(max(0.01, self._heard_at + pulse_s - time.monotonic())):
            if time.monotonic() - self._heard_at < pulse_s:
                continue
            try:
                self._connection.reach()
                event: Event = Heard()
            except ProviderError as error:
                event = Broken(error)
            try:
                report(event)
            except Stopped:
                return
