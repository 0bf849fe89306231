"""Service data as people, files and plug-ins write it (docs/services.md) ↔ Service. Read first for what a service may have.

Nothing here raises for what is in the data. What cannot be used is left out alone, with a fault that has its place and reason: a wrong address, port,
id, weight or health leaves out its instance; a wrong tag list, meta, check, record or TTL only itself. Everything has a fault or is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnsdisco.errors import shortened
from dnsdisco.model import probe_target
from dnsdisco.model.address import build_url, parse_url
from dnsdisco.model.fields import check_from, ENTRIES_MAX, meta_from, record_from, tags_from, ttl_from, unknown_in_check
from dnsdisco.model.identity import Identity, identity_from
from dnsdisco.model.identity import KEYS as IDENTITY_KEYS
from dnsdisco.model.instances import (
    derived_id,
    Fault,
    first_fault,
    instance_from,
    INSTANCE_KEYS,
    instances_from,
    lenient,
    READ,
    report_long,
    report_long_string,
    report_unknown,
    scheme_of,
    Shared,
)
from dnsdisco.model.library_dict import service_to_dict
from dnsdisco.model.nested_faults import every_fault
from dnsdisco.model.public import left_out, public_url
from dnsdisco.model.service import Instance, Record, Service
from dnsdisco.written.units import shown

__all__ = ["Fault", "derived_id", "fault_text", "service_from_data", "service_to_dict"]

FAULTS_MAX = 1000  # of one service: beyond, the same slip is repeated and only costs memory

_SHARED_KEYS = ("port", "ports", "weight", "warning_weight", "priority")  # beside `instances`: for instances without one
_SERVICE_KEYS = frozenset({"url", "scheme", "ttl", "tags", "meta", "check", "records", "when_all_unhealthy"}) | IDENTITY_KEYS
_FULL_KEYS = _SERVICE_KEYS | frozenset(_SHARED_KEYS) | {"instances"}
_ONE_KEYS = _SERVICE_KEYS | INSTANCE_KEYS | {"instances"}
_VIEW_KEYS = _ONE_KEYS | {"service"}  # the library's own dict: its top level repeats one of the instances


def fault_text(path: str, message: str) -> str:
    """A fault of service_from_data() as a log line has it: the place, short however long a key is that it names, and what was expected."""
    return f"{shortened(path)}: {message}" if path else message


def rejection(faults: list[Fault], place: str = "") -> str:
    """Why nothing of a service can be used, from the *faults* that service_from_data() had with it. *place*: where its data stand."""
    path, message = first_fault(faults)
    why = left_out(0, ": ".join(filter(None, (place, path))), message)
    return why.reason if why else ""


def service_from_data(key: Any, data: Any) -> tuple[Service | None, list[Fault]]:
    """The service that *data*, which stand at *key*, describe, None when nothing of it can be used, and every fault. O(instances), about 10 µs each."""
    faults: list[Fault] = []
    identity = identity_from(key, data, faults)
    if identity is None:
        return None, faults
    name = identity.name
    if not isinstance(data, Mapping):
        return None, [("", f"expected a mapping such as {{address: 10.0.0.11, port: 8080}}, found {shown(data)}", False)]
    if data.get("instances") is None:
        service = _one_instance(name, data, faults)
    elif "service" in data or ("id" in data and "health" in data):
        service = _library_view(name, data, faults)
    else:
        service = _full(name, data, faults)
    if len(faults) > FAULTS_MAX:
        faults[FAULTS_MAX:] = [("", f"{len(faults) - FAULTS_MAX} more faults", False)]
    return identity.of(service) if service is not None and identity[1:] != Identity(name)[1:] else service, faults


def _one_instance(name: str, data: Mapping[str, Any], faults: list[Fault]) -> Service | None:
    """The short form: the service and its only instance in one mapping."""
    if not _ONE_KEYS.issuperset(data):
        report_unknown("", data, _ONE_KEYS, faults)
    instance = instance_from(data, "", Shared(name), faults)
    if instance is None:
        return None
    scheme = scheme_of(data, faults)
    url = str(data.get("url") or "")
    if url == build_url(scheme, instance.address, instance.ports[0].number if instance.ports else None):
        url = ""  # it is the URL that is built anyway
    service = _service(name, data, faults, instances=(instance,), url=url, scheme=scheme, tags=instance.tags, meta=instance.meta)
    _report_long_texts(service, faults)
    _report_unchecked(service, faults)
    if instance.is_host and service == Service(name, instances=(Instance(instance.id, instance.address),)):
        return Service(name, instances=(instance,), alias_of=instance.address)  # nothing but another name
    return service


def _full(name: str, data: Mapping[str, Any], faults: list[Fault]) -> Service:
    """The full form: the data of the service as a whole, and `instances`."""
    if not _FULL_KEYS.issuperset(data):
        misplaced = [key for key in data if key in INSTANCE_KEYS and key not in _FULL_KEYS]
        faults.extend((key, f"`{key}` goes into each of `instances`; it is not used here", True) for key in misplaced)
        report_unknown("", data, _FULL_KEYS | INSTANCE_KEYS, faults)
    scheme = scheme_of(data, faults)
    tags = lenient(tags_from, data, "tags", "", faults)
    shared = Shared(name, scheme, tags, {key: data[key] for key in _SHARED_KEYS if data.get(key) is not None})
    for key, value in shared.values.items():
        faults.extend((path, message, False) for path, message in every_fault(READ[key], value, key))
    instances, scheme, left_out = instances_from(data["instances"], shared, faults)
    service = _service(
        name,
        data,
        faults,
        instances=instances,
        left_out=left_out,
        url=_url(data, faults),
        scheme=scheme,
        tags=tags,
        meta=lenient(meta_from, data, "meta", "", faults),
    )
    report_long("", service.tags, service.meta, faults)
    _report_long_texts(service, faults)
    _report_unchecked(service, faults)
    return service


def _library_view(name: str, data: Mapping[str, Any], faults: list[Fault]) -> Service:
    """The dict that service_to_dict() made: only `service` and `instances` have data that are not in the other keys."""
    if not _VIEW_KEYS.issuperset(data):
        report_unknown("", data, _VIEW_KEYS, faults)
    scheme = scheme_of({"scheme": data.get("scheme")}, faults)
    instances, scheme, left_out = instances_from(data["instances"], Shared(name, scheme), faults)
    whole = data.get("service")
    if not isinstance(whole, Mapping):
        whole = _said_of_the_whole(data, scheme, instances)
    alias = str(whole.get("alias_of") or "")
    return _service(
        name,
        data,
        faults,
        instances=instances,
        left_out=left_out,
        url=_url(whole, faults),
        scheme=scheme,
        tags=lenient(tags_from, whole, "tags", "service.", faults),
        meta=lenient(meta_from, whole, "meta", "service.", faults),
        alias_of=alias if any(alias == instance.address for instance in instances) else "",
    )


def _said_of_the_whole(data: Mapping[str, Any], scheme: str, instances: tuple[Instance, ...]) -> Mapping[str, Any]:
    """True if the data of the whole service are those of its only instance, all or none; then service_to_dict() leaves `service` out."""
    if len(instances) != 1:
        return {} if instances else {key: data[key] for key in ("url", "tags", "meta") if key in data}
    only = instances[0]
    built = build_url(scheme, only.address, only.ports[0].number if only.ports else None)
    return {"url": None if data.get("url") == built else data.get("url"), "tags": only.tags, "meta": dict(only.meta)}


def _service(name: str, data: Mapping[str, Any], faults: list[Fault], **values: Any) -> Service:
    """The Service made of *values* and of the keys that most services leave at their defaults: ttl, check, records, health policy."""
    if data.get("ttl") is not None:
        values["ttl"] = lenient(ttl_from, data, "ttl", "", faults)
    if data.get("check") is not None:
        values["check"] = lenient(check_from, data, "check", "", faults)
        faults.extend((f"check.{key}", "unknown key; it is not used", True) for key in unknown_in_check(data["check"]))
    if data.get("records") is not None:
        values["records"] = _records(data["records"], faults)
    policy = data.get("when_all_unhealthy")
    if isinstance(policy, str) and policy in {"fail_open", "empty"}:
        values["when_all_unhealthy"] = policy
    elif policy is not None and policy != "":
        faults.append(("when_all_unhealthy", f"expected fail_open or empty, found {shown(policy)}", False))
    return Service(name, **values)


def _report_long_texts(service: Service, faults: list[Fault]) -> None:
    """Report the public URL and the scheme if a TXT record has no room for them."""
    report_long_string("url", "url", public_url(service.url), faults)
    report_long_string("scheme", "scheme", service.scheme, faults)


def _report_unchecked(service: Service, faults: list[Fault]) -> None:
    """Instances that the service's check may not ask; their health stays as written."""
    if service.check is not None:
        where = "check.http" if service.check.http else "check.tcp"
        faults.extend((where, reason, False) for reason in probe_target.faults(service.check, service.instances))


def _url(data: Mapping[str, Any], faults: list[Fault]) -> str:
    url = data.get("url")
    if not url:
        return ""
    try:
        parse_url(url)
    except ValueError as error:
        faults.append(("url", str(error), False))
        return ""
    return str(url)


def _records(value: Any, faults: list[Fault]) -> tuple[Record, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        faults.append(("records", f"expected a list of records, found {shown(value)}", False))
        return ()
    if len(value) > ENTRIES_MAX:
        faults.append(("records", f"expected at most {ENTRIES_MAX} entries, found {len(value)}", False))
        return ()
    records = []
    for at, each in enumerate(value):
        try:
            records.append(record_from(each))
        except ValueError as error:
            faults.append((f"records[{at}]", str(error), False))
    return tuple(records)
