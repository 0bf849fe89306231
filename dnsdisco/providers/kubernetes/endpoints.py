"""Raw JSON of EndpointSlices (discovery.k8s.io/v1), and of the Endpoints of old servers, → instances.

The rules of the API, where they are easily missed: `ready: null` means ready; `endpoints: null` and `ports: null` mean none; a port
without a number means every port, which no record can say; a slice's port is the one that the pod listens on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dnsdisco.model.diff import Key
from dnsdisco.model.public import left_out
from dnsdisco.model.service import Health, Instance, LeftOut, Port, Service
from dnsdisco.model.service_data import fault_text, service_from_data
from dnsdisco.providers.kubernetes.objects import (
    annotation,
    as_object,
    ip_address,
    is_ours,
    listed,
    mapping,
    port_from,
    required_key,
)
from dnsdisco.providers.kubernetes.rejected import Faults

SERVICE_LABEL = "kubernetes.io/service-name"  # of a slice: whose it is
NOT_READY = "not ready"  # the reason of a critical endpoint: the API has no other word for it
INSTANCE_ANNOTATION = "dnsdisco/instance"  # of a slice of ours: what was registered, as JSON (docs/services.md)


@dataclass(frozen=True, slots=True)
class SliceObject:
    """Some endpoints of one Service. The instance's id is its address, so that its DNS label is its host name's or its pod's."""

    key: Key
    service: Key
    instances: tuple[Instance, ...]
    registered: Service | None = None  # ours: what was registered, with the one instance as it is now
    left_out: LeftOut | None = None  # endpoints

    @property
    def rejected(self) -> int:
        return self.left_out.number if self.left_out else 0


def slice_from(item: Mapping[str, Any], faults: Faults) -> SliceObject | None:
    """The facts of a slice; None if it belongs to no Service, or if its endpoints are names (FQDN), to which the API gives no meaning."""
    key = required_key(item)
    name = mapping(mapping(item, "metadata"), "labels").get(SERVICE_LABEL)
    if not isinstance(name, str) or not name or item.get("addressType") == "FQDN":
        return None
    ports = _ports(listed(item, "ports"), "endpointslices", key, faults)
    instances: list[Instance] = []
    wrong: list[str] = []
    for each in listed(item, "endpoints"):
        try:
            endpoint = as_object(each, "endpoints")
            is_ready = mapping(endpoint, "conditions").get("ready") is not False
            hostname, node = _names(endpoint)
            for address in listed(endpoint, "addresses"):
                _add(instances, address, ports, hostname, node, is_ready=is_ready)
        except ValueError as error:
            faults.log("endpointslices", key, f"an endpoint: {error}")
            wrong.append(str(error))
    owner = key[0], sys.intern(name)
    registered = _registered(item, key, owner, instances, faults) if is_ours(item) else None
    return SliceObject(key, owner, registered.instances if registered else tuple(instances), registered, _left_out(wrong))


def endpoints_from(item: Mapping[str, Any], faults: Faults) -> SliceObject:
    """The Endpoints object of a Service, whose name it has."""
    key = required_key(item)
    instances: list[Instance] = []
    wrong: list[str] = []
    for each_subset in listed(item, "subsets"):
        try:
            subset = as_object(each_subset, "subsets")
            ports = _ports(listed(subset, "ports"), "endpoints", key, faults)
            found = [(each, True) for each in listed(subset, "addresses")] + [
                (each, False) for each in listed(subset, "notReadyAddresses")
            ]
        except ValueError as error:
            faults.log("endpoints", key, str(error))
            wrong.append(str(error))
            continue
        for each, is_ready in found:
            try:
                endpoint = as_object(each, "addresses")
                _add(instances, endpoint.get("ip"), ports, *_names(endpoint), is_ready=is_ready)
            except ValueError as error:
                faults.log("endpoints", key, f"an address: {error}")
                wrong.append(str(error))
    return SliceObject(key, key, merged(instances), left_out=_left_out(wrong))


def _left_out(wrong: list[str]) -> LeftOut | None:
    return left_out(len(wrong), "", wrong[0]) if wrong else None


def merged(instances: Iterable[Instance]) -> tuple[Instance, ...]:
    """The instances of all slices, one for each address: a controller that moves endpoints has them in two slices for a time, and a pod's ports may be apart.

    An instance has the ports of both, and is ready if it is ready in one of them, as kube-proxy reads it.
    """
    by_address: dict[str, Instance] = {}
    for instance in instances:
        other = by_address.get(instance.id)
        if other is not None:
            ports = tuple(dict.fromkeys((*other.ports, *instance.ports)))
            well = min(other, instance, key=lambda each: each.health)
            instance = replace(other, ports=ports, health=well.health, reason=well.reason)  # noqa: PLW2901
        by_address[instance.id] = instance
    return tuple(by_address.values())


def _add(into: list[Instance], address: Any, ports: tuple[Port, ...], hostname: str, node: str, *, is_ready: bool) -> None:
    canonical = ip_address(address)
    health, reason = (Health.PASSING, "") if is_ready else (Health.CRITICAL, NOT_READY)
    into.append(Instance(canonical, canonical, ports, health=health, hostname=hostname, node=node, reason=reason))


def _names(endpoint: Mapping[str, Any]) -> tuple[str, str]:
    """The endpoint's host name, else its pod's; and its node's."""
    hostname, node = endpoint.get("hostname"), endpoint.get("nodeName")
    if not isinstance(hostname, str) or not hostname:
        target = mapping(endpoint, "targetRef")
        hostname = target.get("name") if target.get("kind") == "Pod" else ""
    return hostname if isinstance(hostname, str) else "", sys.intern(node) if isinstance(node, str) else ""


def _ports(written: list[Any], kind: str, key: Key, faults: Faults) -> tuple[Port, ...]:
    ports: list[Port] = []
    for each in written:
        try:
            port = as_object(each, "ports")
            if port.get("port") is not None:
                ports.append(port_from(port["port"], port.get("name"), port.get("protocol")))
        except ValueError as error:
            faults.log(kind, key, f"a port: {error}")
    return tuple(ports)


def _registered(item: Mapping[str, Any], key: Key, owner: Key, found: list[Instance], faults: Faults) -> Service | None:
    """The instance in the annotation of a slice with one endpoint, unless another program has changed the slice since."""
    try:
        data = annotation(item, INSTANCE_ANNOTATION)
    except ValueError as error:
        faults.log("endpointslices", key, str(error))
        return None
    if data is None or len(found) != 1:
        return None
    service, wrong = service_from_data(owner[1], {each: data[each] for each in data if each != "instances"})
    for path, message, _ in wrong:
        faults.log("endpointslices", key, f"the annotation {INSTANCE_ANNOTATION}: {fault_text(path, message)}")
    if service is None or not service.instances:
        return None
    said, now = service.instances[0], found[0]
    is_same = said.address == now.address and [port.number for port in said.ports] == [port.number for port in now.ports]
    instance = replace(
        said,
        address=now.address,
        ports=said.ports if is_same else now.ports,
        health=Health.CRITICAL if now.health is Health.CRITICAL else min(said.health, Health.WARNING),
        node=said.node or now.node,
        reason=now.reason,
    )
    return replace(service, instances=(instance,))
