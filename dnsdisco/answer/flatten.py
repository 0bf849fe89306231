"""Addresses that are host names: their own addresses, under the name that was asked (no SRV target is an alias, RFC 2782)."""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.answer import special_use
from dnsdisco.answer.decision import Part, Want
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.errors import WireError
from dnsdisco.model.choice import Rank, together
from dnsdisco.model.turns import at_once
from dnsdisco.wire import rdata
from dnsdisco.wire.constants import A, AAAA
from dnsdisco.wire.name import from_text, Labels, labels_of
from dnsdisco.wire.reply import RR
from dnsdisco.zone import render
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.lookup import Found, lookup
from dnsdisco.zone.render import Host

HOSTS_MAX = 64  # host names flattened for one answer; a service with more of them is answered in part, with a reason in `check`
NAMES_MAX = 64  # names of ours on the way from one host name to its addresses: loops and fans end here

_LOOPBACK = {A: rdata.address("127.0.0.1"), AAAA: rdata.address("::1")}


class Parts(NamedTuple):
    """The addresses that are known already, and the questions for an upstream."""

    records: list[RR]
    ranks: list[Rank]
    wanted: list[Part]


def parts(hosts: list[Host], qtype: int, ttl: int, catalog: Catalog, settings: AnswerSettings) -> Parts:
    """Each host's addresses: from our zones, from the special names, else wanted from an upstream."""
    found: dict[tuple[bytes, bytes], tuple[Rank, int]] = {}  # (owner, address) → rank and TTL
    wanted: list[Part] = []
    for host in hosts[:HOSTS_MAX]:
        local, asked = _addresses(host.name, qtype, catalog, settings, set())
        for octets, local_ttl in local.items():
            rank, known_ttl = found.get((host.owner, octets), (None, ttl))
            found[host.owner, octets] = (together(rank, host.rank), min(known_ttl, ttl, local_ttl))
        wanted += [Part(Want(name, qtype), host.owner, host.rank, ttl) for name in asked]
    records = [RR(owner, qtype, record_ttl, octets) for (owner, octets), (_, record_ttl) in found.items()]
    return Parts(records, [rank for rank, _ in found.values()], wanted)


def _special_addresses(labels: Labels, qtype: int, overrides: frozenset[Labels]) -> list[bytes] | None:
    """The addresses of a special-use name (none, but for localhost); None for a name that is not special."""
    rule = special_use.rule_for(labels)
    if rule is None or special_use.is_overridden(labels, rule[0], overrides):
        return None
    if rule[1] is special_use.Rule.LOCALHOST and qtype in _LOOPBACK:
        return [_LOOPBACK[qtype]]
    return []


def _addresses(
    name: str, qtype: int, catalog: Catalog, settings: AnswerSettings, seen: set[bytes]
) -> tuple[dict[bytes, int], list[bytes]]:
    """Addresses with their TTLs, and names to ask an upstream for. *seen*: names on the way here; each is looked at once."""
    try:
        qname = from_text(name).lower()
    except WireError:
        return {}, []
    labels = labels_of(qname)
    zone = settings.zone.zone_of(labels)
    if zone is None:
        known = _special_addresses(labels, qtype, settings.overrides)
        return ({}, [qname]) if known is None else (dict.fromkeys(known, settings.configured.ttl), [])
    result = lookup(catalog, zone, labels[: len(labels) - len(zone)])
    if not isinstance(result, Found) or qname in seen or len(seen) >= NAMES_MAX:
        return {}, []
    seen.add(qname)
    if result.records and qtype in result.records:
        return {extra.rdata: settings.configured.ttl if extra.ttl is None else extra.ttl for extra in result.records[qtype]}, []
    ttl = render.ttl_of(result.entry, settings.zone, is_stale=False)
    rendered = at_once(render.addresses(render.chosen(result), qname, qtype, ttl))
    addresses = {record.rdata: record.ttl for record in rendered.records}
    asked: list[bytes] = []
    for host in rendered.hosts[:HOSTS_MAX]:
        below, more = _addresses(host.name, qtype, catalog, settings, seen)
        addresses.update({octets: min(ttl, below_ttl) for octets, below_ttl in below.items()})
        asked += more
    return addresses, asked[:HOSTS_MAX]
