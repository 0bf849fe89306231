"""The way of a name that is not ours, and of what our own answers lack: found or asked for (`cached_upstream.py`), completed, sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

from dnsdisco.answer import aliases, cached_reply
from dnsdisco.answer.believe import UpstreamQuestion
from dnsdisco.answer.decision import Decision, Forward, Gather, Want
from dnsdisco.answer.rebinding import BLOCKED
from dnsdisco.answer.resume import Answered, finish, Outcome, Unanswered
from dnsdisco.cache.cache import Freshness
from dnsdisco.cache.entry import CacheEntry
from dnsdisco.server.cached_upstream import Asked, CachedUpstream, CacheFinding, Client, Finding, UpstreamFailed
from dnsdisco.wire.constants import EDE_NETWORK_ERROR, EDE_OTHER, RD, REFUSED, SERVFAIL
from dnsdisco.wire.query import Query
from dnsdisco.wire.reply import Reply, RR

_TOO_MANY_ALIASES = ((EDE_OTHER, aliases.TOO_MANY),)


class Resolver:
    """Event loop only."""

    def __init__(
        self,
        asker: CachedUpstream,
        *,
        now: Callable[[], float],
        decide: Callable[[Query], Decision],
        reply: Callable[[Client, Reply], None],
        count: Callable[[Query, int], None],
    ) -> None:
        """*decide*: makes the decision about a name; *reply*: send it; *count*: one answer with that rcode."""
        self._asker, self._cache = asker, asker.cache
        self._now, self._decide, self._reply, self._count = now, decide, reply, count

    # a name that is not ours

    def forward(self, client: Client) -> CacheEntry | None:
        """Answer it from the cache now, or from an upstream when it has spoken. Returns an entry that is asked for again and again."""
        query = client.query
        key = cached_reply.key_of(query)
        now = self._now()
        state, entry = look = self._cache.look(key, now)
        if entry is not None and state is Freshness.FRESH:
            is_wanted = entry.is_aged(now) and not entry.is_private
            self._answer(client, CacheFinding(entry))
            return entry if is_wanted else None
        if query.flags & RD:
            asked = Asked(key, query.question, UpstreamQuestion(query.qname, query.qtype, cached_reply.is_dnssec_ok(key)))
            self._asker.find(client, asked, look, partial(self._answer, client), is_limited=not client.is_local)
        elif entry is not None and state is Freshness.BUSY:
            self._answer(client, CacheFinding(entry))
        else:
            self._reply(client, cached_reply.NOT_DESIRED)
        return None

    def _answer(self, client: Client, finding: Finding) -> None:
        query = client.query
        if isinstance(finding, UpstreamFailed):
            if self._asker.can_forward(query.question):
                self._reply(client, cached_reply.failure_reply(finding.reasons, is_remembered=finding.is_remembered))
            else:
                self._reply(client, cached_reply.NOBODY_TO_ASK)
            return
        entry = finding.entry
        if self._asker.is_withheld(client, entry):
            self._reply(client, BLOCKED)
            return
        self._cache.statistics.stale += finding.is_stale
        if entry.target:
            self._answer_from_here_on(client, finding)
            return
        if finding.is_stale:
            octets = cached_reply.stale_reply(
                entry, query, self._cache.limits.stale_ttl, limit=client.limit, options=client.options
            )
        else:
            octets = self.reply_from(entry, client)
        self._count(query, entry.rcode)
        client.send(octets)

    def reply_from(self, entry: CacheEntry, client: Client) -> bytes:
        """What *client* gets of a fresh entry."""
        query, _, _, limit, options, _ = client
        trust_ad = self._asker.trust_ad
        return cached_reply.reply_from(entry, query, self._now(), limit=limit, options=options, trust_ad=trust_ad)

    def _answer_from_here_on(self, client: Client, finding: CacheFinding) -> None:
        """The aliases from an upstream's reply, and their target from our own data (or the upstreams to ask for it)."""
        query = client.query
        head, proofs = self._records(finding, Want(query.qname, query.qtype))
        ede = (cached_reply.stale_reason(finding.entry),) if finding.is_stale else ()

        def complete(rest: Reply) -> None:
            if self._asker.is_withheld(client, finding.entry, rest.answer):
                self._reply(client, BLOCKED)
                return
            whole = replace(rest, answer=(*head, *rest.answer), authority=(*proofs, *rest.authority), ede=(*ede, *rest.ede))
            is_failure = rest.rcode == SERVFAIL and not rest.answer  # then none of it is answered (RFC 2308 §7.1)
            self._reply(client, rest if is_failure else replace(whole, is_authoritative=False, depends_on=None))

        self._go_on(client, Want(finding.entry.target, query.qtype), aliases.count(head), complete)

    # a name of ours that needs others

    def gather(self, client: Client, gather: Gather) -> None:
        """Complete an answer of ours with what upstreams know, asked for all at once."""
        self._gather(client, gather, 0, partial(self._reply, client))

    def _gather(self, client: Client, gather: Gather, depth: int, done: Callable[[Reply], None]) -> None:
        outcomes: dict[Want, Outcome] = {}
        wants = gather.wants
        depth += aliases.count(gather.draft.answer)
        timer: asyncio.TimerHandle | None = None
        is_done = False

        def complete() -> None:
            nonlocal is_done
            is_done = True
            if timer is not None:
                timer.cancel()
            done(finish(gather, outcomes))

        def take(want: Want, outcome: Outcome) -> None:
            outcomes[want] = outcome
            if len(outcomes) == len(wants) and not is_done:
                complete()

        chained = {part.want for part in gather.parts if part.is_chain}
        for want in wants:
            self._want(client, want, depth, partial(take, want), is_chain=want in chained)
        if not is_done and all(part.is_glue for part in gather.parts):  # what was asked for is here: no upstream may hold it back
            timer = asyncio.get_running_loop().call_later(self._asker.limits.glue_s, complete)

    def _want(self, client: Client, want: Want, depth: int, done: Callable[[Outcome], None], *, is_chain: bool) -> None:
        """*depth*: aliases on the way here. *is_chain*: what it has stands in the client's answer as it is, so that it is asked with the
        client's DO and CD; else it is made into records of ours."""
        question = cached_reply.question_of(want)
        if not self._asker.can_answer(question):
            done(Unanswered("no upstream is configured"))
            return
        key = cached_reply.key_of(cached_reply.query_of(want, client.query if is_chain else None))
        asked = Asked(key, question, UpstreamQuestion(want.name, want.qtype, cached_reply.is_dnssec_ok(key)))
        look = self._cache.look(key, self._now())
        self._asker.find(client, asked, look, partial(self._take_wanted, client, want, depth, done, is_chain=is_chain))

    def _take_wanted(
        self, client: Client, want: Want, depth: int, done: Callable[[Outcome], None], finding: Finding, *, is_chain: bool
    ) -> None:
        if isinstance(finding, UpstreamFailed):
            done(Unanswered(finding.reasons[0][1]))
            return
        entry, is_stale = finding.entry, finding.is_stale
        self._cache.statistics.stale += is_stale
        told, authority = self._records(finding, want)
        depth += aliases.count(told)
        if depth > aliases.ALIASES_MAX:
            done(Unanswered(aliases.TOO_MANY))
            return
        if not entry.target:
            done(Answered(entry.rcode, tuple(told), is_stale, tuple(authority)))
            return

        def complete(rest: Reply) -> None:
            if rest.rcode == SERVFAIL and not rest.answer:
                done(Unanswered(rest.ede[0].text if rest.ede else "an alias leads nowhere"))
            else:
                done(Answered(rest.rcode, (*told, *rest.answer), is_stale, (*authority, *rest.authority)))

        self._go_on(client, Want(entry.target, want.qtype), depth, complete, is_chain=is_chain)

    def _go_on(self, client: Client, want: Want, depth: int, done: Callable[[Reply], None], *, is_chain: bool = True) -> None:
        """What stands at the end of *depth* aliases."""
        if depth > aliases.ALIASES_MAX:
            done(cached_reply.failure_reply(_TOO_MANY_ALIASES))
            return
        decision = self._decide(cached_reply.query_of(want))
        match decision:
            case Reply(rcode=rcode) if rcode == REFUSED:  # no upstream to ask: the aliases are all there is
                done(Reply(ede=decision.ede))
            case Reply():
                done(decision)
            case Gather():
                self._gather(client, decision, depth + 1, done)  # a host name as an address is a step, too
            case Forward():

                def complete(outcome: Outcome) -> None:
                    if isinstance(outcome, Answered):
                        ede = (cached_reply.STALE,) if outcome.is_stale else ()
                        done(Reply(outcome.rcode, answer=outcome.records, authority=outcome.authority, ede=ede))
                    else:
                        done(cached_reply.failure_reply(((EDE_NETWORK_ERROR, outcome.reason),)))

                self._want(client, want, depth, complete, is_chain=is_chain)
            case _:
                assert_never(decision)

    def _records(self, finding: CacheFinding, want: Want) -> tuple[list[RR], list[RR]]:
        """Answer and authority."""
        entry = finding.entry
        body = entry.stale_body(self._cache.limits.stale_ttl) if finding.is_stale else entry.body(self._now())
        return cached_reply.records(entry, want, body)
