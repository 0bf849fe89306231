"""Somebody else's code is asked for services: whatever it raises, the caller gets ProviderError."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from dnsdisco.errors import DnsdiscoError, ProviderError
from dnsdisco.providers.base import ServiceDiscovery

Answer = TypeVar("Answer")


def asked(provider: ServiceDiscovery, ask: Callable[[ServiceDiscovery], Answer]) -> Answer:
    """What the provider says. A network error, a backend's text that cannot be read, a slip in a plug-in: ProviderError, with its cause.

    A server takes them alike (control/watcher.py): who failed to answer has not said that there is no such service.
    """
    try:
        return ask(provider)
    except DnsdiscoError:
        raise
    except Exception as error:
        said = f": {error}" if str(error) else ""
        raise ProviderError(provider.type, f"{type(error).__name__}{said}") from error


def all_services(provider: ServiceDiscovery) -> Mapping[Any, Any]:
    """get_services(), in whatever form it has them. Raises ProviderError also for what is no mapping."""
    services: Any = asked(provider, lambda provider: provider.get_services())
    if not isinstance(services, Mapping):
        raise ProviderError(
            provider.type, f"get_services() returned {type(services).__name__}, not a mapping of names to their data"
        )
    return services
