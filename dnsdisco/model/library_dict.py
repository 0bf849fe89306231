"""A Service becomes the dict that the library gives to programs: the seed's keys, and whatever else was given.

`service_from_data()` reads such a dict back into an equal Service, so that providers, chains and servers can hand it on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dnsdisco.model.address import build_url
from dnsdisco.model.choice import best, usable
from dnsdisco.model.fields import port_of_scheme
from dnsdisco.model.identity import identity_to_dict
from dnsdisco.model.service import Check, Instance, Port, Record, Service

Choose = Callable[[tuple[Instance, ...]], Instance]  # never called with nothing


def service_to_dict(service: Service, choose: Choose = best) -> dict[str, Any]:
    """url, address, port, scheme, tags, meta, id, health of the instance that *choose* takes, and `instances` with the same of each.

    address, port, id and health are None when there is no instance to choose. `name` is there beside namespace or aliases. ttl, records, check and when_all_unhealthy are there when
    they were given, and `service` when its own url, tags or meta are not those of its only instance.
    """
    instances = usable(service.instances, fails_open=service.when_all_unhealthy != "empty")
    chosen = choose(instances) if instances else None
    top = instance_to_dict(service, chosen) if chosen else _nobody(service)
    if chosen and service.url:
        top["url"] = service.url
    for key in ("ports", "weight", "warning_weight", "priority", "node", "hostname"):
        top.pop(key, None)  # of one instance, and to be read there
    top["tags"] = list(dict.fromkeys((*top["tags"], *service.tags)))
    top["meta"] = {**dict(service.meta), **top["meta"]}
    top["instances"] = [instance_to_dict(service, instance) for instance in service.instances]
    whole = _said_of_the_whole(service, is_url_shown=top["url"] == service.url)
    if whole is not None:
        top["service"] = whole
    top |= identity_to_dict(service)
    if service.ttl is not None:
        top["ttl"] = service.ttl
    if service.when_all_unhealthy:
        top["when_all_unhealthy"] = service.when_all_unhealthy
    if service.records:
        top["records"] = [_record(record) for record in service.records]
    if service.check:
        top["check"] = _check(service.check)
    return top


def instance_to_dict(service: Service, instance: Instance) -> dict[str, Any]:
    """One of `instances`. Ports, weights and priority are there where they differ from what is taken for granted."""
    port = instance.ports[0].number if instance.ports else None
    plain: dict[str, Any] = {
        "url": _url(service, instance, port),
        "address": instance.address,
        "port": port,
        "scheme": service.scheme,
        "tags": list(instance.tags),
        "meta": dict(instance.meta),
        "id": instance.id,
        "health": instance.health.word,
    }
    if instance.ports and instance.ports != (port_of_scheme(instance.ports[0].number, service.scheme),):
        plain["ports"] = _ports(instance.ports)
    if instance.weight != 1:
        plain["weight"] = instance.weight
    if instance.warning_weight != 1:
        plain["warning_weight"] = instance.warning_weight
    if instance.priority:
        plain["priority"] = instance.priority
    if instance.hostname:
        plain["hostname"] = instance.hostname
    if instance.node:
        plain["node"] = instance.node
    return plain


def _url(service: Service, instance: Instance, port: int | None) -> str:
    """The URL of a service is that of its only instance; with several instances it is the URL of the service as a whole."""
    if service.url and len(service.instances) == 1:
        return service.url
    return build_url(service.scheme, instance.address, port)


def _nobody(service: Service) -> dict[str, Any]:
    return {
        "url": service.url or None if not service.instances else None,
        "address": None,
        "port": None,
        "scheme": service.scheme,
        "tags": [],
        "meta": {},
        "id": None,
        "health": None,
    }


def _said_of_the_whole(service: Service, *, is_url_shown: bool) -> dict[str, Any] | None:
    """The value for the whole service; None if service_data.py concludes the same from the rest."""
    whole: dict[str, Any] = {}
    if service.alias_of:
        whole["alias_of"] = service.alias_of
    if service.url:
        whole["url"] = service.url
    if service.tags:
        whole["tags"] = list(service.tags)
    if service.meta:
        whole["meta"] = dict(service.meta)
    if len(service.instances) == 1 and not service.alias_of:
        only = service.instances[0]
        built = build_url(service.scheme, only.address, only.ports[0].number if only.ports else None)
        is_concluded = (
            (not service.url or (is_url_shown and service.url != built)) and service.tags == only.tags and service.meta == only.meta
        )
    else:
        is_concluded = not whole or (not service.instances and not service.alias_of)
    return None if is_concluded else whole


def _ports(ports: tuple[Port, ...]) -> dict[str, Any] | list[dict[str, Any]]:
    names = {port.name for port in ports}
    if "" in names or len(names) < len(ports):
        return [{"port": port.number, "name": port.name, "protocol": port.protocol} for port in ports]
    return {port.name: f"{port.number}/{port.protocol}" if port.protocol else port.number for port in ports}


def _record(record: Record) -> dict[str, Any]:
    value = list(record.value) if isinstance(record.value, tuple) else record.value
    plain: dict[str, Any] = {"type": record.type, "value": value}
    if record.name:
        plain["name"] = record.name
    if record.ttl is not None:
        plain["ttl"] = record.ttl
    return plain


def _check(check: Check) -> dict[str, Any]:
    return {
        **({"http": check.http} if check.http else {"tcp": check.tcp}),
        "interval": check.interval_s,
        "timeout": check.timeout_s,
        "rise": check.rise,
        "fall": check.fall,
        "initial": check.initial.word,
        **({} if check.verify else {"verify": False}),
    }
