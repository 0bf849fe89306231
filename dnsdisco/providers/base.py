"""The whole contract of a provider: one class, one required method.

    class Nomad(ServiceDiscovery):
        type = "nomad"

        def get_services(self):
            return {"web": {"instances": [{"address": "10.0.0.11", "port": 8080}]}}

Declare it under the entry-point group `dnsdisco.providers` and it is found by name. Values have the forms of docs/services.md.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, TYPE_CHECKING

from dnsdisco.errors import NotSupported
from dnsdisco.model.identity import KEYS, names_in
from dnsdisco.model.service import Snapshot
from dnsdisco.model.service_data import service_from_data, service_to_dict
from dnsdisco.providers.forked import in_child, renew
from dnsdisco.providers.own_url import with_own_urls
from dnsdisco.providers.seed_form import deregistering, instance_ids, registering
from dnsdisco.providers.traits import ProviderTraits

if TYPE_CHECKING:
    from dnsdisco.providers.local_source import LocalSource

Services = Mapping[str, Mapping[str, Any]]


class ServiceDiscovery(ProviderTraits, ABC):
    """A source of services. May be used by several threads at once. The constructor does no I/O."""

    poll_interval: float = 5.0  # seconds between calls of get_services() in a server, when watch() is not overridden
    when_all_unhealthy: str = (
        ""  # the rule for this provider's services, where it has one of its own; an entry of `providers:` replaces it
    )
    index: str = ""  # what the backend calls the state that was last read (an index, a resourceVersion), if it does; for people
    origin: str = (
        ""  # where its services come from, if neither its options nor its variables name it: a path below the working directory
    )
    rejected: int = 0  # objects of the backend that could not be used; each has been logged. For people

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not hasattr(cls, "type"):
            cls.type = cls.__name__.removesuffix("ServiceDiscovery").lower() or cls.__name__.lower()
        if cls.register_service is not ServiceDiscovery.register_service:
            cls.register_service = registering(cls.register_service)  # type: ignore[method-assign]
        cls.deregister_service = deregistering(cls.deregister_service)  # type: ignore[method-assign]

    def __new__(cls, *_: Any, **__: Any) -> Self:
        made = super().__new__(cls)
        in_child(made.forked)
        return made

    @property
    def has_own_url(self) -> bool:
        """True if the class has its own get_service_url(). The URL that it returns then replaces the one in the data, everywhere."""
        return type(self).get_service_url is not ServiceDiscovery.get_service_url

    def own_url(self, service_name: str) -> str | None:
        """The URL from the class's own get_service_url(). None: it knows no such service."""
        return self.get_service_url(service_name) or None

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        """Build the provider from one entry of `providers:` (without `type` and the options that every provider takes) and the environment.

        The entry wins over the environment. Raises ValueError or TypeError naming the setting that cannot be used.
        """
        return cls(**settings)

    @abstractmethod
    def get_services(self) -> dict[str, dict[str, Any]]:
        """Return all services by name (`web`, or `web.shop` in the namespace `shop`, which its data have as `namespace`), in any form of
        docs/services.md, critical instances included. May block, a few seconds at most.

        Raises ProviderError when the backend did not answer. Never returns a part of the services, or none, in place of an error: every
        name that is missing here is a name that does not exist.
        """

    def get_service(self, service_name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return one service, or *default* when it is unknown. Raises ProviderError when the backend did not answer, whatever *default* is.

        The result has url, address, port, scheme, tags, meta, id, health and instances, whatever form get_services() uses.
        """
        services, wanted = self.get_services(), service_name.lower()
        found = _called(services, wanted) or _also_called(services, wanted)
        service = service_from_data(*found)[0] if found else None
        return service_to_dict(service) if service else default

    def names(self) -> Iterable[str]:
        """Return the names of all services. Used when get_service() does not know a name in its spelling. Errors as get_services()."""
        return [name for key, data in self.get_services().items() for name in names_in(key, data)]

    def get_service_url(self, service_name: str, default: str | None = None) -> str | None:
        """Return the URL of one healthy instance, or *default* when the service is unknown. Errors as get_service()."""
        found = self.get_service(service_name)
        if found and "url" not in found:  # a form in which the URL follows from the other fields
            service = service_from_data(service_name, found)[0]
            found = service_to_dict(service) if service else None
        return found["url"] if found and found["url"] else default

    def register_service(self, service_name: str, service_data: Mapping[str, Any]) -> str:
        """Add or replace one instance, and return its id: `service_data["id"]`, else one made of name, address and port."""
        raise NotSupported(f"the {self.type} provider is read-only")

    def deregister_service(self, service_name: str, instance_id: str | None = None) -> bool:
        """Remove one instance, or (without an id) every instance that may be removed. Returns False when there was none."""
        found = self.get_service(service_name)
        if not found or instance_id not in (None, *instance_ids(service_name, found)):
            return False
        raise NotSupported(f"the {self.type} provider is read-only")

    def watch(self, stop: threading.Event) -> Iterator[Services | Snapshot]:
        """Yield all services, whole, each time something changed, until *stop* is set. Blocks between two yields.

        Yield the same object again to report "nothing changed, but the backend is there". Raise ProviderError when it is not: the caller
        keeps the last data, waits, and calls watch() again. The default polls get_services().
        """
        while not stop.is_set():
            yield with_own_urls(self, self.get_services())
            stop.wait(self.poll_interval)

    def local_source(self) -> LocalSource | None:
        """Its sources on this machine, for `dnsdisco check`; None: it asks a backend."""
        return None

    def forked(self) -> None:
        """Make anew, in a forked child, what the parent uses and what another thread held. Called there before anything else.

        Must not wait, and must not send anything over a connection of the parent. The default frees the locks and drops the connections
        (http.client, requests, urllib3, httpx) that it finds below the provider's attributes; a class with other ones overrides it.
        """
        renew(self)

    def close(self) -> None:
        """Close connections and files. Called once, after watch() has ended."""


def _called(services: Mapping[Any, Any], wanted: str) -> tuple[Any, Any] | None:
    """The service whose key is *wanted*, in any case, where its data do not say that it is called otherwise."""
    key = next((each for each in services if isinstance(each, str) and each.lower() == wanted), None)
    if key is None or (_says_who_it_is(services[key]) and wanted not in map(str.lower, names_in(key, services[key]))):
        return None
    return key, services[key]


def _also_called(services: Mapping[Any, Any], wanted: str) -> tuple[Any, Any] | None:
    """The service whose data say that it is found as *wanted*."""
    said = ((key, data) for key, data in services.items() if _says_who_it_is(data))
    return next(((key, data) for key, data in said if wanted in map(str.lower, names_in(key, data))), None)


def _says_who_it_is(data: Any) -> bool:
    return isinstance(data, Mapping) and not KEYS.isdisjoint(data)
