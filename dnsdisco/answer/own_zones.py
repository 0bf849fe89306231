"""Answers from our own zones: what the lookup found, as records, with the SOA of a negative answer and the reason of an odd one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import assert_never, NamedTuple

from dnsdisco.answer import flatten, narration, special_use, staleness
from dnsdisco.answer import reasons as why
from dnsdisco.answer.additional import addresses_beside
from dnsdisco.answer.aliases import are_too_many, TOO_MANY
from dnsdisco.answer.decision import Decision, Forward, Gather, InTurns, Part, Settled, Want
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.answer.special_reply import special_reply
from dnsdisco.answer.trace import Trace
from dnsdisco.model.choice import Rank
from dnsdisco.model.turns import Turns
from dnsdisco.wire import rdata
from dnsdisco.wire.constants import (
    A,
    AAAA,
    ANY,
    CNAME,
    EDE_NOT_READY,
    EDE_OTHER,
    HINFO,
    KEY,
    NS,
    NSEC,
    NXDOMAIN,
    NXT,
    PTR,
    RRSIG,
    SERVFAIL,
    SIG,
    SOA,
    SRV,
    TXT,
)
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name import Labels, labels_of
from dnsdisco.wire.reply import RECORDS_MAX, Reply, RR
from dnsdisco.zone import render, soa
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.lookup import Apex, Found, lookup, NameServer, NotReady, NxDomain, prepare
from dnsdisco.zone.settings import ZoneSettings

_BESIDE_ALIAS = frozenset((CNAME, ANY, SIG, KEY, NXT, RRSIG, NSEC))  # asked of the alias itself (RFC 2181 §10.1, RFC 4035 §2.5)


class Question(NamedTuple):
    qname: bytes  # wire form, lower case
    labels: Labels
    qtype: int


def answer(
    question: Question,
    zone: Labels,
    catalog: Catalog,
    settings: AnswerSettings,
    aliases: tuple[bytes, ...] = (),
    trace: Trace | None = None,
) -> Decision:
    """The decision for a name in *zone*, which is ours. *aliases*: the names (wire form) that led here. *trace*: collects the steps."""
    turns = _answer(question, zone, catalog, settings, aliases, trace)
    try:
        next(turns)
    except StopIteration as end:
        decision: Settled = end.value
        return decision
    return InTurns(turns)


def _answer(
    question: Question, zone: Labels, catalog: Catalog, settings: AnswerSettings, aliases: tuple[bytes, ...], trace: Trace | None
) -> Turns[Settled]:
    name = question.labels[: len(question.labels) - len(zone)]
    yield from prepare(catalog, name)
    result = lookup(catalog, zone, name)
    if trace is not None:
        narration.looked_up(trace, result, zone, name, catalog)
    own = settings.zone
    minimal = own.configured
    negative = soa.soa(zone, catalog.serial, minimal.negative_ttl)
    match result:
        case NotReady(providers):
            text = "not known yet: waiting for " + ", ".join(providers)
            return Reply(SERVFAIL, ede=(Ede(EDE_NOT_READY, text),))
        case NxDomain():
            rejected = why.rejected(catalog, name)
            return Reply(
                NXDOMAIN, is_authoritative=True, authority=(negative,), ede=(Ede(EDE_OTHER, rejected),) if rejected else ()
            )
        case Apex(records):
            if question.qtype == ANY:
                return _minimal_any(question, minimal.ttl)
            made = {SOA: [negative], NS: [soa.name_server(zone, minimal.ttl)]}.get(question.qtype, [])
            extras = (records or {}).get(question.qtype)
            if not made and extras:
                made = render.extra_records(question.qname, question.qtype, extras, minimal.ttl)
            ede = () if made else (Ede(EDE_OTHER, why.nothing_at_the_zone(zone, question.qtype)),)
            return _with_addresses(_positive(made, negative, ede=ede), catalog, settings)
        case NameServer():
            if question.qtype == ANY:
                return _minimal_any(question, minimal.ttl)
            packed = [rdata.address(text) for text in own.server_addresses]
            octets = {A: 4, AAAA: 16}.get(question.qtype, -1)
            made = [RR(question.qname, question.qtype, minimal.ttl, one) for one in packed if len(one) == octets]
            ede = () if made else (Ede(EDE_OTHER, why.nothing_of_ours(question.labels, question.qtype)),)
            return _positive(made, negative, ede=ede, depends_on=())
        case Found():
            return (yield from _found(_Context(question, zone, name, catalog, settings, negative, aliases, trace), result))
    assert_never(result)


def pointer(qname: bytes, qtype: int, address: str, catalog: Catalog, settings: ZoneSettings) -> Reply | None:
    """The names of the instances at *address*; None when there are none."""
    owners = catalog.with_address(address)
    if not owners:
        return None
    ttls = [render.ttl_of(entry, settings, is_stale=staleness.is_stale(catalog, entry)) for entry, _ in owners]
    if qtype == ANY:
        return _minimal_any(Question(qname, (), qtype), min(ttls))
    rule = special_use.rule_for(labels_of(qname))
    negative = soa.empty_zone_soa(rule[0] if rule else labels_of(qname), settings.configured.negative_ttl)
    targets = (
        dict.fromkeys(render.target_of(entry, instance, settings.zones[0]) for entry, instance in owners) if qtype == PTR else {}
    )
    reply = _positive([RR(qname, PTR, min(ttls), target) for target in targets], negative, depends_on=(address,))
    ede = {ede for entry, _ in owners for ede in staleness.of(catalog, entry)}
    if not targets:
        ede.add(Ede(EDE_OTHER, why.nothing_reverse(address, qtype)))
    return replace(reply, ede=tuple(sorted(ede)))


class _Context(NamedTuple):
    question: Question
    zone: Labels
    name: Labels
    catalog: Catalog
    settings: AnswerSettings
    negative: RR
    aliases: tuple[bytes, ...]
    trace: Trace | None

    def depends_on(self, found: Found) -> tuple[object, ...] | None:
        """The names that the answer was made from. An empty non-terminal depends on too many to be kept."""
        if found.entry is None:
            return None
        name = self.name
        tokens: list[object] = [name[-1:], name[-2:], found.path]
        return tuple(dict.fromkeys(tokens))


def _found(context: _Context, found: Found) -> Turns[Settled]:
    question, catalog, settings, trace = context.question, context.catalog, context.settings.zone, context.trace
    entry = found.entry
    is_stale = entry is not None and staleness.is_stale(catalog, entry)
    ttl = render.ttl_of(entry, settings, is_stale=is_stale)
    records = found.records or {}
    if trace is not None and found.instances is not None and question.qtype not in records:
        narration.ttl(trace, found, context.name, ttl, settings, is_stale=is_stale)
    alias = render.alias(question.qname, found, ttl)
    if alias is not None and question.qtype in (CNAME, ANY):
        return Reply(
            is_authoritative=True, answer=(alias,), ede=staleness.reasons(catalog, found), depends_on=context.depends_on(found)
        )
    if alias is not None and question.qtype not in _BESIDE_ALIAS:
        return (yield from _chase(context, found, alias, ttl))
    if question.qtype == ANY and (found.instances is not None or records):
        return _minimal_any(question, ttl)
    depends_on = context.depends_on(found)
    ede = staleness.reasons(catalog, found)
    if question.qtype in records:
        made = render.extra_records(question.qname, question.qtype, records[question.qtype], ttl)
        if trace is not None:
            narration.written(trace, found, context.name, made)
        reply = _positive(made, context.negative, ede=ede, depends_on=depends_on)
        return _with_addresses(reply, catalog, context.settings)
    if found.instances is None:
        return (yield from _no_data(context, found, depends_on))
    if question.qtype in (A, AAAA) and found.has_addresses:
        rendered = yield from render.addresses(render.chosen(found), question.qname, question.qtype, ttl)
        parts = flatten.parts(rendered.hosts, question.qtype, ttl, catalog, context.settings)
        if trace is not None:
            brings = partial(flatten.parts, qtype=question.qtype, ttl=ttl, catalog=catalog, settings=context.settings)
            narration.addresses(trace, found, question.qtype, rendered.hosts, brings, settings.configured.max_answers)
        draft = Reply(
            is_authoritative=True,
            answer=render.Joined(rendered.records, parts.records) if parts.records else rendered.records,
            ranks=(*rendered.ranks, *parts.ranks),
            max_answers=settings.configured.max_answers,
            ede=ede,
            depends_on=depends_on if not rendered.hosts else None,
        )
        if parts.wanted:
            return Gather(replace(draft, depends_on=None), tuple(parts.wanted), context.negative)
        return draft if draft.answer else (yield from _no_data(context, found, draft.depends_on))
    if question.qtype == SRV and entry is not None:
        return (yield from _services(context, found, ttl, ede, depends_on))
    if question.qtype == TXT:
        text = yield from render.text(found, question.qname, ttl)
        if text:
            return _positive([text], context.negative, ede=ede, depends_on=depends_on)
    return (yield from _no_data(context, found, depends_on))


def _no_data(context: _Context, found: Found, depends_on: tuple[object, ...] | None) -> Turns[Reply]:
    """NOERROR without an answer, and why."""
    reason = Ede(EDE_OTHER, (yield from why.no_data(found, context.name, context.question.qtype)))
    if context.trace is not None:
        narration.nothing(context.trace, found, reason.text)
    stale = staleness.of(context.catalog, found.entry) if found.entry is not None else ()
    return _positive([], context.negative, ede=(*stale, reason), depends_on=depends_on)


def _services(
    context: _Context, found: Found, ttl: int, ede: tuple[Ede, ...], depends_on: tuple[object, ...] | None
) -> Turns[Settled]:
    settings = context.settings.zone
    if context.trace is not None:
        narration.ports(context.trace, found)
    rendered, targets = yield from render.services(
        found, context.question.qname, context.zone, ttl, settings.configured.srv_weight_scale
    )
    if not rendered.records:
        return (yield from _no_data(context, found, depends_on))
    glue = yield from render.glue(targets if len(rendered.records) <= RECORDS_MAX else {}, ttl)  # beside a cut answer there is none
    parts = [flatten.parts(glue.hosts, qtype, ttl, context.catalog, context.settings) for qtype in (A, AAAA)]
    draft = Reply(
        is_authoritative=True,
        answer=rendered.records,
        ranks=tuple(rendered.ranks),
        additional=(*glue.records, *(record for part in parts for record in part.records)),
        ede=ede,
        depends_on=depends_on if not glue.hosts else None,
    )
    wanted = tuple(replace(one, is_glue=True) for part in parts for one in part.wanted)
    return Gather(draft, wanted, context.negative) if wanted else draft


def _chase(context: _Context, found: Found, cname: RR, ttl: int) -> Turns[Settled]:
    """A CNAME and what its target has, in one answer (RFC 1034 §4.3.2 step 3a)."""
    question = context.question
    head = Reply(is_authoritative=True, answer=(cname,), ede=staleness.reasons(context.catalog, found))
    aliases = (*context.aliases, question.qname)
    target = cname.rdata.lower()
    labels = labels_of(target)
    if context.trace is not None:
        narration.alias(context.trace, context.name, labels)
    zone = context.settings.zone.zone_of(labels)
    if zone is None:
        rule = special_use.rule_for(labels)
        if rule is not None and not special_use.is_overridden(labels, rule[0], context.settings.overrides):
            known = special_reply(target, labels, question.qtype, *rule, context.settings.zone)
            return replace(known, answer=(cname, *known.answer), ede=(*head.ede, *known.ede), depends_on=None)
        part = Part(Want(target, question.qtype), target, Rank(), ttl, is_chain=True)
        return Gather(head, (part,), context.negative)
    if target in aliases:
        return head
    if are_too_many(len(aliases)):
        return Reply(SERVFAIL, ede=(Ede(EDE_OTHER, TOO_MANY),))
    rest = yield from _answer(
        Question(target, labels, question.qtype), zone, context.catalog, context.settings, aliases, context.trace
    )
    match rest:
        case Reply():
            joined = render.Joined((cname,), rest.answer)
            return replace(rest, answer=joined, ede=(*head.ede, *rest.ede), depends_on=None, is_authoritative=True)
        case Gather(draft, parts, negative):
            return Gather(
                replace(draft, answer=render.Joined((cname,), draft.answer), ede=(*head.ede, *draft.ede)), parts, negative
            )
        case Forward():
            return head
    assert_never(rest)


def _with_addresses(reply: Reply, catalog: Catalog, settings: AnswerSettings) -> Reply:
    """*reply* with the addresses of the hosts that it names; they change when other names do, so that it is not kept then."""
    additional = addresses_beside(reply.answer, catalog, settings)
    return replace(reply, additional=additional, depends_on=None) if additional else reply


def _positive(records: list[RR], negative: RR, *, ede: tuple[Ede, ...] = (), depends_on: tuple[object, ...] | None = None) -> Reply:
    """The records, or NODATA: NOERROR with the SOA in AUTHORITY (RFC 2308 §2.2)."""
    if records:
        return Reply(is_authoritative=True, answer=tuple(records), ede=ede, depends_on=depends_on)
    return Reply(is_authoritative=True, authority=(negative,), ede=ede, depends_on=depends_on)


def _minimal_any(question: Question, ttl: int) -> Reply:
    """RFC 8482 §4.2: one synthesised HINFO in place of everything. Not where there is a CNAME, or nothing at all."""
    return Reply(is_authoritative=True, answer=(RR(question.qname, HINFO, ttl, b"\x07RFC8482\x00"),))
