"""The facts of one Service → one model Service. Which addresses it has is the `addresses` mode's word.

    cluster_ip      its cluster IPs, with the Service's ports; a headless one has none, so its endpoints
    endpoints       its endpoints, with the ports that they listen on
    load_balancer   the addresses of its ingress, with the Service's ports; without an ingress none
    node_port       internal addresses of ready nodes, with the node ports; without node ports none
    auto            inside the cluster as cluster_ip; outside as load_balancer where there is an ingress, else as endpoints

ExternalName is another name in every mode, and what we registered is itself. Endpoints that are not ready are critical.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dnsdisco.model.diff import Key
from dnsdisco.model.service import Health, Instance, LeftOut, Port, Service
from dnsdisco.providers.kubernetes.endpoints import merged, SliceObject
from dnsdisco.providers.kubernetes.objects import NodeObject, ServiceObject


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings for all Services of one provider."""

    addresses: str
    is_inside: bool  # of the cluster, where cluster IPs can be reached
    default_namespace: str
    when_all_unhealthy: str

    @property
    def needs_nodes(self) -> bool:
        return self.addresses == "node_port"


def compose(service: ServiceObject, slices: Sequence[SliceObject], nodes: Mapping[Key, NodeObject], rules: Rules) -> Service:
    """O(endpoints). The order of instances depends on nothing but themselves and their slices' names."""
    namespace, name = service.key
    registered = [each.registered for each in slices if each.registered is not None]
    composed = Service(
        name,
        namespace,
        is_default_namespace=namespace == rules.default_namespace,
        instances=_instances(service, slices, nodes, rules),
        scheme=service.scheme,
        when_all_unhealthy=rules.when_all_unhealthy,
        alias_of=_alias(service),
        left_out=_left_out(slices),
    )
    if registered:
        composed = _as_registered(composed, registered)
    return composed if service.said is None else _as_said(composed, service.said)


def _left_out(slices: Sequence[SliceObject]) -> LeftOut | None:
    """The sum of what was left out in each slice."""
    each = [one.left_out for one in slices if one.left_out]
    return LeftOut(sum(one.number for one in each), each[0].reason) if each else None


def _alias(service: ServiceObject) -> str:
    """A CNAME's target. An external name that is an address is no name."""
    name = service.external_name
    return name if name and Instance("", name).is_host else ""


def _instances(
    service: ServiceObject, slices: Sequence[SliceObject], nodes: Mapping[Key, NodeObject], rules: Rules
) -> tuple[Instance, ...]:
    if service.kind == "ExternalName":
        return (Instance(service.external_name, service.external_name),) if service.external_name else ()
    if service.is_ours:
        return _of_endpoints(service, slices)
    mode = rules.addresses
    if mode == "auto":
        mode = "cluster_ip" if rules.is_inside else "load_balancer" if service.ingress else "endpoints"
    if mode == "cluster_ip" and not service.is_headless:
        return _of_whole(service.cluster_ips, service.ports)
    if mode == "load_balancer":
        return _of_whole(service.ingress, service.ports)
    if mode == "node_port":
        return _of_nodes(service, slices, nodes)
    return _of_endpoints(service, slices)


def _of_whole(addresses: Iterable[str], ports: tuple[Port, ...]) -> tuple[Instance, ...]:
    """Addresses that stand for the whole Service."""
    return tuple(Instance(address, address, ports, is_virtual=True) for address in dict.fromkeys(addresses))


def _of_nodes(service: ServiceObject, slices: Sequence[SliceObject], nodes: Mapping[Key, NodeObject]) -> tuple[Instance, ...]:
    """Every ready node sends on what comes to a node port, unless the Service wants its own endpoints alone to have it."""
    if not service.node_ports:
        return ()
    hosts = {each.node for each in _of_endpoints(service, slices) if each.health is not Health.CRITICAL}
    return tuple(
        Instance(address, address, service.node_ports, hostname=name, node=name)
        for (_, name), node in sorted(nodes.items())
        if node.is_ready and (not service.is_local_only or name in hosts)
        for address in node.addresses
    )


def _of_endpoints(service: ServiceObject, slices: Sequence[SliceObject]) -> tuple[Instance, ...]:
    if len(slices) == 1:
        found = slices[0].instances
        if len({each.id for each in found}) < len(found):
            found = merged(found)
    else:
        found = merged(each for one in slices for each in one.instances)
    if any(each.registered for each in slices):
        found = tuple(sorted(found, key=lambda each: each.id))  # their slices' names are hashes
    if service.publishes_not_ready:
        found = tuple(replace(each, health=Health.PASSING, reason="") if each.health is Health.CRITICAL else each for each in found)
    return found


def _as_registered(service: Service, registered: Sequence[Service]) -> Service:
    """Adds the data of the whole service that its registered instances have: what all have, and where only one can be right, that of the first."""
    ordered = sorted(registered, key=lambda each: each.instances[0].id)
    first, others = ordered[0], ordered[1:]
    return replace(
        service,
        url=first.url if not others else "",
        scheme=next((each.scheme for each in ordered if each.scheme), service.scheme),
        ttl=next((each.ttl for each in ordered if each.ttl is not None), None),
        tags=tuple(tag for tag in first.tags if all(tag in each.tags for each in others)),
        meta=tuple(pair for pair in first.meta if all(pair in each.meta for each in others)),
        records=tuple(dict.fromkeys(record for each in ordered for record in each.records)),
        when_all_unhealthy=next(
            (each.when_all_unhealthy for each in ordered if each.when_all_unhealthy), service.when_all_unhealthy
        ),
    )


def _as_said(service: Service, said: Service) -> Service:
    """Adds the data of its annotation. Data of the Service hold for each instance."""
    instances = service.instances
    if said.tags:
        instances = tuple(replace(each, tags=tuple(dict.fromkeys((*each.tags, *said.tags)))) for each in instances)
    return replace(
        service,
        instances=instances,
        scheme=said.scheme or service.scheme,
        ttl=service.ttl if said.ttl is None else said.ttl,
        tags=tuple(dict.fromkeys((*service.tags, *said.tags))),
        meta=tuple({**dict(service.meta), **dict(said.meta)}.items()),
        records=(*service.records, *said.records),
        when_all_unhealthy=said.when_all_unhealthy or service.when_all_unhealthy,
    )
