"""Which lists make up the whole view: what this server has, and what we may see of it."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from dnsdisco.providers.kubernetes.connection import ApiConnection, ApiError
from dnsdisco.providers.kubernetes.credentials import TYPE
from dnsdisco.providers.kubernetes.options import Options
from dnsdisco.providers.kubernetes.resources import ENDPOINTS, NODES, probe, Resource, SERVICES, SLICES
from dnsdisco.providers.log import logger

NAMESPACES_MAX = 32  # followed one by one, a thread and a connection for each resource; more are picked out of a list of all


class WatchedList(NamedTuple):
    """One resource in one scope."""

    resource: Resource
    namespace: str | None  # None: all that there are
    wanted: frozenset[str] | None = None  # of those, only these; None: all

    def selectors(self, labels: str) -> dict[str, str]:
        return {"labelSelector": labels} if labels and self.resource is SERVICES else {}

    def wants(self, namespace: str) -> bool:
        return self.wanted is None or namespace in self.wanted or not self.resource.is_namespaced


@dataclass(frozen=True, slots=True)
class Plan:
    namespaces: tuple[str | None, ...]
    wanted: frozenset[str] | None = None
    endpoints: Resource = SLICES
    needs_nodes: bool = False
    is_fallback: bool = False  # all namespaces were wanted, and are forbidden

    def sources(self) -> list[WatchedList]:
        resources = (SERVICES, self.endpoints)
        sources = [WatchedList(resource, namespace, self.wanted) for namespace in self.namespaces for resource in resources]
        return [*sources, WatchedList(NODES, None)] if self.needs_nodes else sources


def settle(connection: ApiConnection, options: Options, known: Plan | None, *, needs_nodes: bool) -> Plan:
    """Ask for one object of each list, and plan by the answers. Raises ApiError.

    What was allowed, or there, once (*known*) is never given up for less: then a refusal is an error, and what is known stays.
    """
    plan = Plan(_scopes(options), _picked(options), needs_nodes=needs_nodes)
    may_fall_back = plan.namespaces == (None,) and (known is None or known.is_fallback)
    try:
        return _with_endpoints(connection, options, plan, known)
    except ApiError as error:
        if error.status != http.client.FORBIDDEN or not may_fall_back:
            raise
        fallen = replace(plan, namespaces=tuple(options.namespaces) or (options.default_namespace,), wanted=None, is_fallback=True)
        settled = _with_endpoints(connection, options, fallen, known)
        if known is None:
            shown = ", ".join(str(each) for each in settled.namespaces)
            logger().warning(f"all namespaces may not be listed ({error.reason}); serving {shown}", provider=TYPE)
        return settled


def _scopes(options: Options) -> tuple[str | None, ...]:
    return options.namespaces if 0 < len(options.namespaces) <= NAMESPACES_MAX else (None,)


def _picked(options: Options) -> frozenset[str] | None:
    return frozenset(options.namespaces) if len(options.namespaces) > NAMESPACES_MAX else None


def _with_endpoints(connection: ApiConnection, options: Options, plan: Plan, known: Plan | None) -> Plan:
    _probe_all(connection, options, (each for each in plan.sources() if each.resource is not SLICES))
    slices = [each for each in plan.sources() if each.resource is SLICES]
    try:
        _probe_all(connection, options, slices[:1])
    except ApiError as error:
        had_slices = known is not None and known.endpoints is SLICES
        if error.status != http.client.NOT_FOUND or had_slices:
            raise
        plan = replace(plan, endpoints=ENDPOINTS)
        _probe_all(connection, options, (each for each in plan.sources() if each.resource is ENDPOINTS))
        if known is None:
            logger().warning("the server has no EndpointSlices of version 1; Endpoints are read instead", provider=TYPE)
        return plan
    _probe_all(connection, options, slices[1:])
    return plan


def _probe_all(connection: ApiConnection, options: Options, sources: Iterable[WatchedList]) -> None:
    for source in sources:
        probe(connection, source.resource, source.namespace, source.selectors(options.labels))
