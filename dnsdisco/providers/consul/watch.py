"""One run of watch(): the threads of `query_threads.py` ask, this one puts the answers together and yields.

    NamesThread ── the list of services ─┐                     ┌─ 2 FetchAskers: a service once, when it is new or may have changed
    watch_limit ServiceThreads ──────────┼─► events ─► ServiceWatch ──┤
    ChecksThread, SweepThread ────────────┘                     └─► Snapshot, and the same one again as a sign of life

A service has a query of its own, which sees every change within milliseconds; beyond `watch_limit`, two questions about all
services show which to fetch anew. Nothing is yielded before every service has been read, and whatever fails leaves what is known as it is.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dnsdisco.errors import ProviderError
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.providers.consul.catalog import AgentCatalog, CONSUL, Failing, Names
from dnsdisco.providers.consul.entries import Reading
from dnsdisco.providers.consul.query_slots import QuerySlots
from dnsdisco.providers.consul.query_threads import (
    Ended,
    Event,
    Fetched,
    FetchThread,
    Flipped,
    FollowedService,
    Listed,
    NamesThread,
    QueryThread,
    Swept,
)
from dnsdisco.providers.forked import LEFT_BEHIND

TICK_S = 0.25  # how soon a stop is noticed
FETCHERS = 2  # one reads JSON while another asks; more only wait for each other
EMPTY_HOLD_S = 1.0  # a listed service without instances is about to leave the list; if it does not, it is asked once more
RESWEEP_S = 300.0  # a look at everybody without a query of their own, should a sign have been missed


@dataclass(slots=True)
class _Empty:
    since: float
    is_confirmed: bool = False


class ServiceWatch:
    """snapshots() is used once, by one thread."""

    def __init__(self, catalog: AgentCatalog, last: Snapshot) -> None:
        """*last*: of the run before; services that are as they were stay the same objects."""
        self._catalog = catalog
        self._last = last.services
        self.index = 0  # the highest that an answer had: how far this run has read
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._crew = QuerySlots(catalog, self._events.put)
        self._fetches: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._has_fetchers = False
        self._names: Names | None = None
        self._services: dict[tuple[str, str], Service] = {}
        self._indexes: dict[str, int] = {}  # of the last fetch, for a query that takes over
        self._marks: dict[str, int] = {}  # fingerprints of services without a query of their own
        self._asked: set[str] = set()  # in the queue of fetches, or on the way
        self._again: set[str] = set()  # of these, the ones that may have changed since
        self._held: set[str] | None = None  # to be fetched once it is known which checks fail; None: nothing is held
        self._empty: dict[str, _Empty] = {}
        self._changed: set[tuple[str, str]] = set()
        self._snapshot: Snapshot | None = None
        self._unwanted: set[str] = set()  # whose last wanted instance went since the last list: that one may be older
        self._rejected: dict[str, int] = {}  # instances left out, by service, where there are any
        self._is_heard = False
        self._swept_at = 0.0

    def snapshots(self, stop: threading.Event) -> Iterator[Snapshot]:
        """Until *stop* is set. Raises ProviderError when the agent is lost; every connection is closed by then."""
        began_in = os.getpid()
        try:
            self._crew.start(NamesThread(self._catalog, self._events.put, frozenset(name for _, name in self._last)))
            while not stop.is_set():
                if os.getpid() != began_in:
                    raise ProviderError(CONSUL, LEFT_BEHIND)
                for event in self._hear():
                    self._apply(event)
                self._housekeeping(time.monotonic())
                snapshot = self._next()
                if snapshot is not None:
                    yield snapshot
        finally:
            if os.getpid() == began_in:
                self._crew.abort()
                for _ in range(FETCHERS):
                    self._fetches.put(None)

    def _hear(self) -> Iterator[Event]:
        try:
            yield self._events.get(timeout=TICK_S)
            while True:
                yield self._events.get_nowait()
        except queue.Empty:
            return

    def _apply(self, event: Event) -> None:
        if isinstance(event, Ended):
            self._on_end(event.asker, event.error)
            return
        self._is_heard = True
        match event:
            case Listed(names, index, is_moved):
                self._reach(index)
                self._on_names(names, is_moved=is_moved)
            case FollowedService(name, reading, index, asker):
                self._reach(index)
                if self._crew.own.get(name) is asker:
                    self._put(name, reading)
            case Fetched(name, reading, index):
                self._reach(index)
                self._on_fetched(name, reading, index)
            case Flipped(failing, is_first):
                self._on_checks(failing, is_first=is_first)
            case Swept(marks):
                self._on_sweep(marks)

    @property
    def rejected(self) -> int:
        """Instances, and names of services, that are left out of the last snapshot."""
        return sum(self._rejected.values()) + self._catalog.refused_names

    def _reach(self, index: int) -> None:
        self.index = max(self.index, index)

    def _on_names(self, names: Names, *, is_moved: bool) -> None:
        before, self._names = self._names, names
        if before is None:
            if len(names) > self._catalog.options.watch_limit:
                self._crew.watch_everybody(time.monotonic())
                self._held = set()
            for name in names:
                self._fetch(name)
            return
        for name in before.keys() - names.keys():
            self._forget(name)
            self._indexes.pop(name, None)
            self._marks.pop(name, None)
        for name, tags in names.items():
            # Also one that is there still, and of which no instance was wanted: with another tag one may be.
            if name not in before or name in self._unwanted or (tags != before[name] and name not in self._crew.own):
                self._fetch(name)
        self._unwanted.clear()
        if is_moved:
            self._crew.sweep(self._others_count)

    def _forget(self, name: str) -> None:
        if self._services.pop(("", name), None) is not None:
            self._changed.add(("", name))
        self._crew.take(name)
        self._empty.pop(name, None)
        self._rejected.pop(name, None)

    def _fetch(self, name: str) -> None:
        if self._held is not None:
            self._held.add(name)
        elif name in self._asked:
            self._again.add(name)
        else:
            self._asked.add(name)
            self._fetches.put(name)
            if not self._has_fetchers:
                self._has_fetchers = True
                for _ in range(FETCHERS):
                    self._crew.start(FetchThread(self._catalog, self._events.put, self._fetches))

    def _on_fetched(self, name: str, reading: Reading, index: int) -> None:
        self._asked.discard(name)
        if self._names is None or name not in self._names:
            self._again.discard(name)
            return
        if name in self._again:
            self._again.discard(name)
            self._fetch(name)
        self._indexes[name] = index
        self._marks[name] = reading.fingerprint
        if name not in self._crew.own or name in self._empty:
            self._put(name, reading)

    def _put(self, name: str, reading: Reading) -> None:
        """Put a service into the view. One that is listed and has no instance keeps its old data, at first."""
        key, service = ("", name), reading.service
        now = self._services.get(key)
        if reading.is_empty and not (now is not None and now == service):
            empty = self._empty.setdefault(name, _Empty(time.monotonic()))
            if not empty.is_confirmed:
                return
            self._catalog.check_empty(name)
        self._empty.pop(name, None)
        self._rejected.pop(name, None)
        if reading.rejected:
            self._rejected[name] = reading.rejected
        if service is None:  # no instance is wanted; another tag will show in the list of services
            if now is not None:
                self._unwanted.add(name)
            self._forget(name)
            return
        if now == service:
            return
        old = self._last.get(key)
        self._services[key] = old if old == service and old is not None else service
        self._changed.add(key)

    def _on_checks(self, failing: frozenset[Failing], *, is_first: bool) -> None:
        if is_first:  # what was read before may be older than this
            held, self._held = self._held, None
            for name in held if held is not None else self._others():
                self._fetch(name)
            return
        nodes = {check.node for check in failing if not check.service}
        for name in {check.service for check in failing if check.service}:
            if name not in self._crew.own and self._names is not None and name in self._names:
                self._fetch(name)
        if nodes:
            for name in self._others():
                if any(instance.node in nodes for instance in self._services[("", name)].instances):
                    self._fetch(name)

    def _on_sweep(self, marks: dict[str, int] | None) -> None:
        for name in self._others():
            if marks is None or marks.get(name, 0) != self._marks.get(name):
                self._fetch(name)

    def _on_end(self, asker: QueryThread, error: BaseException | None) -> None:
        if self._crew.ended(asker, error, time.monotonic(), self._fetch):
            held, self._held = self._held, None
            for name in held if held is not None else self._others():
                self._fetch(name)

    def _housekeeping(self, now: float) -> None:
        for name, empty in list(self._empty.items()):
            if now - empty.since >= EMPTY_HOLD_S and not empty.is_confirmed:
                empty.is_confirmed = True
                self._fetch(name)
        if not self._is_whole:
            return
        self._give_queries(now)
        self._crew.keep(now, self._others_count)
        if now - self._swept_at >= RESWEEP_S:
            self._swept_at = now
            self._crew.sweep(self._others_count)
            for name in (self._names or {}).keys() - {name for _, name in self._services}:
                self._fetch(name)  # without a wanted instance so far

    def _give_queries(self, now: float) -> None:
        """A query of its own to every service, while there are slots."""
        free = self._crew.free(now)
        if free <= 0 or not self._others_count:
            return
        others = set(self._others())
        for name in self._names or ():  # in the order of the list, which does not depend on how fast each was read
            if free > 0 and name in others and name not in self._asked and name not in self._empty:
                self._crew.give(name, self._indexes.get(name, 0), self._services["", name], self._rejected.get(name, 0))
                self._marks.pop(name, None)
                free -= 1

    def _next(self) -> Snapshot | None:
        if not self._is_whole or not self._is_heard:
            return None
        self._is_heard = False
        if self._snapshot is None:
            self._snapshot = Snapshot(dict(self._services))
        elif self._changed:
            self._snapshot = Snapshot(dict(self._services), frozenset(self._changed))
        self._changed.clear()
        return self._snapshot

    @property
    def _is_whole(self) -> bool:
        """Every service has been read once."""
        return self._snapshot is not None or (
            self._names is not None and self._held is None and not self._asked and not self._empty
        )

    @property
    def _others_count(self) -> int:
        return len(self._services) - len(self._crew.own)

    def _others(self) -> list[str]:
        """Services without a query of their own. O(services)."""
        own = self._crew.own
        return [name for _, name in self._services if name not in own] if self._others_count else []
