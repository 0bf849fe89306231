"""The consul provider as others see it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Self

from dnsdisco.model.library_dict import service_to_dict
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.consul.agent import Agent
from dnsdisco.providers.consul.catalog import AgentCatalog
from dnsdisco.providers.consul.credentials import Credentials
from dnsdisco.providers.consul.entries import Reading
from dnsdisco.providers.consul.options import Options
from dnsdisco.providers.consul.registration import deregister, register, registration_of
from dnsdisco.providers.consul.traits import Traits
from dnsdisco.providers.consul.variables import settings_over_environment
from dnsdisco.providers.consul.watch import FETCHERS, ServiceWatch
from dnsdisco.providers.forked import Lock
from dnsdisco.providers.log import logger

IDLE_MAX = FETCHERS  # connections kept for the next question
ALONE_MAX = 32  # so many services are read faster by one thread than several are started


class ConsulServiceDiscovery(Traits, ServiceDiscovery):
    """*token*: goes into a header only, and into no text. `options.Options` has the other arguments, all by keyword.

    Raises ValueError or TypeError naming the argument that cannot be used. Reads no environment variables: from_settings() does.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 8500, token: str | None = None, scheme: str = "http", **options: Any
    ) -> None:
        self._options = Options(host=host, port=port, token=token, scheme=scheme, **options)
        self._catalog = AgentCatalog(self._options, Credentials(self._options))
        self._idle: list[Agent] = []
        self._lock = Lock()  # around _idle
        self._last = Snapshot()  # what the last watch knew
        self._is_new = True

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        return cls(**settings_over_environment(settings, environ))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(address={str(self._options.endpoint)!r})"

    def get_services(self) -> dict[str, dict[str, Any]]:
        """All services of the datacenter, with `consul` itself."""
        with self._agent() as agent:
            names, _ = self._catalog.names(agent)
            readings = self._readings(agent, list(names))
            empty = [name for name, reading in readings.items() if reading.is_empty]
            if empty:  # a service leaves the list when its last instance goes: was that so?
                names, _ = self._catalog.names(agent)
                for name in empty:
                    if name in names:
                        readings[name], _ = self._catalog.service(agent, name)
                        if readings[name].is_empty:
                            self._catalog.check_empty(name)
                    else:
                        del readings[name]
        services = (reading.service for reading in readings.values())
        return {service.name: service_to_dict(service) for service in services if service is not None}

    def get_service(self, service_name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
        service = self._service(service_name)
        return default if service is None else service_to_dict(service)

    def names(self) -> list[str]:
        with self._agent() as agent:
            names, _ = self._catalog.names(agent)
        return list(names)

    def register_service(self, service_name: str, service_data: Mapping[str, Any]) -> str:
        """Registers with the agent, `check` included, which the agent runs. get_services() sees it when this returns.

        Raises ValueError for data that make no instance, or that the agent refuses; ProviderError; NotSupported where the agent is in
        another datacenter than the one asked about.
        """
        registered = registration_of(service_name, service_data)
        with self._agent() as agent:
            register(agent, self._options, service_name, registered)
        return registered.instance_id

    def deregister_service(self, service_name: str, instance_id: str | None = None) -> bool:
        """Removes what our agent has of the service; instances of other agents stay."""
        with self._agent() as agent:
            return deregister(agent, self._options, service_name, instance_id)

    def watch(self, stop: threading.Event) -> Iterator[Snapshot]:
        """Every view is whole. `changed` is set, and the same snapshot again means that the agent is there (every 10 s)."""
        self._look_at_packages()
        watch = ServiceWatch(self._catalog, self._last)
        for snapshot in watch.snapshots(stop):
            self._last, self.index, self.rejected = snapshot, str(watch.index), watch.rejected
            yield snapshot

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for agent in idle:
            agent.close()

    def _service(self, name: str) -> Service | None:
        """The service; None if it is not known. An answer without instances is believed if the list of services agrees."""
        if not self._catalog.can_be_asked(name):
            return None
        with self._agent() as agent:
            reading, _ = self._catalog.service(agent, name)
            if reading.is_empty:
                names, _ = self._catalog.names(agent)
                if name not in names:
                    return None
                reading, _ = self._catalog.service(agent, name)
                if reading.is_empty:
                    self._catalog.check_empty(name)
            return reading.service

    def _readings(self, agent: Agent, names: list[str]) -> dict[str, Reading]:
        """One for each name, in their order."""
        if len(names) <= ALONE_MAX:
            return {name: self._catalog.service(agent, name)[0] for name in names}

        def read(part: list[str]) -> list[Reading]:
            with self._agent() as own:
                return [self._catalog.service(own, name)[0] for name in part]

        size = -(-len(names) // FETCHERS)
        with ThreadPoolExecutor(FETCHERS, thread_name_prefix="consul-read") as pool:
            parts = pool.map(read, [names[at : at + size] for at in range(0, len(names), size)])
            return dict(zip(names, (reading for part in parts for reading in part), strict=True))

    @contextmanager
    def _agent(self) -> Iterator[Agent]:
        """A connection for one thread, kept for the next when nothing went wrong."""
        self._look_at_packages()
        with self._lock:
            agent = self._idle.pop() if self._idle else None
        agent = agent or self._catalog.connect()
        is_well = False
        try:
            yield agent
            is_well = True
        finally:
            with self._lock:
                is_kept = is_well and len(self._idle) < IDLE_MAX
                if is_kept:
                    self._idle.append(agent)
            if not is_kept:
                agent.close()

    def _look_at_packages(self) -> None:
        """Both packages install the module `consul`: the later one overwrites the other's files, and either's removal breaks it."""
        if not self._is_new:
            return
        self._is_new = False
        if len(_installed("python-consul", "py-consul")) > 1:
            logger().warning(
                "python-consul and py-consul are both installed, over each other; remove both, install one", provider=self.type
            )


def _installed(*names: str) -> list[str]:
    found = []
    for name in names:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found
