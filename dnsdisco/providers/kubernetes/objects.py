"""Raw JSON of Services and Nodes → small facts. Each object alone; what is wrong with a part leaves out that part.

A parser raises ValueError for an object that cannot be used at all, and reports a part to *faults*. `null` stands for "nothing" wherever
the API allows it, and servers write it where one would expect a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dnsdisco.model.address import canonical_address, host_name
from dnsdisco.model.diff import Key
from dnsdisco.model.fields import ports_from
from dnsdisco.model.service import Port, Service
from dnsdisco.model.service_data import fault_text, service_from_data
from dnsdisco.providers.kubernetes.rejected import Faults
from dnsdisco.written.units import shown, unexpected

MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = "dnsdisco"
SERVICE_ANNOTATION = "dnsdisco/service"  # JSON in the forms of docs/services.md: what a Service object has no field for
SCHEMES = frozenset({"http", "https", "ws", "wss"})  # port names and appProtocols that are schemes of a URL
HEADLESS = "None"

_SAID_KEYS = frozenset(
    {"scheme", "ttl", "tags", "meta", "records", "when_all_unhealthy"}
)  # of the whole; addresses are Kubernetes' word


@dataclass(frozen=True, slots=True)
class ServiceObject:
    """One Service. `said`: the data of its annotation; only the parts for the service as a whole count."""

    key: Key
    kind: str  # ClusterIP, NodePort, LoadBalancer, ExternalName
    is_headless: bool
    cluster_ips: tuple[str, ...]  # () while it has none yet
    external_name: str  # canonical; "" where it is none, or cannot be used
    ports: tuple[Port, ...]
    node_ports: tuple[Port, ...]
    ingress: tuple[str, ...]  # of its load balancer: addresses and host names
    publishes_not_ready: bool
    is_local_only: bool  # a node sends what comes to its port to its own endpoints alone
    is_ours: bool
    scheme: str
    said: Service | None


@dataclass(frozen=True, slots=True)
class NodeObject:
    key: Key  # ("", name)
    addresses: tuple[str, ...]  # InternalIP
    is_ready: bool


def service_from(item: Mapping[str, Any], faults: Faults) -> ServiceObject:
    key = required_key(item)
    spec = mapping(item, "spec")
    kind = spec.get("type") or "ClusterIP"
    written = listed(spec, "clusterIPs") or [spec.get("clusterIP")]
    ports = listed(spec, "ports")
    is_external = kind == "ExternalName"

    def log(reason: str) -> None:
        faults.log("services", key, reason)

    return ServiceObject(
        key=key,
        kind=str(kind),
        is_headless=HEADLESS in written and not is_external,
        cluster_ips=() if is_external else tuple(_addresses((each for each in written if each and each != HEADLESS), log)),
        external_name=_external_name(spec.get("externalName"), log) if is_external else "",
        ports=tuple(_ports(ports, "port", log)),
        node_ports=tuple(_ports((port for port in ports if isinstance(port, Mapping) and port.get("nodePort")), "nodePort", log)),
        ingress=tuple(_ingress(item, log)),
        publishes_not_ready=spec.get("publishNotReadyAddresses") is True,
        is_local_only=spec.get("externalTrafficPolicy") == "Local",
        is_ours=is_ours(item),
        scheme=_scheme(ports),
        said=_said(item, log),
    )


def node_from(item: Mapping[str, Any], faults: Faults) -> NodeObject:
    name = mapping(item, "metadata").get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("it has no name")
    status = mapping(item, "status")
    internal = [
        each.get("address")
        for each in listed(status, "addresses")
        if isinstance(each, Mapping) and each.get("type") == "InternalIP"
    ]
    ready = any(
        isinstance(each, Mapping) and each.get("type") == "Ready" and each.get("status") == "True"
        for each in listed(status, "conditions")
    )
    return NodeObject(("", name), tuple(_addresses(iter(internal), lambda reason: faults.log("nodes", ("", name), reason))), ready)


def key_of(item: Any) -> Key | None:
    """Namespace ("" where it has none) and name; None: it has no name."""
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    if not isinstance(metadata, Mapping):
        return None
    name, namespace = metadata.get("name"), metadata.get("namespace") or ""
    return (namespace, name) if isinstance(name, str) and name and isinstance(namespace, str) else None


def required_key(item: Mapping[str, Any]) -> Key:
    key = key_of(item)
    if key is None or not key[0]:
        raise ValueError("it has no name or no namespace")
    return key


def is_ours(item: Mapping[str, Any]) -> bool:
    return mapping(mapping(item, "metadata"), "labels").get(MANAGED_BY) == OURS


def annotation(item: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The JSON object in it; None: there is none. Raises ValueError for anything else."""
    text = mapping(mapping(item, "metadata"), "annotations").get(name)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise ValueError(f"the annotation {name} is not JSON: {shown(text)}") from None
    return as_object(value, f"the annotation {name}")


