"""The way of a name that is not ours, and of what our own answers lack: found or asked for (`cached_upstream.py`), completed, sent.

What is still wanted, and what comes of it, is decided in `answer/steps.py`; this file drives those steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from dnsdisco.answer import cached_reply, narration
from dnsdisco.answer.believe import UpstreamQuestion
from dnsdisco.answer.decide import decide
from dnsdisco.answer.decision import Decision, Gather, InTurns, Want
from dnsdisco.answer.rebinding import BLOCKED
from dnsdisco.answer.resume import Answered, Outcome, Unanswered
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.answer.sources import CACHE, STALE, UPSTREAM
from dnsdisco.answer.steps import AllOf, Ask, Resolution, Steps
from dnsdisco.answer.trace import Trace
from dnsdisco.cache.cache import Freshness
from dnsdisco.cache.entry import CacheEntry
from dnsdisco.model.turns import at_once
from dnsdisco.server.cached_upstream import Asked, CachedUpstream, CacheFinding, Finding, Look, UpstreamFailed
from dnsdisco.server.reply_sender import Client, ReplySender
from dnsdisco.wire.constants import RD
from dnsdisco.wire.name import labels_of
from dnsdisco.wire.query import Query
from dnsdisco.wire.reply import Reply
from dnsdisco.zone.catalog import Catalog

T = TypeVar("T")

_ASKED_FOR = (Freshness.EXPIRED, Freshness.MISSING)  # what the cache has is not enough


class Resolver:
    """Event loop only. `settings`: of the answers."""

    def __init__(self, upstream: CachedUpstream, catalog: Catalog, sender: ReplySender, *, now: Callable[[], float]) -> None:
        self.settings = AnswerSettings()
        self._upstream, self._cache = upstream, upstream.cache
        self._catalog, self._sender, self._now = catalog, sender, now

    def decide(self, query: Query, trace: Trace | None = None) -> Decision:
        """The decision about *query*, by the data of this moment."""
        decision = decide(query, self._catalog, self.settings, self._upstream.can_answer, trace)
        return at_once(decision.turns) if trace is not None and isinstance(decision, InTurns) else decision

    def forward(self, client: Client) -> CacheEntry | None:
        """Answer from the cache now, or from an upstream when it has spoken. Returns an entry that is asked for again and again."""
        query = client.query
        key = cached_reply.key_of(query)
        now = self._now()
        state, entry = look = self._cache.look(key, now)
        trace = client.trace
        if trace is not None:
            narration.cached(trace, query.labels, *look, now)
        query.source = UPSTREAM if state in _ASKED_FOR else CACHE
        if entry is not None and state is Freshness.FRESH:
            is_wanted = entry.is_aged(now) and not entry.is_private
            self._answer(client, CacheFinding(entry))
            return entry if is_wanted else None
        if query.flags & RD:
            asked = Asked(key, query.question, UpstreamQuestion(query.qname, query.qtype, cached_reply.is_dnssec_ok(key)))
            done: Callable[[Finding], None] = partial(self._answer, client)
            if trace is not None:
                done = self._recording(trace, asked, look, done)
            self._upstream.find(client, asked, look, done, is_limited=not client.is_local)
        elif entry is not None and state is Freshness.BUSY:
            self._answer(client, CacheFinding(entry))
        else:
            self._sender.reply(client, cached_reply.NOT_DESIRED)
        return None

    def gather(self, client: Client, gather: Gather) -> None:
        """Complete an answer of ours with data from upstreams."""
        self._run(client, self._resolution(client).complete(gather), partial(self._sender.reply, client))

    def reply_from(self, entry: CacheEntry, client: Client) -> bytes:
        """The reply to *client* from a fresh entry."""
        query, limit, options = client.query, client.limit, client.options
        trust_ad = self._upstream.trust_ad
        return cached_reply.reply_from(entry, query, self._now(), limit=limit, options=options, trust_ad=trust_ad)

    def _answer(self, client: Client, finding: Finding) -> None:
        query = client.query
        if isinstance(finding, UpstreamFailed):
            if self._upstream.can_forward(query.question):
                self._sender.reply(client, cached_reply.failure_reply(finding.reasons, is_remembered=finding.is_remembered))
            else:
                self._sender.reply(client, cached_reply.NOBODY_TO_ASK)
            return
        entry, is_stale = finding
        if is_stale:
            query.source = STALE
        if self._upstream.is_withheld(client, entry):
            self._sender.reply(client, BLOCKED)
        elif entry.target:
            first = self._answered(Want(query.qname, query.qtype), finding)
            way = self._resolution(client).follow(first, query.qtype)
            self._run(client, way, partial(self._reply_guarded, client, entry))
        else:
            if is_stale:
                self._cache.statistics.stale += 1
                ttl = self._cache.limits.stale_ttl
                octets = cached_reply.stale_reply(entry, query, ttl, limit=client.limit, options=client.options)
            else:
                octets = self.reply_from(entry, client)
            self._sender.count(client, entry.rcode)
            client.send(octets)

    def _reply_guarded(self, client: Client, entry: CacheEntry, reply: Reply) -> None:
        """*reply* is what *entry* leads to."""
        self._sender.reply(client, BLOCKED if self._upstream.is_withheld(client, entry, reply.answer) else reply)

    # the steps of answer/steps.py

    def _resolution(self, client: Client) -> Resolution:
        trace = client.trace
        return Resolution(lambda want: self.decide(cached_reply.query_of(want), trace), trace)

    def _run(self, client: Client, under_way: Steps[T], done: Callable[[T], None], came: Any = None) -> None:
        """Send *came* into the steps, and go on until they return, with calls back where an upstream has to be waited for."""
        try:
            wanted = under_way.send(came)
        except StopIteration as end:
            done(end.value)
            return
        go_on = partial(self._run, client, under_way, done)
        if wanted is None:
            asyncio.get_running_loop().call_soon(go_on)
        elif isinstance(wanted, Ask):
            self._ask(client, wanted, go_on)
        else:
            self._run_all(client, wanted, go_on)

    def _run_all(self, client: Client, wanted: AllOf, done: Callable[[dict[Want, Outcome]], None]) -> None:
        outcomes: dict[Want, Outcome] = {}
        timer: asyncio.TimerHandle | None = None
        is_done = False

        def finish() -> None:
            nonlocal is_done
            is_done = True
            if timer is not None:
                timer.cancel()
            done(outcomes)

        def take(want: Want, outcome: Outcome) -> None:
            outcomes[want] = outcome
            if len(outcomes) == len(wanted.steps) and not is_done:
                finish()

        for want, under_way in wanted.steps.items():
            self._run(client, under_way, partial(take, want))
        if wanted.is_glue and not is_done:  # what was asked for is here: no upstream may hold it back
            timer = asyncio.get_running_loop().call_later(self._upstream.limits.glue_s, finish)

    def _ask(self, client: Client, ask: Ask, done: Callable[[Outcome], None]) -> None:
        want = ask.want
        question = cached_reply.question_of(want)
        if not self._upstream.can_answer(question):
            done(Unanswered("no upstream is configured"))
            return
        key = cached_reply.key_of(cached_reply.query_of(want, client.query if ask.is_chain else None))
        asked = Asked(key, question, UpstreamQuestion(want.name, want.qtype, cached_reply.is_dnssec_ok(key)))

        def take(finding: Finding) -> None:
            if isinstance(finding, UpstreamFailed):
                done(Unanswered(finding.reasons[0][1]))
            else:
                done(self._answered(want, finding))

        look = self._cache.look(key, now := self._now())
        if client.trace is None:
            self._upstream.find(client, asked, look, take)
        else:
            narration.cached(client.trace, labels_of(want.name), *look, now)
            self._upstream.find(client, asked, look, self._recording(client.trace, asked, look, take))

    def _recording(self, trace: Trace, asked: Asked, look: Look, done: Callable[[Finding], None]) -> Callable[[Finding], None]:
        """*done*, with the upstreams' replies recorded in *trace* before it."""
        if look[0] not in _ASKED_FOR:
            return done
        upstreams = self._upstream.upstreams_for(asked.spelled)

        def recorded(finding: Finding) -> None:
            if words := self._upstream.heard:
                narration.heard(trace, words)
            elif isinstance(finding, UpstreamFailed):
                narration.failed(trace, upstreams, finding.reasons)
            done(finding)

        narration.asked(trace, labels_of(asked.question.qname), upstreams)
        return recorded

    def _answered(self, want: Want, finding: CacheFinding) -> Answered:
        entry, is_stale = finding
        self._cache.statistics.stale += is_stale
        body = entry.stale_body(self._cache.limits.stale_ttl) if is_stale else entry.body(self._now())
        answer, authority = cached_reply.records(entry, want, body)
        return Answered(entry.rcode, tuple(answer), is_stale, tuple(authority), entry.target)
