"""The library: get_service_url("auth") and its siblings (docs/library.md). It chooses a provider, holds it, and caches what it returns.

The provider is the one that was set, else those that SERVICE_DISCOVERY_PROVIDER names (a comma list is a chain), else those that are
detected. It is chosen at the first call and kept until set_discovery_provider() is called.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from dnsdisco.errors import NotSupported, ProviderError
from dnsdisco.model import choice
from dnsdisco.model.service import Instance, Service
from dnsdisco.model.service_data import fault_text, service_from_data, service_to_dict
from dnsdisco.providers import registry
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.cached import DiscoveryCache
from dnsdisco.providers.combined import ChainServiceDiscovery, found_as
from dnsdisco.providers.forked import Lock
from dnsdisco.providers.guarded import all_services, asked, named
from dnsdisco.providers.log import logger
from dnsdisco.watching import WatchedServices

Changed = TypeVar("Changed")

PROVIDER_VARIABLE = "SERVICE_DISCOVERY_PROVIDER"


def get_service_url(name: str, default: str | None = None) -> str | None:
    """The URL of one healthy instance, taken by weight; *default* when the service is unknown, or has no instance to use.

    Raises ProviderError when the provider does not answer and nothing is cached, whatever *default* is. May block, for as long as the
    provider does.
    """
    return _current.get_service_url(name) or default


def get_service(name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """url, address, port, scheme, tags, meta, id, health of one healthy instance, and `instances` with the same of each.

    *default* when the service is unknown. The dict is the caller's own. Errors as get_service_url().
    """
    service = _current.get_service(name)
    return service_to_dict(service, drawn) if service else default


def get_services() -> dict[str, dict[str, Any]]:
    """All services by name, as get_service() gives them. Errors as get_service_url()."""
    return {name: service_to_dict(service, drawn) for name, service in _current.get_services().items()}


def watch_services(names: str | Iterable[str] | None = None) -> WatchedServices:
    """All services by name, as get_services() gives them: now, and again after every change; with *names* only those, and their changes.

    An iterator, which waits; close() ends it, from whichever thread. The provider is the one that is asked now. Raises ProviderError while
    that has never answered; the next call goes on.
    """
    wanted = None if names is None else frozenset(name.lower() for name in ([names] if isinstance(names, str) else names))
    return WatchedServices(_current.provider(), wanted, drawn, _current.cache.expire)


def register_service(name: str, service_data: Mapping[str, Any]) -> str:
    """Add an instance, or replace the one with the same id; returns the id (`service_data["id"]`, else one derived).

    Raises NotSupported, with the reason, where the provider is read-only; ValueError for data that make no instance; ProviderError.
    """
    if not isinstance(service_data, Mapping):
        raise TypeError(f"expected a mapping such as {{'address': '10.0.0.11', 'port': 8080}}, found {type(service_data).__name__}")
    return _current.change(lambda provider: provider.register_service(name, service_data))


def deregister_service(name: str, instance_id: str | None = None) -> bool:
    """Remove that instance, or every instance that we may remove. False: there was none. Errors as register_service()."""
    return _current.change(lambda provider: provider.deregister_service(name, instance_id))


def set_discovery_provider(provider: ServiceDiscovery | None) -> None:
    """Ask *provider* from now on; None: back to automatic detection. Either clears the cache. The caller closes what it has set."""
    if provider is not None and not isinstance(provider, ServiceDiscovery):
        raise TypeError(f"expected a ServiceDiscovery or None, found {type(provider).__name__}")
    _current.set(provider)


def get_discovery_provider(provider_type: str | None = None) -> ServiceDiscovery:
    """The provider that is asked; with a type ("env", "consul", a plug-in's name, a comma list for a chain) a new one, for the caller.

    Raises ConfigError where there is no such provider, or its package is not installed.
    """
    if provider_type is not None and not isinstance(provider_type, str):
        raise TypeError(f"expected the type of a provider, such as 'env', found {type(provider_type).__name__}")
    return _current.provider() if provider_type is None else _built(_names(provider_type))


def drawn(instances: Sequence[Instance]) -> Instance:
    """The instance that a DNS client would find first in one answer."""
    return choice.drawn(instances, random.random)


class Discovery:
    """A provider and what is cached of it. Safe for threads; a forked child goes on with both."""

    def __init__(self) -> None:
        self.cache = DiscoveryCache()
        self._lock = Lock()
        self._provider: ServiceDiscovery | None = None
        self._is_ours = False  # detected, so it is ours to close

    def provider(self) -> ServiceDiscovery:
        with self._lock:
            if self._provider is None:
                self._provider, self._is_ours = _detected(), True
            return self._provider

    def set(self, provider: ServiceDiscovery | None) -> None:
        with self._lock:
            old, was_ours = self._provider, self._is_ours
            self._provider, self._is_ours = provider, False
            self.cache.clear()
        if old is not None and was_ours:
            old.close()

    def change(self, make: Callable[[ServiceDiscovery], Changed]) -> Changed:
        """Change the provider by *make*, then clear the cache, unless the provider refuses, because then nothing has changed."""
        try:
            provider = self.provider()
            with named(provider):
                changed = make(provider)
        except (NotSupported, ValueError, TypeError):
            raise
        except BaseException:
            self.cache.clear()
            raise
        self.cache.clear()
        return changed

    def get_service_url(self, name: str) -> str | None:
        """A provider that has a word of its own for this is asked for it; the others' services have what it takes."""
        _require_name(name)
        provider = self.provider()
        if provider.has_own_url:
            url: str | None = self.cache.get(("url", name), lambda: asked(provider, lambda provider: provider.own_url(name)))
            if url or not isinstance(provider, ChainServiceDiscovery):
                return url
        service = self.get_service(name)
        return service_to_dict(service, drawn)["url"] if service else None

    def get_service(self, name: str) -> Service | None:
        _require_name(name)
        everything = self.cache.fresh(_ALL) or {}
        found: Service | None = everything.get(name)
        if found is not None:
            return found
        try:
            found = self.cache.get(("", name), lambda: self._ask_for(name))
        except ProviderError:
            everything = self.cache.last(_ALL) or {}
            if name not in everything:
                raise
            found = everything[name]
        return found

    def get_services(self) -> dict[str, Service]:
        services: dict[str, Service] = self.cache.get(_ALL, self._ask_for_all)
        return services

    def _ask_for(self, name: str) -> Service | None:
        read = (_read(called, data) for called, data in found_as(self.provider(), name).items())
        return next((service for service in read if service is not None), None)

    def _ask_for_all(self) -> dict[str, Service]:
        data = all_services(self.provider())
        services: dict[str, Service] = {}
        for name, each in data.items():
            if (service := _read(name, each)) is not None:
                services.setdefault(service.called, service)
        return services


_ALL = ("all", "")


def _require_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"expected the name of a service, found {type(name).__name__}")


def _read(name: str, data: Any) -> Service | None:
    """The service, whatever form a provider has it in; what is wrong with it goes to the log."""
    service, faults = service_from_data(name, data)
    for path, message, _ in faults:
        logger().warning(f"{name}: {fault_text(path, message)}")
    return service


def _detected() -> ServiceDiscovery:
    return _built(_names(os.environ.get(PROVIDER_VARIABLE, "")) or registry.detect(os.environ))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _built(names: Sequence[str]) -> ServiceDiscovery:
    providers = [registry.create({"type": name}, os.environ) for name in names]
    return providers[0] if len(providers) == 1 else ChainServiceDiscovery(providers)


_current = Discovery()