def mapping(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under *name*; null is an empty one. Raises ValueError for anything else."""
    value = item.get(name)
    return {} if value is None else as_object(value, name)


def as_object(value: Any, what: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ValueError(f"{what}: expected an object, found {shown(value)}")


def listed(item: Mapping[str, Any], name: str) -> list[Any]:
    """The list under *name*; null is an empty one. Raises ValueError for anything else."""
    value = item.get(name)
    if value is None or isinstance(value, list):
        return value or []
    raise ValueError(f"{name}: expected a list, found {shown(value)}")


def port_from(number: Any, name: Any, protocol: Any) -> Port:
    """Raises ValueError for what is no port. Without a protocol it is TCP, as in the API."""
    return ports_from([{"port": number, "name": name or "", "protocol": protocol or "tcp"}])[0]


def ip_address(value: Any) -> str:
    """Canonical. Raises ValueError for anything else, a host name too."""
    address = canonical_address(value)
    if ":" not in address and not address.replace(".", "").isdigit():
        raise unexpected("an IP address", value)
    return address


def _ports(written: Any, number: str, log: Any) -> Iterator[Port]:
    for each in written:
        try:
            port = as_object(each, "ports")
            yield port_from(port.get(number), port.get("name"), port.get("protocol"))
        except ValueError as error:
            log(f"a port: {error}")


def _addresses(written: Iterator[Any], log: Any) -> Iterator[str]:
    for each in written:
        try:
            yield ip_address(each)
        except ValueError as error:
            log(str(error))


def _external_name(written: Any, log: Any) -> str:
    try:
        return canonical_address(written)
    except ValueError as error:
        log(f"externalName: {error}")
        return ""


def _ingress(item: Mapping[str, Any], log: Any) -> Iterator[str]:
    for each in listed(mapping(mapping(item, "status"), "loadBalancer"), "ingress"):
        try:
            one = as_object(each, "ingress")
            yield ip_address(one["ip"]) if one.get("ip") else host_name(str(one.get("hostname") or ""))
        except ValueError as error:
            log(f"an ingress: {error}")


def _scheme(ports: list[Any]) -> str:
    """The scheme of its URL: the first port's appProtocol, else its name, if these are words for a scheme."""
    first = ports[0] if ports and isinstance(ports[0], Mapping) else {}
    for word in (first.get("appProtocol"), first.get("name")):
        if isinstance(word, str) and word.lower() in SCHEMES:
            return word.lower()
    return ""


def _said(item: Mapping[str, Any], log: Any) -> Service | None:
    try:
        data = annotation(item, SERVICE_ANNOTATION)
    except ValueError as error:
        log(str(error))
        return None
    if data is None:
        return None
    for key in data:
        if key not in _SAID_KEYS:
            log(
                f"the annotation {SERVICE_ANNOTATION} says {shown(key)}, which is not used; it may say {', '.join(sorted(_SAID_KEYS))}"
            )
    service, faults = service_from_data("x", {**{key: data[key] for key in data if key in _SAID_KEYS}, "instances": []})
    for path, message, _ in faults:
        log(f"the annotation {SERVICE_ANNOTATION}: {fault_text(path, message)}")
    return service
