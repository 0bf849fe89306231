"""/v3/discovery:endpoints: Envoy's endpoint discovery (EDS) over REST and JSON. A cluster is a service, under any of its names.

Envoy refuses a whole reply for one address that is none, so host names are left out; it keeps its endpoints while a reply is no 200.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from dnsdisco.admin import feeds, shapes
from dnsdisco.admin.api import Api, json_reply
from dnsdisco.admin.request import ApiReply, ApiRequest, RequestRefused
from dnsdisco.control.facts import ServiceView
from dnsdisco.model.choice import SELDOM, weight_of
from dnsdisco.model.service import Instance

TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
CLUSTERS_MAX = 1_000  # asked for at once
ZONE = "zone"  # the key of `meta` that says where an instance is


async def endpoints(api: Api, request: ApiRequest) -> ApiReply:
    await feeds.check_whole(api)
    serial = api.changes.serial  # of before they are looked at
    found = [(name, await api.control.service(name.removesuffix("."))) for name in _names(request.body)]
    reply: shapes.EnvoyEndpoints = {
        "version_info": str(serial),
        "type_url": TYPE,
        "resources": [_assignment(name, view) for name, view in found],
    }
    return json_reply(reply)


def _names(body: bytes) -> list[str]:
    try:
        plain = json.loads(body)
        names = plain.get("resource_names", plain.get("resourceNames")) or []
    except (ValueError, RecursionError, AttributeError):
        raise RequestRefused(400, "expected a DiscoveryRequest as JSON") from None
    if not isinstance(names, list) or len(names) > CLUSTERS_MAX or not all(isinstance(name, str) for name in names):
        raise RequestRefused(400, f"resource_names: expected at most {CLUSTERS_MAX} names of clusters")
    return names


def _assignment(cluster: str, view: ServiceView | None) -> dict[str, Any]:
    """The endpoints of a cluster; none for a service that does not exist, as in DNS."""
    every = () if view is None else feeds.instances(view, is_all=True)
    sent_to = () if view is None else feeds.instances(view)
    healthy = {id(instance) for instance in sent_to}
    scale = SELDOM if any(map(weight_of, sent_to)) else 1
    tiers: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for instance in every:
        if instance.ports and not instance.is_host:
            zone = dict(instance.meta).get(ZONE, "")
            tiers[instance.priority, zone].append(_endpoint(instance, scale, is_healthy=id(instance) in healthy))
    ranks = {priority: rank for rank, priority in enumerate(sorted({priority for priority, _ in tiers}))}  # Envoy wants no gaps
    return {
        "@type": TYPE,
        "cluster_name": cluster,
        "endpoints": [
            {"priority": ranks[priority], "lb_endpoints": each} | ({"locality": {"zone": zone}} if zone else {})
            for (priority, zone), each in sorted(tiers.items())
        ],
    }


def _endpoint(instance: Instance, scale: int, *, is_healthy: bool) -> dict[str, Any]:
    return {
        "endpoint": {"address": {"socket_address": {"address": instance.address, "port_value": instance.ports[0].number}}},
        "health_status": "HEALTHY" if is_healthy else "UNHEALTHY",
        "load_balancing_weight": max(1, scale * weight_of(instance)),  # Envoy has no 0: seldom, and not never
    }
