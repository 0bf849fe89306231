"""Asks the control loop, from another thread, and remembers the answer for a moment, so that a flood of readers costs it what a few do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from dnsdisco.control.asked_workers import AskedWorkers
from dnsdisco.control.counters import Totals
from dnsdisco.control.facts import ConfigView, ControlFacts, Explained, Reloaded, ServerStatus, ServiceView, UpstreamView
from dnsdisco.control.query_log import Looker, QueryFilter

FRESH_S = 0.25  # an answer may be so old: a person does not notice, and a scraper asks every few seconds
CATALOG_FRESH_S = 1.0  # the list of all services: 10,000 of them take the loop 40 ms
WAIT_S = 2.0  # for the loop, which has its hands full with a first catalog for less than that
RELOAD_S = 20.0  # to read a configuration, build its providers and publish what they had
FLUSH_S = 5.0  # control waits for the workers for less

T = TypeVar("T")


class ControlLoop(Protocol):
    """The control process. All but ask() belong to its loop's thread."""

    def view(self) -> ControlFacts: ...
    def services(self) -> Iterable[ServiceView]: ...
    def service(self, name: str) -> ServiceView | None: ...
    def totals(self) -> Totals: ...
    def figures(self) -> Mapping[str, int]: ...
    def status(self) -> ServerStatus: ...
    def configuration(self) -> ConfigView: ...
    def reload(self) -> Reloaded: ...

    @property
    def workers(self) -> AskedWorkers: ...

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """Call *question* in the loop's thread. From any thread."""


class PublishedCatalog(NamedTuple):
    """Every published service at one moment, in the order of the names."""

    serial: int
    services: Iterable[ServiceView]


class Figures(NamedTuple):
    """All that there is to count at one moment."""

    view: ControlFacts
    totals: Totals
    control: Mapping[str, int]
    upstreams: tuple[UpstreamView, ...] = ()


class ControlBusy(Exception):
    """The control loop has not answered within WAIT_S."""


class ControlClient:
    """One event loop's, which is not control's. All methods raise ControlBusy."""

    def __init__(self, control: ControlLoop) -> None:
        self._control = control
        self._view = _Remembered(lambda: self._ask(control.view), FRESH_S)
        self._catalog = _Remembered(lambda: self._ask(self._take_catalog), CATALOG_FRESH_S)
        self._figures = _Remembered(lambda: self._ask(self._take_figures), FRESH_S)
        self._status = _Remembered(lambda: self._ask(control.status), FRESH_S)

    async def view(self) -> ControlFacts:
        return await self._view.get()

    async def catalog(self) -> PublishedCatalog:
        return await self._catalog.get()

    async def figures(self) -> Figures:
        return await self._figures.get()

    def forget_catalog(self) -> None:
        """It is too old for a client that has heard of a later one."""
        self._catalog.forget()

    async def status(self) -> ServerStatus:
        return await self._status.get()

    async def totals(self) -> Totals:
        """The present totals, never kept ones: after a flush the client expects an empty cache."""
        return await self._ask(self._control.totals)

    async def configuration(self) -> ConfigView:
        return await self._ask(self._control.configuration)

    async def reload(self) -> Reloaded:
        done = await self._ask(self._control.reload, RELOAD_S)
        for remembered in (self._view, self._catalog, self._figures, self._status):
            remembered.forget()
        return done

    async def flush(self, name: str | None, *, is_tree: bool) -> list[int | None]:
        """Raises WireError, too."""
        dropped = await self._ask(lambda: self._control.workers.flush(name, is_tree=is_tree))
        return await asyncio.wait_for(asyncio.wrap_future(dropped), FLUSH_S)

    async def explain(self, name: str, rtype: str, client: str) -> Explained:
        """Raises WireError, ServerError and TimeoutError, too."""
        return await asyncio.wrap_future(await self._ask(lambda: self._control.workers.explain(name, rtype, client)))

    async def look(self, wanted: QueryFilter, looker: Looker) -> int:
        """A number for look_no_more(). Raises WireError and ServerError, too."""
        return await self._ask(lambda: self._control.workers.queries.begin(wanted, looker))

    def look_no_more(self, number: int) -> None:
        self._control.ask(lambda: self._control.workers.queries.end(number))

    async def service(self, name: str) -> ServiceView | None:
        return await self._ask(lambda: self._control.service(name))

    def _take_catalog(self) -> PublishedCatalog:
        return PublishedCatalog(self._control.view().serial, self._control.services())

    def _take_figures(self) -> Figures:
        return Figures(self._control.view(), self._control.totals(), self._control.figures(), self._control.status().upstreams)

    async def _ask(self, question: Callable[[], T], seconds: float | None = None) -> T:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._control.ask(question)), seconds or WAIT_S)
        except TimeoutError:
            raise ControlBusy from None


class _Remembered(Generic[T]):
    """The last answer of *ask*, forgotten after *fresh_s*. Requests that come while it is asked wait for the same answer."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]], fresh_s: float) -> None:
        self._ask, self._fresh_s = ask, fresh_s
        self._asking: asyncio.Task[T] | None = None

    async def get(self) -> T:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask())
            self._asking.add_done_callback(self._done)
        return await asyncio.shield(self._asking)  # one reader's going away is not the others' affair

    def _done(self, asking: asyncio.Task[T]) -> None:
        if asking.cancelled() or asking.exception() is not None:
            self.forget()
        else:
            asyncio.get_running_loop().call_later(self._fresh_s, self.forget)

    def forget(self) -> None:
        self._asking = None
