"""From a query to a decision: in which zone the name is, what it stands for, what is answered (RFC 1034 §4.3.2; docs/design.md's table, row by row)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dnsdisco.answer import narration, own_zones, special_use
from dnsdisco.answer.cached_reply import NOBODY_TO_ASK, question_of
from dnsdisco.answer.decision import Decision, Forward, Gather, InTurns, Settled
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.answer.special_reply import special_reply
from dnsdisco.answer.trace import Trace
from dnsdisco.model.turns import Turns
from dnsdisco.wire import rdata
from dnsdisco.wire.constants import (
    ANY,
    AXFR,
    CH,
    IN,
    IXFR,
    REFUSED,
    TXT,
)
from dnsdisco.wire.name import Labels
from dnsdisco.wire.query import Query
from dnsdisco.wire.reply import Reply, RR
from dnsdisco.zone import reverse
from dnsdisco.zone.catalog import Catalog


def decide(
    query: Query, catalog: Catalog, settings: AnswerSettings, can_answer: Callable[[bytes], bool], trace: Trace | None = None
) -> Decision:
    """The decision about *query*, which has no fault and comes from a client that may ask. O(labels), and O(instances) of one service.

    *can_answer*: an upstream may be asked that question, or its reply is in the cache. *trace*: collects the steps.
    """
    if query.qclass != IN:
        return _chaos(query, settings) if query.qclass == CH else Reply(REFUSED)
    if query.qtype in (AXFR, IXFR):
        if trace is not None:
            narration.no_transfers(trace, query.labels)
        return Reply(REFUSED)
    labels = query.labels
    zone = settings.zone.zone_of(labels)
    if zone is not None:
        return _as_far_as_it_goes(
            own_zones.answer(own_zones.Question(query.qname, labels, query.qtype), zone, catalog, settings, trace=trace), can_answer
        )
    address = reverse.address_of(labels)
    if address is not None and not _is_loopback(labels):
        found = own_zones.pointer(query.qname, query.qtype, address, catalog, settings.zone)
        if found is not None:
            if trace is not None:
                narration.reverse(trace, address, catalog)
            return found
    rule = special_use.rule_for(labels)
    if rule is not None and not special_use.is_overridden(labels, rule[0], settings.overrides):
        if trace is not None:
            narration.special(trace, labels, *rule)
        return special_reply(query.qname, labels, query.qtype, *rule, settings.zone)
    if can_answer(query.question):
        return Forward()
    return NOBODY_TO_ASK


def _as_far_as_it_goes(decision: Decision, can_answer: Callable[[bytes], bool]) -> Decision:
    """The alias alone, where no upstream may be asked for its target: the answer of a server without recursion (RFC 1034 §4.3.2 step 3a)."""
    if isinstance(decision, InTurns):
        return InTurns(_settled(decision.turns, can_answer))
    return _within_reach(decision, can_answer)


def _settled(turns: Turns[Settled], can_answer: Callable[[bytes], bool]) -> Turns[Settled]:
    return _within_reach((yield from turns), can_answer)


def _within_reach(decision: Settled, can_answer: Callable[[bytes], bool]) -> Settled:
    if not isinstance(decision, Gather) or all(not part.is_chain or can_answer(question_of(part.want)) for part in decision.parts):
        return decision
    return replace(decision.draft, ede=(*decision.draft.ede, *NOBODY_TO_ASK.ede))


def _chaos(query: Query, settings: AnswerSettings) -> Reply:
    """RFC 4892 §2; a text that is not configured is not answered."""
    texts: dict[Labels, str] = {
        (b"version", b"bind"): settings.configured.identity.version,
        (b"version", b"server"): settings.configured.identity.version,
        (b"id", b"server"): settings.configured.identity.server_id,
        (b"hostname", b"bind"): settings.configured.identity.server_id,
    }
    text = texts.get(query.labels, "")
    if not text or query.qtype not in (TXT, ANY):
        return Reply(REFUSED)
    return Reply(is_authoritative=True, answer=(RR(query.qname, TXT, 0, rdata.txt([text.encode()]), CH),))


def _is_loopback(labels: Labels) -> bool:
    rule = special_use.rule_for(labels)
    return rule is not None and rule[1] is special_use.Rule.LOOPBACK_PTR
