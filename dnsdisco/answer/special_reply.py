"""The reply to a special name, by the rule of its zone (`special_use.py`)."""

from __future__ import annotations

from dnsdisco.answer import reasons
from dnsdisco.answer.special_use import REVERSE_ZONES, Rule
from dnsdisco.wire import rdata
from dnsdisco.wire.constants import A, AAAA, EDE_OTHER, NOERROR, NXDOMAIN, PTR
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name import Labels, wire_of
from dnsdisco.wire.reply import Reply, RR
from dnsdisco.zone import reverse
from dnsdisco.zone.settings import ZoneSettings
from dnsdisco.zone.soa import empty_zone_soa

SPECIAL_TTL = 3600  # seconds: loopback does not move

LOCALHOST = wire_of((b"localhost",))
_LOOPBACK = {A: rdata.address("127.0.0.1"), AAAA: rdata.address("::1")}


def special_reply(qname: bytes, labels: Labels, qtype: int, zone: Labels, rule: Rule, settings: ZoneSettings) -> Reply:
    """The reply for *qname* (wire form, lower case; *labels*), which is in the special *zone* with that *rule*."""
    soa = empty_zone_soa(zone, settings.configured.negative_ttl)
    address = reverse.address_of(labels)
    depends_on = (address,) if address else ()

    def negative(reason: str, rcode: int = NOERROR) -> Reply:
        return Reply(rcode, is_authoritative=True, authority=(soa,), ede=(Ede(EDE_OTHER, reason),), depends_on=depends_on)

    if rule is Rule.LOCALHOST and qtype in _LOOPBACK:
        return _one(RR(qname, qtype, SPECIAL_TTL, _LOOPBACK[qtype]))
    if rule is Rule.LOOPBACK_PTR and qtype == PTR and address:
        return _one(RR(qname, PTR, SPECIAL_TTL, LOCALHOST))
    if any(len(ours) > len(labels) and ours[len(ours) - len(labels) :] == labels for ours in settings.zones):
        return negative(reasons.nothing_itself(labels))
    if rule not in (Rule.NOTHING, Rule.EMPTY) or (rule is Rule.EMPTY and labels == zone):
        return negative(reasons.nothing_special(labels, zone, qtype))
    if zone in REVERSE_ZONES and reverse.is_part(labels):
        return negative(reasons.part_of_an_address(labels))
    return negative(reasons.not_special(labels, zone, address), NXDOMAIN)


def _one(record: RR) -> Reply:
    return Reply(is_authoritative=True, answer=(record,), depends_on=())
