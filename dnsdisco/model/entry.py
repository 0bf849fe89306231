"""What control publishes and every worker holds: services with their final names, and the state of each provider.

The link carries `to_plain` forms as JSON: data only, so that nothing on the link can run code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dnsdisco.model.service import Health, Instance, LeftOut, Port, Service

Path = tuple[str, ...]  # labels left of the zone, as in a name: ("web",) or ("web", "default")


@dataclass(frozen=True, slots=True)
class ExtraRecord:
    """A record ready to be answered. `owner` labels are left of the service (or, in a zone file, of the zone)."""

    owner: Path
    rtype: int
    ttl: int | None  # seconds; None: the service's
    rdata: bytes  # uncompressed wire form


@dataclass(frozen=True, slots=True)
class Entry:
    """One published service. `paths[0]` is its canonical name: the one that PTR and SRV targets use."""

    key: str  # ".".join(paths[0]); labels of services hold no dot
    paths: tuple[Path, ...]
    provider: str  # whose readiness and age decide for names below it
    service: Service  # every instance has its label
    records: tuple[ExtraRecord, ...] = ()
    fails_open: bool = True  # when every instance is critical: all of them (True) or none
    shadows: tuple[str, ...] = ()  # providers that have it too and were not asked
    merged: tuple[str, ...] = ()  # other providers that instances come from (`chain: merge`): their age counts as well


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What an answer must know of a provider."""

    name: str
    has_synced: bool  # False: a name it might know is SERVFAIL + EDE 14, not NXDOMAIN
    is_stale: bool = False  # its answers carry EDE 3
    reason: str = ""  # for the EDE's text: "no contact since 12:00:03Z: connection refused"
    is_optional: bool = False  # never holds back an NXDOMAIN


def instance_to_plain(instance: Instance) -> list[Any]:
    ports = [[port.number, port.name, port.protocol] for port in instance.ports]
    plain = [
        instance.id,
        instance.label,
        instance.address,
        ports,
        instance.weight,
        instance.warning_weight,
        instance.priority,
        int(instance.health),
        int(instance.is_virtual),
        list(instance.tags),
        dict(instance.meta),
        instance.reason,
    ]
    while plain and not plain[-1] and len(plain) > 8:  # most instances have neither tags nor meta, and are well
        plain.pop()
    return plain


def instance_from_plain(plain: list[Any]) -> Instance:
    number_of_fields = len(plain)
    return Instance(
        id=plain[0],
        label=plain[1],
        address=plain[2],
        ports=tuple(Port(number, name, protocol) for number, name, protocol in plain[3]),
        weight=plain[4],
        warning_weight=plain[5],
        priority=plain[6],
        health=Health(plain[7]),
        is_virtual=number_of_fields > 8 and bool(plain[8]),
        tags=tuple(plain[9]) if number_of_fields > 9 else (),
        meta=tuple(plain[10].items()) if number_of_fields > 10 else (),
        reason=plain[11] if number_of_fields > 11 else "",
    )


def entry_to_plain(entry: Entry, instances: Iterable[Instance]) -> dict[str, Any]:
    """*instances*: the first of its own; the others follow (delta.py)."""
    service = entry.service
    return {
        "paths": [list(path) for path in entry.paths],
        "provider": entry.provider,
        "name": service.name,
        "namespace": service.namespace,
        "url": service.url,
        "scheme": service.scheme,
        "ttl": service.ttl,
        "tags": list(service.tags),
        "meta": dict(service.meta),
        "alias_of": service.alias_of,
        "fails_open": entry.fails_open,
        "records": [[list(extra.owner), extra.rtype, extra.ttl, extra.rdata.hex()] for extra in entry.records],
        "instances": [instance_to_plain(instance) for instance in instances],
        **({"left_out": list(service.left_out)} if service.left_out else {}),
        **({"merged": list(entry.merged)} if entry.merged else {}),
    }


def entry_from_plain(plain: dict[str, Any], instances: tuple[Instance, ...]) -> Entry:
    """*instances*: made of those in *plain*, and in what continues it."""
    paths = tuple(tuple(path) for path in plain["paths"])
    service = Service(
        name=plain["name"],
        namespace=plain["namespace"],
        instances=instances,
        url=plain["url"],
        scheme=plain["scheme"],
        ttl=plain["ttl"],
        tags=tuple(plain["tags"]),
        meta=tuple(plain["meta"].items()),
        alias_of=plain["alias_of"],
        left_out=LeftOut(*plain["left_out"]) if "left_out" in plain else None,
    )
    records = tuple(ExtraRecord(tuple(owner), rtype, ttl, bytes.fromhex(rdata)) for owner, rtype, ttl, rdata in plain["records"])
    merged = tuple(plain.get("merged", ()))
    return Entry(".".join(paths[0]), paths, plain["provider"], service, records, plain["fails_open"], merged=merged)
