"""Service discovery, as a library and as a DNS server. This page is the map.

    from dnsdisco import get_service_url
    get_service_url("auth")                     # "http://auth-service:5001", wherever `auth` is registered

The library (`discovery.py`) and the server ask the same providers for the same services. The server, `dnsdisco serve`, is three kinds
of process: the supervisor starts the others and holds the sockets; one control process listens to the providers; the workers answer.

The rooms, from the inside out; what each may import is checked by tests/architecture:
  errors      every error that crosses a room, in one page
  written     what people write and how it is read: durations, names, addresses, listeners, upstreams                pure
  priority    who goes first where our processes share a processor
  log         every line that the server logs: one form, one way out
  model       the nouns: service, instance, snapshot; names; service data; merging the views of several providers      pure
  sockaddr    from a written address to a socket address, scope included
  wire        octets: slicing questions, putting replies together, EDNS, framing                                       pure
  zone        what a name stands for, and the records it has                                                           pure
  cache       forwarded answers: bounded, ageing, negative, stale                                                      pure
  answer      what to do with a question: Reply, Forward or Drop                                                       pure
  providers   where services come from: one file each, base.py the contract, registry.py finds them
  control     the control process: providers' threads → merge → deltas to every worker
  forward     asking upstream resolvers
  server      a worker: UDP, TCP, the life of a query
  admin       probes, metrics, pages over HTTP
  config      settings: schema, file, flags, environment
  cli         one command a file
  supervisor  the parent process, with nothing but the standard library

Follow a query from `server/serve.py` (docs/life-of-a-query.md), a change from `providers/base.py` through `control` and `model/merge.py`
to `server/link.py` (docs/life-of-a-change.md). To add a provider, read `providers/base.py` and docs/adding-a-provider.md.

Importing this package imports none of it: a worker process must start fast and stay small. Names below are loaded when first used.
"""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from dnsdisco.discovery import (
        deregister_service,
        get_discovery_provider,
        get_service,
        get_service_url,
        get_services,
        register_service,
        set_discovery_provider,
    )
    from dnsdisco.errors import ConfigError, DnsdiscoError, NotSupported, ProviderError
    from dnsdisco.providers.base import ServiceDiscovery

__all__ = [
    "ConfigError",
    "DnsdiscoError",
    "NotSupported",
    "ProviderError",
    "ServiceDiscovery",
    "deregister_service",
    "get_discovery_provider",
    "get_service",
    "get_service_url",
    "get_services",
    "register_service",
    "set_discovery_provider",
]

_HOMES = {
    "ConfigError": "dnsdisco.errors",
    "DnsdiscoError": "dnsdisco.errors",
    "NotSupported": "dnsdisco.errors",
    "ProviderError": "dnsdisco.errors",
    "ServiceDiscovery": "dnsdisco.providers.base",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  a worker never gets here

    value = getattr(import_module(_HOMES.get(name, "dnsdisco.discovery")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
