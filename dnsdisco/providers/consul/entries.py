"""The answer to /v1/health/service/NAME becomes a Service. Pure: no I/O, and nothing in the data raises."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from dnsdisco.model.address import parse_url, scheme_from
from dnsdisco.model.fields import ports_from, TEXT_CHARACTERS_MAX
from dnsdisco.model.instances import Fault, instance_from, Shared
from dnsdisco.model.names import service_label
from dnsdisco.model.public import left_out, reason_from
from dnsdisco.model.service import Health, Instance, INSTANCES_MAX, Port, Service
from dnsdisco.model.service_data import fault_text
from dnsdisco.written.units import shown

# A check's status. What a later Consul may add is taken for the worst: no client is sent to an instance that is not known to be healthy.
_HEALTH = {"passing": Health.PASSING, "warning": Health.WARNING, "critical": Health.CRITICAL}
# What the agent prints of an HTTP check: "HTTP GET http://…: 503 Service Unavailable Output: the body".
_HTTP_STATUS = re.compile(r"HTTP [A-Z]+ \S+: ([1-9][0-9]{2}\b.*?)(?: Output:|$)", re.MULTILINE)

SCHEME_KEY, URL_KEY = "scheme", "url"  # of the meta; Consul itself has no place for them


class Wanted(NamedTuple):
    """Which instances count."""

    tags: frozenset[str] = frozenset()  # those that carry all of them
    proxies: bool = False  # those that are sidecar proxies or gateways, too


class Reading(NamedTuple):
    """`service` is None where no instance is wanted. `is_empty`: there was none at all, which a listed service never is."""

    service: Service | None
    faults: list[tuple[str, str]]  # which instance, and why it, or the part of it that is named, is left out
    is_empty: bool
    fingerprint: int
    rejected: int = 0  # instances that are left out whole


def refused_name(name: Any) -> str:
    """Why there can be no service of that name; "": there can."""
    if not isinstance(name, str) or not name.isprintable():
        return f"a name with control characters is no service: {shown(name)}"
    if service_label(name) is None:
        return f"a name that makes no DNS label (1 to 63 characters, a letter or a digit among them): {shown(name)}"
    return ""


def read_entries(name: str, entries: Any, wanted: Wanted) -> Reading:
    """*entries*: as in the answer, a list. O(instances), some 15 µs each.

    A service whose instances are all faulty is known, and has no instances.
    """
    faults: list[tuple[str, str]] = []
    instances: dict[tuple[str, str], Instance] = {}
    schemes: set[str] = set()
    urls: set[str] = set()
    is_wanted = not entries
    mark = 0
    why = ("", "expected a mapping")
    rejected = len(entries) - sum(isinstance(entry, dict) for entry in entries[:INSTANCES_MAX])
    shared = Shared(name)
    for entry in _of_that_name(name, entries[:INSTANCES_MAX], faults):
        node, said = _mapping(entry.get("Node")), _mapping(entry.get("Service"))
        mark ^= fingerprint(node.get("Node"), node.get("ModifyIndex"), said.get("ID"), said.get("ModifyIndex"))
        if said.get("Kind") and not wanted.proxies:
            continue
        found: list[Fault] = []
        tags = _tags(said.get("Tags"), found)
        if not wanted.tags.issubset(tags):
            continue
        is_wanted = True
        instance = _instance(node, said, tags, entry.get("Checks"), shared, found)
        if found:
            who = f"instance {shown(said.get('ID'))} on {shown(node.get('Node'))}"
            faults += [(who, fault_text(path, message)) for path, message, _ in found]
        if instance is None:
            why = why if rejected else next((path, message) for path, message, is_warning in found if not is_warning)
            rejected += 1
            continue
        if instances.setdefault((instance.node, instance.id), instance) is not instance:
            continue
        meta = _mapping(said.get("Meta"))
        schemes.add(_scheme(meta))
        urls.add(_url(meta))
    if not is_wanted:
        return Reading(None, faults, is_empty=False, fingerprint=mark, rejected=rejected)
    # Two answers may list the same instances in another order.
    ordered = tuple(instances[key] for key in sorted(instances, key=lambda key: (key[1], key[0])))
    service = Service(name, instances=ordered, left_out=left_out(rejected, *why) if rejected else None)
    if schemes not in (set(), {""}) or urls not in (set(), {""}):
        service = _with_scheme(service, schemes, urls)
    return Reading(service, faults, is_empty=not entries, fingerprint=mark, rejected=rejected)


def fingerprint(node: object, node_index: object, id_: object, index: object) -> int:
    """A number for one instance in one state. XOR over a service's instances distinguishes two states of it; only within this process."""
    return hash((str(node), str(node_index), str(id_), str(index)))


