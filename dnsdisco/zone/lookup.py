"""Finds what a name of ours stands for (the table of docs/design.md, RFC 1034 §4.3.2): labels in, a value of a closed union out.

The order in which `X.Y.Z` is read: service X in namespace Y, whichever provider has it; then `all`, an instance, a tag, a record of
service Y. What stands below service X in namespace Y is its own alone (model/readings.py: names that are lost by this are logged).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from dnsdisco.model.entry import Entry, ExtraRecord
from dnsdisco.model.service import Instance
from dnsdisco.model.turns import Turns
from dnsdisco.wire.constants import A, AAAA, CNAME, SRV
from dnsdisco.wire.name import Labels
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.records import Rrsets

PROTOCOLS = frozenset((b"_tcp", b"_udp", b"_sctp"))


@dataclass(frozen=True, slots=True)
class Found:
    """A name that exists. `instances` are the ones it speaks of, before health is looked at; None: it speaks of none.

    `asks_health`: critical ones are left out (or not, by the entry's rule). `has_addresses`: A and AAAA may be asked here.
    `port_name`, `protocol`: only ports that match; "" matches all. `is_service`, `is_instance`: whose TXT it has. `reading`: how the
    labels were read, for an explanation.
    """

    entry: Entry | None = None
    path: Labels = ()  # of the service, as it was asked for
    instances: tuple[Instance, ...] | None = None
    asks_health: bool = True
    has_addresses: bool = True
    port_name: str = ""
    protocol: str = ""
    is_service: bool = False
    is_instance: bool = False
    records: Rrsets | None = None
    is_wildcard: bool = False
    reading: str = ""


@dataclass(frozen=True, slots=True)
class Apex:
    """The zone's own name."""

    records: Rrsets | None


@dataclass(frozen=True, slots=True)
class NameServer:
    """The name in our NS record."""


@dataclass(frozen=True, slots=True)
class NxDomain:
    """Does not exist, and every provider that could know it was asked."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """Not known, but these providers have not answered yet."""

    providers: tuple[str, ...]


Result: TypeAlias = Found | Apex | NameServer | NxDomain | NotReady

NAME_SERVER: Labels = (b"ns", b"dns")

# What every browser of DNS-SD asks first (RFC 6763 §9, §11): they are there, and say nothing yet, so that "no such name" is not kept of them.
_DNS_SD: Labels = (b"_dns-sd", b"_udp")
BROWSING = frozenset(((b"_udp",), _DNS_SD, *((label, *_DNS_SD) for label in (b"_services", b"b", b"db", b"lb", b"r", b"dr"))))


def lookup(catalog: Catalog, zone: Labels, name: Labels) -> Result:
    """Find what *name* (labels left of *zone*, lower case) stands for. O(labels), and O(instances) of one service below it."""
    if not name:
        return Apex(catalog.records.at(zone, name))
    found = _service_name(catalog, name)
    records = catalog.records.at(zone, name)
    if found is not None:
        return found if records is None else _with_records(found, records)
    if name == NAME_SERVER:
        return NameServer()
    if records is not None:
        return Found(records=records)
    if _exists(catalog, zone, name):
        return Found()  # an empty non-terminal
    return _missing(catalog, zone, name)


def prepare(catalog: Catalog, name: Labels) -> Turns[None]:
    """Make, in parts, the index below a service with many instances, which lookup() of *name* would take long to make at once."""
    if not catalog.has_large or len(name) < 2 or name[0] == b"all":
        return
    paths = [name[-1:]]
    if len(name) > 2:
        paths.append(name[-2:])
    if name[0][:1] == name[1][:1] == b"_" and name[1] not in PROTOCOLS:
        paths.append((name[0][1:], *name[2:]))
    for path in paths:
        if len(path) <= 2 and (entry := catalog.at(path)) is not None:
            yield from catalog.below_in_turns(entry)
    yield


def _exists(catalog: Catalog, zone: Labels, name: Labels) -> bool:
    return (
        name == NAME_SERVER[1:]
        or name in BROWSING
        or catalog.records.exists(zone, name)
        or _is_empty_non_terminal(catalog, name)
        or _service_name(catalog, name) is not None
    )


def _service_name(catalog: Catalog, name: Labels) -> Found | None:
    """*name* read as a service or something below one."""
    return next(readings(catalog, name), None)


def readings(catalog: Catalog, name: Labels, *, with_lost: bool = False) -> Iterator[Found]:
    """The possible readings of *name*, the one that counts first; *with_lost*: also those that another service's name rules out."""
    depth = len(name)
    if depth <= 2 and (entry := catalog.at(name)) is not None:
        yield Found(entry, name, entry.service.instances, is_service=True, records=_records(entry, ()), reading="service")
    if depth >= 3 and catalog.at(name[-2:]) is not None:
        yield from _below(catalog, name[-2:], name[:-2])
        if not with_lost:
            return
    if depth >= 2:
        yield from _below(catalog, name[-1:], name[:-1])
    if name and name[0][:1] == b"_":  # _service._proto, _service._tag; both also in a namespace
        yield from _rfc2782(catalog, name)


def _below(catalog: Catalog, path: Labels, rest: Labels) -> Iterator[Found]:
    """*rest* read as something below the service at *path*."""
    entry = catalog.at(path)
    if entry is None:
        return
    if len(rest) == 1:
        yield from _one_label(catalog, entry, path, rest[0])
    elif (
        len(rest) == 2 and len(rest[0]) > 1 and rest[0][:1] == b"_" and rest[1] in PROTOCOLS
    ):  # `_` alone is no port: it has no name
        port_name, protocol = rest[0][1:].decode("latin-1"), rest[1][1:].decode()
        if catalog.below(entry).has_port(port_name, protocol):
            yield Found(
                entry,
                path,
                entry.service.instances,
                has_addresses=False,
                port_name=port_name,
                protocol=protocol,
                records=_records(entry, rest),
                reading="port",
            )
    yield from _own_record(entry, path, rest)


def _one_label(catalog: Catalog, entry: Entry, path: Labels, label: bytes) -> Iterator[Found]:
    if label == b"all":
        yield Found(entry, path, entry.service.instances, asks_health=False, reading="all")
    below = catalog.below(entry)
    if (labelled := below.by_label.get(label)) is not None:
        records = _records(entry, (label,))
        yield Found(entry, path, labelled, asks_health=False, is_instance=True, records=records, reading="instance")
    if (tagged := below.by_tag.get(label)) is not None:
        yield Found(entry, path, tuple(tagged), records=_records(entry, (label,)), reading="tag")
    if label in PROTOCOLS and below.has_ports(label[1:].decode()):
        # Above `_port._tcp`; also where no port has a name yet: that a port is not named is no reason to deny the protocol.
        yield Found(entry, path, records=_records(entry, (label,)), reading="protocol")


def _rfc2782(catalog: Catalog, name: Labels) -> Iterator[Found]:
    """`_service._tcp`, `_service._udp`, `_service._tag` (RFC 2782 with Consul's reading of the second label)."""
    if len(name) not in (2, 3) or name[1][:1] != b"_":
        return
    path = (name[0][1:], *name[2:])
    entry = catalog.at(path)
    if entry is None:
        return
    if name[1] in PROTOCOLS:
        protocol = name[1][1:].decode()
        yield Found(entry, path, entry.service.instances, has_addresses=False, protocol=protocol, reading="SRV")
        return
    tagged = catalog.below(entry).by_tag.get(name[1][1:])
    if tagged:
        yield Found(entry, path, tuple(tagged), has_addresses=False, reading="tag")


def _own_record(entry: Entry, path: Labels, rest: Labels) -> Iterator[Found]:
    """*rest* as the owner of one of the service's `records:`, or as an empty non-terminal above one."""
    records = _records(entry, rest)
    if records:
        yield Found(entry, path, records=records, reading="record")
        return
    owner = tuple(label.decode("latin-1") for label in rest)
    depth = len(owner)
    if any(len(extra.owner) > depth and extra.owner[-depth:] == owner for extra in entry.records):
        yield Found(entry, path, reading="record")


def _records(entry: Entry, rest: Labels) -> Rrsets | None:
    if not entry.records:
        return None
    owner = tuple(label.decode("latin-1") for label in rest)
    rrsets: dict[int, list[ExtraRecord]] = {}
    for extra in entry.records:
        if extra.owner == owner:
            rrsets.setdefault(extra.rtype, []).append(extra)
    return rrsets or None


def _with_records(found: Found, records: Rrsets) -> Found:
    """A zone file's records at a name that is a service's too: they add types; a service's addresses and ports are its own."""
    if found.instances is not None:
        records = {rtype: rrset for rtype, rrset in records.items() if rtype not in (A, AAAA, CNAME, SRV)}
    return replace(found, records={**records, **(found.records or {})})


def _is_empty_non_terminal(catalog: Catalog, name: Labels) -> bool:
    """A name that has no records itself but names below it (RFC 4592 §2.2.2): a namespace, `_tcp`, `_tag`."""
    if len(name) == 1:
        label = name[0]
        has_services_below = label in PROTOCOLS or (label[:1] == b"_" and catalog.has_tag(label[1:]))
        return catalog.has_namespace(label) or (has_services_below and len(catalog) > 0)
    is_above_services = name[0] in PROTOCOLS or (name[0][:1] == b"_" and catalog.has_tag(name[0][1:]))
    return len(name) == 2 and is_above_services and catalog.has_namespace(name[1])


def _missing(catalog: Catalog, zone: Labels, name: Labels) -> Result:
    """*name* is nowhere: a wildcard's, not known yet, or not there at all."""
    # From the zone downwards, for what is above a name that exists does so too (RFC 8020 §2): a name of a hundred labels costs no
    # more than the few that are there.
    encloser: Labels = ()
    for depth in range(len(name) - 1, 0, -1):
        if not _exists(catalog, zone, name[depth:]):
            break
        encloser = name[depth:]
    rrsets = catalog.records.wildcard(zone, encloser)  # of the closest encloser alone (RFC 4592 §3.3.1)
    if rrsets is not None:
        return Found(records=rrsets, is_wildcard=True)
    if not catalog.is_complete:
        return NotReady(("control",))
    owner = _service_above(catalog, name)
    if owner is not None:  # whether its own provider has all that is below it
        state = catalog.states.get(owner.provider)
        return NotReady((owner.provider,)) if state is not None and not state.has_synced else NxDomain()
    unsynced = catalog.unsynced()
    return NotReady(tuple(state.name for state in unsynced)) if unsynced else NxDomain()


def _service_above(catalog: Catalog, name: Labels) -> Entry | None:
    if len(name) < 2:
        return None
    return (catalog.at(name[-2:]) if len(name) > 2 else None) or catalog.at(name[-1:])
