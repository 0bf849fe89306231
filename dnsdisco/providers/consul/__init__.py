"""The consul provider (docs/consul.md): services from a Consul agent, and instances registered with it.

    provider.py       the class that other rooms see
    traits.py         its declarations: its needs, its detection
    options.py        its options
    variables.py      the CONSUL_* variables below that
    address.py        the address of an agent, as it is written
    credentials.py    the files with token, certificate and key
    session.py        one connection to an agent, as the Consul packages want it
    agent.py          the agent's HTTP API
    catalog.py        the questions, and the answers that are not believed
    entries.py        answers → services; pure
    watch.py          one run of watch()
    query_threads.py  its threads
    query_slots.py    which thread asks what
    pace.py           the wait between two questions to the agent
    registration.py   service data → what the agent's API takes

Read first: `provider.py`, then `catalog.py`.
"""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from dnsdisco.providers.consul.traits import Traits

if TYPE_CHECKING:
    from dnsdisco.providers.consul.provider import ConsulServiceDiscovery

__all__ = ["ConsulServiceDiscovery", "Traits"]


def __getattr__(name: str) -> Any:
    """The class comes with what it needs to work, such as http.client, when somebody asks for it."""
    if name == "ConsulServiceDiscovery":
        from dnsdisco.providers.consul.provider import ConsulServiceDiscovery  # noqa: PLC0415

        return ConsulServiceDiscovery
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
