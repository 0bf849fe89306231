"""Completes our draft of an answer with the addresses that upstreams returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from dnsdisco.answer.aliases import count
from dnsdisco.answer.cached_reply import STALE
from dnsdisco.answer.decision import Gather, Part, Want
from dnsdisco.answer.reasons import no_address, no_upstream
from dnsdisco.model.choice import Rank, together
from dnsdisco.wire.constants import CNAME, EDE_NO_REACHABLE, EDE_OTHER, NOERROR, NXDOMAIN, SERVFAIL
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.reply import Reply, RR


@dataclass(frozen=True, slots=True)
class Answered:
    """An upstream's reply, or its failure."""

    rcode: int
    records: tuple[RR, ...]  # its answer section, owners in lower case
    is_stale: bool = False  # from the cache, past its end, for no upstream answers
    authority: tuple[RR, ...] = ()  # the SOA of a denial, and with DO what proves it
    target: bytes = b""  # where the aliases in `records` lead, when what stands there is to be found elsewhere


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No upstream could be asked, or none gave a usable reply."""

    reason: str


Outcome: TypeAlias = Answered | Unanswered


def finish(gather: Gather, outcomes: Mapping[Want, Outcome]) -> Reply:
    """The reply: a target that does not resolve is left out; when nothing is left, NODATA; when none could be asked, SERVFAIL."""
    draft = gather.draft
    answer, ranks = list(draft.answer), [Rank(*rank) for rank in draft.ranks or ()]
    additional = list(draft.additional)
    unanswered: list[str] = []
    rcode, authority = NOERROR, draft.authority
    for part in gather.parts:
        outcome = outcomes.get(part.want, Unanswered("not asked"))
        if isinstance(outcome, Unanswered):
            if not part.is_glue:
                unanswered.append(outcome.reason)
            continue
        if part.is_chain:
            answer += outcome.records
            rcode, authority = outcome.rcode, (*authority, *outcome.authority)
            continue
        records = addresses_of(part, outcome)
        if part.is_glue:
            additional += records
        else:
            answer += records
            ranks += [part.rank] * len(records)
    if unanswered and len(answer) == count(answer):
        return Reply(SERVFAIL, ede=(*draft.ede, Ede(EDE_NO_REACHABLE, no_upstream(unanswered[0]))))
    ede = draft.ede
    if any(isinstance(outcome, Answered) and outcome.is_stale for outcome in outcomes.values()):
        ede = (*ede, STALE)
    fixed = len(answer) if draft.ranks is None else len(answer) - len(ranks)  # aliases stay in front of what is shuffled
    unique: dict[tuple[bytes, int, bytes], tuple[RR, Rank]] = {}
    for record, rank in zip(answer, [Rank()] * fixed + ranks[: len(answer) - fixed], strict=True):
        key = record.owner, record.rtype, record.rdata
        unique[key] = (record, together(unique[key][1] if key in unique else None, rank))
    pairs = list(unique.values())
    fixed -= len(answer[:fixed]) - len({(record.owner, record.rtype, record.rdata) for record in answer[:fixed]})
    is_empty = not pairs
    if is_empty and not any(part.is_chain for part in gather.parts):
        ede = (*ede, Ede(EDE_OTHER, no_address([part.want for part in gather.parts])))
    return replace(
        draft,
        rcode=rcode if rcode in (NOERROR, NXDOMAIN) or not is_empty else SERVFAIL,
        answer=_with_one_ttl([record for record, _ in pairs]),
        ranks=None if draft.ranks is None else tuple(rank for _, rank in pairs[fixed:]),
        additional=_with_one_ttl(list(dict.fromkeys(additional))),
        authority=(gather.soa,) if is_empty else authority,
        ede=ede,
        depends_on=None,
    )


def _with_one_ttl(records: list[RR]) -> tuple[RR, ...]:
    """All records of one RRset leave with one TTL, the lowest (RFC 2181 §5.2), wherever they came from. All signatures count as one RRset."""
    lowest: dict[tuple[bytes, int], int] = {}
    for record in records:
        lowest[record.owner, record.rtype] = min(record.ttl, lowest.get((record.owner, record.rtype), record.ttl))
    return tuple(record._replace(ttl=lowest[record.owner, record.rtype]) for record in records)


def addresses_of(part: Part, answered: Answered) -> list[RR]:
    """The addresses at the end of the CNAME chain from the wanted name, under the owner that asked for them."""
    target, ttl = part.want.name, part.ttl
    following = {record.owner: record for record in answered.records if record.rtype == CNAME}
    while (alias := following.pop(target, None)) is not None:  # each once: a loop ends
        target, ttl = alias.rdata.lower(), min(ttl, alias.ttl)
    return [
        RR(part.owner, record.rtype, min(ttl, record.ttl), record.rdata)
        for record in answered.records
        if record.owner == target and record.rtype == part.want.qtype and len(record.rdata) == (4 if record.rtype == 1 else 16)
    ]
