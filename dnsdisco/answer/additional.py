"""Addresses beside records that name hosts: MX, SRV, NS (RFC 1034 §4.3.2 step 6, RFC 2782), where the hosts are ours.

It spares the client a question. It uses local data alone: no upstream is asked, no alias is followed (RFC 2181 §10.3).
"""

from __future__ import annotations

from collections.abc import Iterable

from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.model.turns import at_once
from dnsdisco.wire import rdata
from dnsdisco.wire.constants import A, AAAA, MX, NS, SRV
from dnsdisco.wire.name import Labels, labels_of
from dnsdisco.wire.reply import RR
from dnsdisco.zone import render
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.lookup import Found, lookup, NameServer

TARGETS_MAX = 32  # hosts that are looked up for one answer; more would not fit beside it

_BEFORE_TARGET_OCTETS = {NS: 0, MX: 2, SRV: 6}


def addresses_beside(records: Iterable[RR], catalog: Catalog, settings: AnswerSettings) -> tuple[RR, ...]:
    """A and AAAA of the hosts that *records* name. O(targets), and O(instances) of those that are services."""
    targets = dict.fromkeys(
        record.rdata[_BEFORE_TARGET_OCTETS[record.rtype] :].lower() for record in records if record.rtype in _BEFORE_TARGET_OCTETS
    )
    found: list[RR] = []
    for target in list(targets)[:TARGETS_MAX]:
        labels = labels_of(target)
        zone = settings.zone.zone_of(labels)
        if zone is not None:
            found += _addresses(target, zone, labels[: len(labels) - len(zone)], catalog, settings)
    return tuple(found)


def _addresses(target: bytes, zone: Labels, name: Labels, catalog: Catalog, settings: AnswerSettings) -> list[RR]:
    ttl = settings.configured.ttl
    result = lookup(catalog, zone, name)
    if isinstance(result, NameServer):
        packed = [rdata.address(text) for text in settings.zone.server_addresses]
        return [RR(target, A if len(octets) == 4 else AAAA, ttl, octets) for octets in packed]
    if not isinstance(result, Found):
        return []
    found: list[RR] = []
    for qtype in (A, AAAA):
        extras = (result.records or {}).get(qtype)
        if extras:
            found += render.extra_records(target, qtype, extras, ttl)
        elif result.instances is not None and result.has_addresses:
            own_ttl = render.ttl_of(result.entry, settings.zone, is_stale=False)
            found += at_once(render.addresses(render.chosen(result), target, qtype, own_ttl)).records
    return found
