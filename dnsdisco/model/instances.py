"""One entry of `instances:` (docs/services.md) becomes an Instance; what is wrong with it leaves out it alone.

Part of `service_data.py`, where the rules are; this is the part that runs a hundred thousand times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from dnsdisco.model.address import canonical_address, parse_url, scheme_from
from dnsdisco.model.fields import health_from, meta_from, port_of_scheme, ports_from, tags_from, text_from
from dnsdisco.model.nested_faults import every_fault
from dnsdisco.model.public import left_out
from dnsdisco.model.service import Health, Instance, INSTANCES_MAX, LeftOut, Port, WEIGHT_MAX
from dnsdisco.written.units import did_you_mean, number_from, shown

Fault = tuple[str, str, bool]  # key path relative to the service ("": the service itself), message, whether it is only a warning
Value = TypeVar("Value")

HINTED_MAX = 100  # unknown keys that are compared with those that are known, at 50 µs each
WRITTEN = "its data says so"  # the reason of an instance that is critical without a check
STRING_OCTETS_MAX = 255  # one string of a TXT record (RFC 1035 §3.3)

# fmt: off
INSTANCE_KEYS = frozenset({
    "id", "address", "port", "ports", "url", "scheme", "weight", "warning_weight", "priority", "tags", "meta", "health", "hostname", "node",
})
# fmt: on
PORT_KEYS = frozenset({"port", "ports"})
# What other programs' files call it: none of these is spelled like what it means here.
_ALSO_CALLED = {
    "host": "address",
    "ip": "address",
    "endpoints": "instances",
    "status": "health",
    "metadata": "meta",
    "labels": "tags",
}


class Shared(NamedTuple):
    """The facts that a service gives for all of its instances."""

    name: str
    scheme: str = ""
    tags: tuple[str, ...] = ()
    values: Mapping[str, Any] = {}  # for those that do not say it themselves


class Read(NamedTuple):
    """The result of reading `instances`: the usable ones, each id once, the scheme of the first one that has one, and what is left out."""

    instances: tuple[Instance, ...]
    scheme: str
    left_out: LeftOut | None


def instances_from(value: Any, shared: Shared, faults: list[Fault]) -> Read:
    if not isinstance(value, Sequence) or isinstance(value, str):
        faults.append(("instances", f"expected a list, found {shown(value)}", False))
        return Read((), "", left_out(0, "", faults[-1][1]))
    instances: dict[str, Instance] = {}
    first_scheme = shared.scheme
    left_out_at = [len(faults)] * (len(value) - INSTANCES_MAX)  # for each instance that is left out, where its faults begin
    if left_out_at:
        faults.append(("instances", f"expected at most {INSTANCES_MAX} instances, found {len(value)}", False))
    for at, data in enumerate(value[:INSTANCES_MAX]):
        faults_before = len(faults)
        path = f"instances[{at}]"
        if not isinstance(data, Mapping):
            faults.append((path, f"expected a mapping such as {{address: 10.0.0.11, port: 8080}}, found {shown(data)}", False))
            left_out_at.append(faults_before)
            continue
        if not INSTANCE_KEYS.issuperset(data):
            report_unknown(f"{path}.", data, INSTANCE_KEYS, faults)
        instance = instance_from(_completed(data, shared.values) if shared.values else data, path, shared, faults)
        if instance is None:
            left_out_at.append(faults_before)
            continue
        if instance.id in instances:
            faults.append((path, f"a second instance with the id {shown(instance.id)} is left out; give each its own `id`", False))
            left_out_at.append(len(faults) - 1)
            continue
        first_scheme = first_scheme or scheme_of(data, [])
        instances[instance.id] = instance
    return Read(
        tuple(instances.values()), first_scheme, _left_out(len(left_out_at), faults[left_out_at[0] :]) if left_out_at else None
    )


def _left_out(count: int, faults: list[Fault]) -> LeftOut | None:
    """*faults*: those of the first instance that is left out, and all behind them. A fault of the service as a whole is none of an instance."""
    path, message = first_fault(faults)
    return left_out(count, path.partition(".")[2], message)


def first_fault(faults: list[Fault]) -> tuple[str, str]:
    """Path and message of the first one that is more than a warning."""
    return next(((path, message) for path, message, is_warning in faults if not is_warning), ("", "its data cannot be used"))


def instance_from(data: Mapping[str, Any], path: str, shared: Shared, faults: list[Fault]) -> Instance | None:
    """One instance; None, and a fault, where it cannot be used."""
    get = data.get
    key = "url"
    try:
        address, number, scheme = get("address"), get("port"), shared.scheme
        url = get("url")
        # The URL gives what the other keys do not; a key that is there, though empty (`port: null`), counts as given.
        if url and not (address is not None and "port" in data and "scheme" in data):
            parts = parse_url(url)
            scheme = scheme or parts.scheme
            address = parts.address if address is None else address
            number = parts.port if "port" not in data and get("ports") is None else number
        key = "scheme"
        if not shared.scheme and get("scheme") is not None:
            scheme = scheme_from(data["scheme"])
        key = "address"
        if address is None:
            faults.append((path, "expected an `address` or a `url`, found neither", False))
            _report_all(data, path, shared, faults)
            return None
        address = canonical_address(address)
        key = "port"
        ports: tuple[Port, ...] = () if number is None else (port_of_scheme(number_from(number, 1, 65535), scheme),)
        key = "ports"
        if get("ports") is not None:
            ports = _joined(ports, ports_from(data["ports"]))
        key = "id"
        given = get("id")
        id_ = derived_id(shared.name, address, ports) if given is None or given == "" else text_from(given)
        key = "weight"
        weight = 1 if get("weight") is None else number_from(data["weight"], 0, WEIGHT_MAX)
        key = "warning_weight"
        warning_weight = 1 if get("warning_weight") is None else number_from(data["warning_weight"], 0, WEIGHT_MAX)
        key = "priority"
        priority = 0 if get("priority") is None else number_from(data["priority"], 0, WEIGHT_MAX)
        key = "health"
        health = Health.PASSING if get("health") is None else health_from(data["health"])
        key = "hostname"
        hostname = "" if get("hostname") is None else text_from(data["hostname"])
        key = "node"
        node = "" if get("node") is None else text_from(data["node"])
    except ValueError as error:
        if not _report_all(data, path, shared, faults):
            faults.append((f"{path}.{key}" if path else key, str(error), False))
        return None
    dot = f"{path}." if path else ""
    tags = lenient(tags_from, data, "tags", dot, faults)
    if shared.tags:
        tags = tuple(dict.fromkeys((*tags, *shared.tags)))  # the tags of a service are those of each instance
    meta = lenient(meta_from, data, "meta", dot, faults)
    report_long(dot, tags, meta, faults)
    instance = Instance(id_, address, ports, weight, warning_weight, priority, tags, meta, health, hostname, node)
    return instance if health is not Health.CRITICAL else replace(instance, reason=WRITTEN)


def _report_all(data: Mapping[str, Any], path: str, shared: Shared, faults: list[Fault]) -> bool:
    """Each value of an instance that cannot be used, not only the one for which it is left out. False: there is none.

    Faults of the facts for all instances are reported once, by the reader of the service.
    """
    has_reported = False
    dot = f"{path}." if path else ""
    for key, read in READ.items():
        value = data.get(key)
        if value is None or value == "":
            continue
        found = every_fault(read, value, key)
        has_reported = has_reported or bool(found)
        if value is not shared.values.get(key):
            faults.extend((dot + at, message, False) for at, message in found)
    return has_reported


def _weight(value: Any) -> int:
    return number_from(value, 0, WEIGHT_MAX)


READ: dict[str, Callable[[Any], Any]] = {
    "url": parse_url,
    "scheme": scheme_from,
    "address": canonical_address,
    "port": lambda value: number_from(value, 1, 65535),
    "ports": ports_from,
    "id": text_from,
    "weight": _weight,
    "warning_weight": _weight,
    "priority": _weight,
    "health": health_from,
    "hostname": text_from,
    "node": text_from,
    "tags": tags_from,
    "meta": meta_from,
}


def derived_id(name: str, address: str, ports: tuple[Port, ...]) -> str:
    """The id of an instance that was given none: the same for the same name, address and first port."""
    return f"{name}-{address}-{ports[0].number}" if ports else f"{name}-{address}"


def scheme_of(data: Mapping[str, Any], faults: list[Fault]) -> str:
    """`scheme`, else the scheme of `url`."""
    scheme = data.get("scheme")
    if scheme is not None:
        return lenient(scheme_from, data, "scheme", "", faults)
    if not data.get("url"):
        return ""
    try:
        return parse_url(data["url"]).scheme
    except ValueError:
        return ""  # reported where the URL itself is read


def lenient(read: Callable[[Any], Value], data: Mapping[str, Any], key: str, dot: str, faults: list[Fault]) -> Value:
    """The result of *read* for `data[key]`; if that cannot be used, note a fault and return the result of *read* for nothing."""
    try:
        return read(data.get(key))
    except ValueError:
        faults.extend((dot + path, message, False) for path, message in every_fault(read, data[key], key))
        return read(None)


def report_long(dot: str, tags: tuple[str, ...], meta: tuple[tuple[str, str], ...], faults: list[Fault]) -> None:
    """A warning for what fits no string of a TXT record as `key=value`: programs get it, and DNS does not."""
    for path, key, value in (("tags", "tags", ",".join(tags)), *((f"meta.{key}", key, value) for key, value in meta)):
        report_long_string(f"{dot}{path}", key, value, faults)


def report_long_string(path: str, key: str, value: str, faults: list[Fault]) -> None:
    octets = len(f"{key}={value}".encode(errors="replace"))
    if octets > STRING_OCTETS_MAX:
        where = f"it is left out of the TXT record, where {STRING_OCTETS_MAX} fit"
        faults.append((path, f"{octets} octets as `{key[:STRING_OCTETS_MAX]}=…`: {where}", True))


def report_unknown(dot: str, data: Mapping[str, Any], known: frozenset[str], faults: list[Fault]) -> None:
    """A warning for each key that means nothing: it is passed over."""
    unknown = [key for key in data if key not in known]
    for at, key in enumerate(unknown):
        if at < HINTED_MAX:
            word = str(key).lower()[:64]
            meant = _ALSO_CALLED.get(word)
            hint = f"; did you mean {meant}?" if meant in known else did_you_mean(word, known)
        else:
            hint = ""
        faults.append((f"{dot}{key}", f"unknown key{hint}", True))


def _completed(data: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """The facts for all instances with those of one on top, without the ports for all where the instance has its own."""
    has_ports = any(data.get(key) is not None for key in ("port", "ports", "url"))
    return {**{key: value for key, value in shared.items() if not (has_ports and key in PORT_KEYS)}, **data}


def _joined(bare: tuple[Port, ...], named: tuple[Port, ...]) -> tuple[Port, ...]:
    """`port` first, under its name in `ports` where it has one."""
    if not bare or (named and named[0].number == bare[0].number):
        return tuple(dict.fromkeys(named))
    first = tuple(port for port in named if port.number == bare[0].number) or bare
    return tuple(dict.fromkeys((*first, *named)))
