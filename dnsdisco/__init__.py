"""Service discovery, as a library and as a DNS server. This page is the map.

    from dnsdisco import get_service_url
    get_service_url("auth")                     # "http://auth-service:5001", wherever `auth` is registered

The library (`discovery.py`) and the server ask the same providers for the same services. The server, `dnsdisco serve`, is three kinds
of process: the supervisor starts the others and holds the sockets; one control process listens to the providers; the workers answer.

The rooms, from the inside out. The docstring of each has a line for each of its files; what each may import is checked by tests/architecture:
  errors      every error that crosses a room, in one page                                                             pure
  counted     what a counter is: declared where it is counted, with its help text                                      pure
  log         every line that the server logs: one form, one way out
  priority    which of our processes goes first on a processor that they share
  written     what people write and how it is read: durations, names, addresses, listeners, upstreams                  pure
  settings    what can be set: each setting declared once, with its kind, default and sentence                         pure
  sockaddr    from a written address to a socket address, scope included
  model       the nouns: service, instance, snapshot; names; service data; merging the views of several providers      pure
  wire        octets: slicing questions, putting replies together, EDNS, framing                                       pure
  presentation  messages as people read them                                                                         pure
  zone        what a name stands for, and the records it has                                                           pure
  cache       forwarded answers: bounded, ageing, negative, stale                                                      pure
  answer      what to do with a question: Reply, Forward or Gather                                                     pure
  providers   where services come from: one file or folder each, base.py the contract, registry.py finds them
  config      where settings come from: flags, environment, file
  control     the control process: providers' threads → merge → deltas to every worker
  forward     asking upstream resolvers
  server      a worker: UDP, TCP, TLS and HTTPS, the life of a query
  admin       probes, metrics, pages over HTTP
  supervisor  the parent process, with nothing but the standard library
  doctor      what stands between this machine's programs and the names
  setup       pointing this machine's programs at the server

What wires the rooms together:
  cli         the command line, one command a file
  __main__    `python -m dnsdisco`: the same
  discovery   the library
  watching    its watch_services()
  testing     a server and a pytest fixture for the tests of other projects
  base, env, static, consul, kubernetes  short paths of the modules of those names in `providers`

Follow a query from `server/serve.py` (docs/life-of-a-query.md), a change from `providers/base.py` through `control` and `model/merge.py`
to `server/control_link.py` (docs/life-of-a-change.md). To add a provider, read `providers/base.py` and docs/adding-a-provider.md.

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
        watch_services,
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
    "watch_services",
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