def _of_that_name(name: str, entries: Sequence[Any], faults: list[tuple[str, str]]) -> Sequence[Mapping[str, Any]]:
    """An agent takes `web` and `Web` for one: asked for either it answers with the instances of both, which are two in its list."""
    usable = [entry for entry in entries if isinstance(entry, dict)]
    if len(usable) < len(entries):
        faults.append(("an instance", "expected a mapping"))
    named = [entry for entry in usable if _mapping(entry.get("Service")).get("Service", name) == name]
    return named or usable


def _instance(
    node: Mapping[str, Any], service: Mapping[str, Any], tags: list[str], checks: Any, shared: Shared, faults: list[Fault]
) -> Instance | None:
    try:
        ports = _ports(service, faults)
    except ValueError as error:
        faults.append(("Ports", str(error), False))
        return None
    weights = _mapping(service.get("Weights"))
    data = {
        "id": service.get("ID"),
        "address": service.get("Address") or node.get("Address"),
        "port": None if ports else service.get("Port") or None,  # 0: it has none
        "weight": weights.get("Passing"),
        "warning_weight": weights.get("Warning"),
        "scheme": _scheme(_mapping(service.get("Meta"))) or None,
        "tags": tags,
        "meta": service.get("Meta"),
        "node": node.get("Node"),
        "health": worst(checks),
    }
    instance = instance_from(data, "", shared, faults)
    if instance is not None and instance.health is Health.CRITICAL:
        instance = replace(instance, reason=_reason(checks))
    return replace(instance, ports=ports) if instance is not None and ports else instance


def worst(checks: Any) -> Health:
    """The worst status among the node's and the service's checks; maintenance is a check that is critical. Without checks: passing."""
    health = Health.PASSING
    for check in _sequence(checks):
        status = check.get("Status") if isinstance(check, dict) else None
        if status != "passing":
            health = max(health, _HEALTH.get(str(status), Health.CRITICAL))
    return health


def _reason(checks: Any) -> str:
    """The reason of the first check that is critical: its output, else its owner's notes, else its name.

    For an HTTP check it is the status line: the body may be anything, and the URL is the owner's own.
    """
    check = next(
        (_mapping(each) for each in _sequence(checks) if _mapping(each) and worst([each]) is Health.CRITICAL), _mapping(None)
    )
    for key in ("Output", "Notes", "Name"):
        said = check.get(key)
        reason = reason_from(said) if isinstance(said, str) else ""
        if reason:
            status = _HTTP_STATUS.match(str(said))
            return reason_from(f"HTTP {status[1]}") if status else reason
    return ""


def _tags(value: Any, faults: list[Fault]) -> list[str]:
    """Some carry the whole configuration of a proxy in one tag, which no DNS label could name: it goes, the others stay."""
    tags = []
    for tag in _sequence(value):
        if isinstance(tag, str) and 0 < len(tag) <= TEXT_CHARACTERS_MAX and tag.isprintable():
            tags.append(tag)
        else:
            faults.append(("Tags", f"expected tags of 1 to {TEXT_CHARACTERS_MAX} printable characters, found {shown(tag)}", True))
    return tags


def _ports(service: Mapping[str, Any], faults: list[Fault]) -> tuple[Port, ...]:
    """The named ones that Consul has since 1.22, in place of `Port`; the default one first. Raises ValueError when none can be used."""
    listed = [port for port in _sequence(service.get("Ports")) if isinstance(port, dict)]
    if not listed:
        return ()
    ports: list[Port] = []
    for each in sorted(listed, key=lambda port: port.get("Default") is not True):
        try:
            ports += ports_from([{"port": each.get("Port"), "name": each.get("Name")}])
        except ValueError as error:
            faults.append(("Ports", str(error), False))
    if not ports:
        raise ValueError("none of them can be used")
    return tuple(dict.fromkeys(ports))


def _with_scheme(service: Service, schemes: set[str], urls: set[str]) -> Service:
    """Meta that all instances have in common are meta of the service."""
    scheme = schemes.pop() if len(schemes) == 1 else ""
    return replace(service, scheme=scheme, url=urls.pop() if len(urls) == 1 else "")


def _scheme(meta: Mapping[str, Any]) -> str:
    if SCHEME_KEY not in meta:
        return ""
    try:
        return scheme_from(meta.get(SCHEME_KEY))
    except ValueError:
        return ""  # a key of that name with another meaning


def _url(meta: Mapping[str, Any]) -> str:
    url = meta.get(URL_KEY)
    if url is None:
        return ""
    try:
        parse_url(url)
    except ValueError:
        return ""
    return str(url)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
