"""The consul provider (docs/consul.md): services from a Consul agent, and instances registered with it.

    provider.py       the class that other rooms see
    options.py        what may be set
    credentials.py    the files that prove who we are
    transport.py      one connection to an agent
    agent.py          the agent's HTTP API
    catalog.py        the questions, and which answers are not believed
    entries.py        answers → services; pure
    watch.py          one run of watch()
    query_threads.py         its threads
    query_slots.py           which thread asks what
    pace.py           how long the agent is left alone between two questions
    registration.py   service data → what the agent's API takes

Read first: `provider.py`, then `catalog.py`.
"""

from __future__ import annotations

from dnsdisco.providers.consul.provider import ConsulServiceDiscovery

__all__ = ["ConsulServiceDiscovery"]
