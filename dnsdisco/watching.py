"""watch_services() of the library: what the providers' watch() yields, in threads of this process, as all services that a program can use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Self

from dnsdisco.control.watcher import Event, ViewSeen, Watcher
from dnsdisco.errors import ProviderError
from dnsdisco.model.library_dict import Choose
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.model.service_data import service_from_data, service_to_dict
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.combined import ChainMember, ChainServiceDiscovery
from dnsdisco.providers.forked import LEFT_BEHIND
from dnsdisco.providers.log import logger


class WatchedServices(Iterator[dict[str, dict[str, Any]]]):
    """Services by name as get_services() has them: once all providers have spoken, and again after every change.

    *names*: only these, in lower case; None: all. *choose*: see service_to_dict(). *on_change* is called before a change is returned.

    The threads begin with the first next(), which waits for as long as nothing changes. Raises ProviderError while a provider that is not
    optional has never answered; the next call goes on. Later failures are logged, and the last known services stay. In a forked child it
    raises ProviderError: its threads are the parent's. close() ends it, from whichever thread; so does its end.
    """

    def __init__(
        self, provider: ServiceDiscovery, names: Collection[str] | None, choose: Choose, on_change: Callable[[], None]
    ) -> None:
        self._provider, self._names, self._choose, self._on_change = provider, names, choose, on_change
        self._links = list(provider.links) if isinstance(provider, ChainServiceDiscovery) else [ChainMember(provider)]
        self._heard = _Heard(len(self._links))
        self._watchers: list[Watcher] = []
        self._last: dict[str, Service] | None = None
        self._pid = 0  # of the process that has begun to watch; 0: none yet

    def __next__(self) -> dict[str, dict[str, Any]]:
        if self._pid not in (0, os.getpid()):
            raise ProviderError(self._provider.type, LEFT_BEHIND)
        self._start()
        while True:
            views, failures = self._heard.next()
            services = self._services(views, failures)
            if services is not None and services != self._last:
                if self._last is not None:
                    self._on_change()
                self._last = services
                return {name: service_to_dict(service, self._choose) for name, service in services.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """End the watch: a reader that waits for the next services gets StopIteration. The providers stay open."""
        if self._pid in (0, os.getpid()):
            self._heard.close()
            for watcher in self._watchers:
                watcher.stop()

    def _start(self) -> None:
        with self._heard.changed:
            if self._pid:
                return
            self._pid = os.getpid()
            for at, link in enumerate(self._links):
                self._watchers.append(
                    Watcher(link.provider.type, link.provider, _reporting(self._heard, at, link.provider.type), is_lent=True)
                )
        for watcher in self._watchers:
            watcher.start()

    def _services(self, views: list[Snapshot | None], failures: list[str]) -> dict[str, Service] | None:
        """The services of all providers; None until every provider has answered."""
        if any(view is None and not failure for view, failure in zip(views, failures, strict=True)):
            return None
        for link, view, failure in zip(self._links, views, failures, strict=True):
            if view is None and not link.optional:
                raise ProviderError(link.provider.type, failure)
        said = [_by_name(view) for view in views]
        if isinstance(self._provider, ChainServiceDiscovery):
            data = self._provider.combined([{name: service_to_dict(each) for name, each in one.items()} for one in said])
            found = {name: service_from_data(name, each)[0] for name, each in data.items()}
        else:
            found = dict(said[0])
        return {
            name: service
            for name, service in found.items()
            if service is not None and (self._names is None or any(each.lower() in self._names for each in service.names))
        }


class _Heard:
    """The views that the threads have received. It does not refer to its WatchedServices, which ends with its last reader."""

    def __init__(self, providers: int) -> None:
        self.changed = threading.Condition()
        self._views: list[Snapshot | None] = [None] * providers
        self._failures = [""] * providers
        self._is_new = self._is_closed = False

    def next(self) -> tuple[list[Snapshot | None], list[str]]:
        """The last views and failures, once something has come since the last call. Raises StopIteration after close()."""
        with self.changed:
            self.changed.wait_for(lambda: self._is_new or self._is_closed)
            if self._is_closed:
                raise StopIteration
            self._is_new = False
            return list(self._views), list(self._failures)

    def take(self, at: int, view: Snapshot | None, failure: str) -> bool:
        """A view, or a failure, of the provider *at*. Returns whether it failed before."""
        with self.changed:
            before = self._failures[at]
            self._views[at] = view or self._views[at]
            self._failures[at] = failure
            self._is_new = True
            self.changed.notify_all()
            return bool(before)

    def close(self) -> None:
        with self.changed:
            self._is_closed = True
            self.changed.notify_all()


def _reporting(heard: _Heard, at: int, kind: str) -> Callable[[Event], None]:
    def report(event: Event) -> None:
        if isinstance(event, ViewSeen):
            for name, reason in event.faults:
                logger().warning(f"{kind}: {name}: {reason}")
            heard.take(at, event.view, "")
        elif not heard.take(at, None, event.reason):
            logger().warning(f"{kind}: {event.reason}; the last known services are used")

    return report


def _by_name(view: Snapshot | None) -> Mapping[str, Service]:
    """The services by the names that get_services() uses."""
    services = view.services.values() if view is not None else ()
    return {each.called: each for each in services}
