"""Somebody else's code is asked for services: whatever it raises, the caller gets ProviderError."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from dnsdisco.errors import DnsdiscoError, ProviderError
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.own_url import with_own_url, with_own_urls
from dnsdisco.providers.values import not_too_many, TooMuch

Answer = TypeVar("Answer")


def asked(provider: ServiceDiscovery, ask: Callable[[ServiceDiscovery], Answer]) -> Answer:
    """The provider's result. A network error, a backend's text that cannot be read, or a bug in a plug-in raises ProviderError, with its cause.

    The server treats them alike (control/watcher.py): a failure to answer does not mean that there is no such service.
    """
    try:
        with named(provider):
            return ask(provider)
    except DnsdiscoError:
        raise
    except Exception as error:
        said = f": {error}" if str(error) else ""
        raise ProviderError(provider.type, f"{type(error).__name__}{said}") from error


@contextmanager
def named(provider: ServiceDiscovery) -> Iterator[None]:
    """A ProviderError without a provider gets the provider's name."""
    try:
        yield
    except ProviderError as error:
        error.provider = error.provider or provider.type
        raise


def one_service(provider: ServiceDiscovery, name: str) -> Any:
    """get_service(), in whatever form; None, or something empty: unknown."""
    return asked(provider, lambda provider: with_own_url(provider, name, provider.get_service(name)))


def all_services(provider: ServiceDiscovery) -> Mapping[Any, Any]:
    """get_services(), in whatever form it has them. Raises ProviderError also for what is no mapping."""
    services: Any = asked(provider, lambda provider: with_own_urls(provider, provider.get_services()))
    if not isinstance(services, Mapping):
        raise ProviderError(
            provider.type, f"get_services() returned {type(services).__name__}, not a mapping of names to their data"
        )
    try:
        not_too_many(services)
    except TooMuch as error:
        raise ProviderError(provider.type, f"get_services() returned {error}") from None
    return services
