"""From a query to a decision: whose name is it, what stands there, what is said (RFC 1034 §4.3.2; docs/design.md's table, row by row)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dnsdisco.answer import local, reasons, special
from dnsdisco.answer.decision import Decision, Forward, Gather
from dnsdisco.answer.resolver import NOBODY_TO_ASK, question_of
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.wire import rdata
from dnsdisco.wire.constants import (
    A,
    AAAA,
    ANY,
    AXFR,
    CH,
    EDE_OTHER,
    IN,
    IXFR,
    NXDOMAIN,
    PTR,
    REFUSED,
    TXT,
)
from dnsdisco.wire.name import wire_of
from dnsdisco.wire.query import Query
from dnsdisco.wire.reply import Ede, Reply, RR
from dnsdisco.zone import reverse
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.settings import ZoneSettings
from dnsdisco.zone.soa import empty_zone_soa

Labels = tuple[bytes, ...]
SPECIAL_TTL = 3600  # seconds: loopback does not move

LOCALHOST = wire_of((b"localhost",))
_LOOPBACK = {A: rdata.address("127.0.0.1"), AAAA: rdata.address("::1")}


def decide(query: Query, catalog: Catalog, settings: AnswerSettings, can_answer: Callable[[bytes], bool]) -> Decision:
    """What becomes of *query*, which has no fault and comes from a client that may ask. O(labels), and O(instances) of one service.

    *can_answer*: somebody may be asked for that question, or what somebody said of it is kept.
    """
    if query.qclass != IN:
        return _chaos(query, settings) if query.qclass == CH else Reply(REFUSED)
    if query.qtype in (AXFR, IXFR):
        return Reply(REFUSED)
    labels = query.labels
    zone = settings.zone.zone_of(labels)
    if zone is not None:
        return _as_far_as_it_goes(
            local.answer(local.Question(query.qname, labels, query.qtype), zone, catalog, settings), can_answer
        )
    address = reverse.address_of(labels)
    if address is not None and not _is_loopback(labels):
        found = local.pointer(query.qname, query.qtype, address, catalog, settings.zone)
        if found is not None:
            return found
    rule = special.rule_for(labels)
    if rule is not None and not special.is_overridden(labels, rule[0], settings.overrides):
        return _special(query, *rule, settings.zone, address)
    if can_answer(query.question):
        return Forward()
    return NOBODY_TO_ASK


def _as_far_as_it_goes(decision: Decision, can_answer: Callable[[bytes], bool]) -> Decision:
    """The alias alone, where nobody is to be asked for its target: as a server without recursion has it (RFC 1034 §4.3.2 step 3a)."""
    if not isinstance(decision, Gather) or all(not part.is_chain or can_answer(question_of(part.want)) for part in decision.parts):
        return decision
    return replace(decision.draft, ede=(*decision.draft.ede, *NOBODY_TO_ASK.ede))


def _chaos(query: Query, settings: AnswerSettings) -> Reply:
    """RFC 4892 §2; what is not configured is not told."""
    texts: dict[Labels, str] = {
        (b"version", b"bind"): settings.version,
        (b"version", b"server"): settings.version,
        (b"id", b"server"): settings.server_id,
        (b"hostname", b"bind"): settings.server_id,
    }
    text = texts.get(query.labels, "")
    if not text or query.qtype not in (TXT, ANY):
        return Reply(REFUSED)
    return Reply(is_authoritative=True, answer=(RR(query.qname, TXT, 0, rdata.txt([text.encode()]), CH),))


def _is_loopback(labels: Labels) -> bool:
    rule = special.rule_for(labels)
    return rule is not None and rule[1] is special.Rule.LOOPBACK_PTR


def _special(query: Query, zone: Labels, rule: special.Rule, settings: ZoneSettings, address: str | None) -> Reply:
    labels = query.labels
    soa = empty_zone_soa(zone, settings.negative_ttl)
    depends_on = (address,) if address else ()

    def nodata(reason: str) -> Reply:
        return Reply(is_authoritative=True, authority=(soa,), ede=(Ede(EDE_OTHER, reason),), depends_on=depends_on)

    if rule is special.Rule.LOCALHOST and query.qtype in _LOOPBACK:
        return _one(RR(query.qname, query.qtype, SPECIAL_TTL, _LOOPBACK[query.qtype]))
    if rule is special.Rule.LOOPBACK_PTR and query.qtype == PTR and address:
        return _one(RR(query.qname, PTR, SPECIAL_TTL, LOCALHOST))
    if any(len(ours) > len(labels) and ours[len(ours) - len(labels) :] == labels for ours in settings.zones):
        return nodata(reasons.nothing_itself(labels))
    if rule not in (special.Rule.NOTHING, special.Rule.EMPTY) or (rule is special.Rule.EMPTY and labels == zone):
        return nodata(reasons.nothing_special(labels, zone, query.qtype))
    if zone in special.REVERSE_ZONES and reverse.is_part(labels):
        return nodata(reasons.part_of_an_address(labels))
    return Reply(NXDOMAIN, is_authoritative=True, authority=(soa,), depends_on=depends_on)


def _one(record: RR) -> Reply:
    return Reply(is_authoritative=True, answer=(record,), depends_on=())
