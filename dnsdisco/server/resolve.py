"""The way of a name that is not ours, and of what our own answers lack: found or asked for (`asking.py`), completed, sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

from dnsdisco.answer import resolver
from dnsdisco.answer.decision import Decision, Forward, Gather, Want
from dnsdisco.answer.rebinding import BLOCKED
from dnsdisco.answer.resolver_reply import CHAIN_MAX, Question
from dnsdisco.answer.resume import finish, Outcome, Told, Untold
from dnsdisco.cache.cache import State
from dnsdisco.cache.entry import Entry
from dnsdisco.server.asking import Asked, Asker, Client, Failed, Finding, Found
from dnsdisco.wire.constants import CNAME, EDE_NETWORK_ERROR, EDE_OTHER, RD, REFUSED, SERVFAIL
from dnsdisco.wire.query import Query
from dnsdisco.wire.reply import Reply, RR


class Resolver:
    """Event loop only."""

    def __init__(
        self,
        asker: Asker,
        *,
        now: Callable[[], float],
        decide: Callable[[Query], Decision],
        reply: Callable[[Client, Reply], None],
        count: Callable[[Query, int], None],
    ) -> None:
        """*decide*: what is said of a name here; *reply*: send it; *count*: one answer with that rcode."""
        self._asker, self._cache = asker, asker.cache
        self._now, self._decide, self._reply, self._count = now, decide, reply, count

    # a name that is not ours

    def forward(self, client: Client) -> Entry | None:
        """Answer it from the cache now, or from an upstream when it has spoken. Returns an entry that is asked for again and again."""
        query = client.query
        key = resolver.key_of(query)
        now = self._now()
        state, entry = look = self._cache.look(key, now)
        if entry is not None and state is State.FRESH:
            is_wanted = entry.is_aged(now) and not entry.is_private
            self._answer(client, Found(entry))
            return entry if is_wanted else None
        if query.flags & RD:
            asked = Asked(key, query.question, Question(query.qname, query.qtype, resolver.is_dnssec_ok(key)))
            self._asker.find(client, asked, look, partial(self._answer, client), is_limited=not client.is_local)
        elif entry is not None and state is State.BUSY:
            self._answer(client, Found(entry))
        else:
            self._reply(client, resolver.NOT_DESIRED)
        return None

    def _answer(self, client: Client, finding: Finding) -> None:
        query = client.query
        if isinstance(finding, Failed):
            self._reply(client, resolver.failure_reply(finding.reasons, is_remembered=finding.is_remembered))
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
            octets = resolver.stale_reply(entry, query, self._cache.limits.stale_ttl, limit=client.limit, options=client.options)
        else:
            octets = self.reply_from(entry, client)
        self._count(query, entry.rcode)
        client.send(octets)

    def reply_from(self, entry: Entry, client: Client) -> bytes:
        """What *client* gets of a fresh entry."""
        query, _, _, limit, options, _ = client
        trust_ad = self._asker.trust_ad
        return resolver.reply_from(entry, query, self._now(), limit=limit, options=options, trust_ad=trust_ad)

    def _answer_from_here_on(self, client: Client, finding: Found) -> None:
        """The aliases that an upstream told, and what their target has by our own data (or where else it is to be asked for)."""
        query = client.query
        head = self._records(finding, Want(query.qname, query.qtype))
        ede = (resolver.stale_reason(finding.entry),) if finding.is_stale else ()

        def complete(rest: Reply) -> None:
            if self._asker.is_withheld(client, finding.entry, rest.answer):
                self._reply(client, BLOCKED)
                return
            answer = (*head, *rest.answer)
            self._reply(client, replace(rest, answer=answer, is_authoritative=False, ede=(*ede, *rest.ede), depends_on=None))

        self._go_on(client, Want(finding.entry.target, query.qtype), _aliases(head), complete)

    # a name of ours that needs others

    def gather(self, client: Client, gather: Gather) -> None:
        """Complete an answer of ours with what upstreams know, asked for all at once."""
        self._gather(client, gather, 0, partial(self._reply, client))

    def _gather(self, client: Client, gather: Gather, depth: int, done: Callable[[Reply], None]) -> None:
        outcomes: dict[Want, Outcome] = {}
        wants = gather.wants
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

        for want in wants:
            self._want(client, want, depth, partial(take, want))
        if not is_done and all(part.is_glue for part in gather.parts):  # what was asked for is here: no upstream may hold it back
            timer = asyncio.get_running_loop().call_later(self._asker.limits.glue_s, complete)

    def _want(self, client: Client, want: Want, depth: int, done: Callable[[Outcome], None]) -> None:
        """*depth*: aliases on the way here."""
        question = resolver.question_of(want)
        if not self._asker.can_forward(question):
            done(Untold("no upstream is configured"))
            return
        asked = Asked(resolver.key_of_want(want), question, Question(want.name, want.qtype, dnssec_ok=False))
        look = self._cache.look(asked.key, self._now())
        self._asker.find(client, asked, look, partial(self._take_wanted, client, want, depth, done))

    def _take_wanted(self, client: Client, want: Want, depth: int, done: Callable[[Outcome], None], finding: Finding) -> None:
        if isinstance(finding, Failed):
            done(Untold(finding.reasons[0][1]))
            return
        entry, is_stale = finding.entry, finding.is_stale
        self._cache.statistics.stale += is_stale
        told = self._records(finding, want)
        if not entry.target:
            done(Told(entry.rcode, tuple(told), is_stale))
            return

        def complete(rest: Reply) -> None:
            if rest.rcode == SERVFAIL and not rest.answer:
                done(Untold(rest.ede[0].text if rest.ede else "an alias leads nowhere"))
            else:
                done(Told(rest.rcode, (*told, *rest.answer), is_stale))

        self._go_on(client, Want(entry.target, want.qtype), depth + _aliases(told), complete)

    def _go_on(self, client: Client, want: Want, depth: int, done: Callable[[Reply], None]) -> None:
        """What stands at the end of *depth* aliases."""
        if depth >= CHAIN_MAX:
            done(resolver.failure_reply(((EDE_OTHER, f"more than {CHAIN_MAX} aliases in a row"),)))
            return
        decision = self._decide(resolver.query_of(want))
        match decision:
            case Reply(rcode=rcode) if rcode == REFUSED:  # nobody to ask: the aliases are all there is
                done(Reply(ede=decision.ede))
            case Reply():
                done(decision)
            case Gather():
                self._gather(client, decision, depth + 1, done)
            case Forward():

                def complete(outcome: Outcome) -> None:
                    if isinstance(outcome, Told):
                        done(Reply(outcome.rcode, answer=outcome.records))
                    else:
                        done(resolver.failure_reply(((EDE_NETWORK_ERROR, outcome.reason),)))

                self._want(client, want, depth + 1, complete)
            case _:
                assert_never(decision)

    def _records(self, finding: Found, want: Want) -> list[RR]:
        entry = finding.entry
        body = entry.stale_body(self._cache.limits.stale_ttl) if finding.is_stale else entry.body(self._now())
        return resolver.records(entry, want, body)


def _aliases(records: list[RR]) -> int:
    return sum(record.rtype == CNAME for record in records)
