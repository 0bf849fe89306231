"""From the cache, else from an upstream and into the cache: one exchange for all clients with the same question at a time, a stale answer where none comes.

A caller that has to wait is called back; nothing waits in a task. What is believed, and for how long, is decided in `answer/believe.py`
and `cache/cache.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Protocol

from dnsdisco.answer import cached_reply, rebinding
from dnsdisco.answer.believe import believe, unsigned, UpstreamQuestion
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.answer.trace import UpstreamWord
from dnsdisco.cache.cache import Cache, Freshness
from dnsdisco.cache.entry import CacheEntry, Kind
from dnsdisco.cache.failures import Reasons
from dnsdisco.errors import UpstreamError, WireError
from dnsdisco.forward.message import folded
from dnsdisco.server.reply_sender import Client
from dnsdisco.settings.sections import CacheSettings
from dnsdisco.wire.constants import AD, CD, EDE_NETWORK_ERROR, EDE_OTHER, rcode_to_text, RD, SERVFAIL
from dnsdisco.wire.name import labels_of
from dnsdisco.wire.relay import records_of
from dnsdisco.wire.reply import fault_reply, RR

_CROWDED = ((EDE_NETWORK_ERROR, "too many questions wait for an upstream"),)

Result = bytes | UpstreamError


class UpstreamLimits(NamedTuple):
    patience_s: float = 1.8  # a client waits so long for a fresh answer when there is a stale one (RFC 8767 §5)
    glue_s: float = (
        0.25  # an answer that lacks nothing but addresses in ADDITIONAL waits so long for them: more than a good upstream takes
    )
    waiting: int = 8192  # queries that wait for an upstream; more get SERVFAIL. 1,024 exchanges with a few clients each; 4 MB
    waiting_per_client: int = 128  # … of one client on another host


class Upstreams(Protocol):
    """The forward room, as seen from here."""

    def can_forward(self, question: bytes) -> bool: ...

    def upstreams_for(self, question: bytes) -> tuple[str, ...]:
        """The addresses that may be asked, in their order."""

    def recognise(self, question: bytes) -> bytes | None:
        """The TXT RDATA to answer with, when *question* is one of this server's own, which came back through an upstream."""

    def ask(self, question: bytes, flags: int, dnssec_ok: bool, waiter: Callable[[Result], None]) -> None:  # noqa: FBT001
        """Calls *waiter* once, within about two seconds, perhaps before it returns."""

    @property
    def heard(self) -> Sequence[UpstreamWord]:
        """While a waiter is called: the result of each upstream for its question. (): none was asked."""


Look = tuple[Freshness, CacheEntry | None]


class CacheFinding(NamedTuple):
    """The entry of the cache that answers a question."""

    entry: CacheEntry
    is_stale: bool = False


class UpstreamFailed(NamedTuple):
    reasons: Reasons
    is_remembered: bool = False


Finding = CacheFinding | UpstreamFailed
Waiter = tuple[Client, Callable[[Finding], None]]


class Asked(NamedTuple):
    """One question. `spelled`: its octets as the client wrote them."""

    key: bytes
    spelled: bytes
    question: UpstreamQuestion


class _Asking:
    """A question on its way to an upstream. `is_late`: `patience_s` has passed."""

    __slots__ = ("asked", "is_late", "timer", "waiters")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.waiters: list[Waiter] = []
        self.timer: asyncio.TimerHandle | None = None
        self.is_late = False


def _grounds(settings: AnswerSettings) -> Hashable:
    """The settings by which entries were judged before they were kept."""
    return settings.zone.zones, settings.overrides, settings.configured.forward.rebind_protection, settings.rebind_allowed


class CachedUpstream:
    """Event loop only."""

    def __init__(self, upstreams: Upstreams, *, now: Callable[[], float], faults: Counter[str]) -> None:
        self.cache = Cache()
        self.limits = UpstreamLimits()
        self._upstreams, self._now, self._faults = upstreams, now, faults
        self._asking: dict[bytes, _Asking] = {}
        self._waiting = 0
        self._waiting_of: Counter[str] = Counter()
        self._settings = AnswerSettings()
        self._origin: Hashable = None
        self.trust_ad = False
        self.heard: Sequence[UpstreamWord] = ()  # while a waiter is called, as that of the upstreams

    def configure(self, settings: AnswerSettings, cache: CacheSettings, *, trust_ad: bool, origin: Hashable) -> None:
        """Use new settings. The cache is emptied if other names are ours or special now; if the upstreams are others, its entries become stale.

        *origin*: the source of answers; None: there is no upstream to ask now, so the kept answers stay.
        """
        before, before_origin = self._settings, self._origin
        self._settings, self.trust_ad = settings, trust_ad
        self.cache.configure(cache)
        if origin is not None:
            self._origin = origin
        if _grounds(before) != _grounds(settings):
            self.cache.flush()
        elif before_origin != self._origin:
            self.cache.expire(self._now())

    def can_forward(self, question: bytes) -> bool:
        """Some upstream is there to be asked for it, by the configuration."""
        return self._upstreams.can_forward(question)

    def upstreams_for(self, question: bytes) -> tuple[str, ...]:
        """The addresses of those, in their order."""
        return self._upstreams.upstreams_for(question)

    def can_answer(self, question: bytes) -> bool:
        """Some upstream is there to be asked for it, or something of it is kept, fresh or stale."""
        return self._upstreams.can_forward(question) or self.cache.has_some(folded(question), self._now())

    def is_withheld(self, client: Client, entry: CacheEntry, records: Iterable[RR] = ()) -> bool:
        """*entry*, or what *records* complete it with, gives a public name a private address, and that is not wanted. Counts."""
        if not rebinding.is_guarded(client.query.labels, self._settings) or not (
            entry.is_private or rebinding.has_private(records)
        ):
            return False
        self.cache.statistics.withheld += 1
        return True

    @property
    def waiting(self) -> int:
        """Queries, and parts of our own answers, that wait for an upstream."""
        return self._waiting

    def find(self, client: Client, asked: Asked, look: Look, done: Callable[[Finding], None], *, is_limited: bool = False) -> None:
        """Hand the outcome to *done*: now, or when an upstream has answered, or when `patience_s` has passed.

        *look*: what the cache has just returned. *is_limited*: the client may not have more than `waiting_per_client` wait.
        """
        state, entry = look
        self.heard = ()
        asking = self._asking.get(asked.key)
        if entry is not None and (state is Freshness.FRESH or state is Freshness.BUSY):
            if state is Freshness.BUSY and asking is None:
                self._ask(_Asking(asked))
            done(CacheFinding(entry))
        elif entry is not None and (state is Freshness.STALE or (asking is not None and asking.is_late)):
            done(self._old(asked, entry))
        elif state is Freshness.FAILED:
            failure = self.cache.failure(asked.key, self._now())
            done(UpstreamFailed(failure.reasons if failure else (), is_remembered=True))
        elif self._is_crowded(client, is_limited=is_limited):
            done(UpstreamFailed(_CROWDED) if entry is None else self._old(asked, entry))
        else:
            self._waiting += 1
            self._waiting_of[client.peer] += 1
            if asking is not None:
                asking.waiters.append((client, done))
                return
            asking = _Asking(asked)
            asking.waiters.append((client, done))
            if entry is not None:
                asking.timer = asyncio.get_running_loop().call_later(self.limits.patience_s, self._startup_timeout_passed, asking)
            self._ask(asking)

    def _is_crowded(self, client: Client, *, is_limited: bool) -> bool:
        """One more may not wait, which is counted."""
        if self._waiting >= self.limits.waiting:
            self.cache.statistics.shed += 1
            return True
        if is_limited and self._waiting_of.get(client.peer, 0) >= self.limits.waiting_per_client:
            self.cache.statistics.shed_of_client += 1
            return True
        return False

    def _ask(self, asking: _Asking) -> None:
        key, spelled, question = asking.asked
        self._asking[key] = asking
        # An upstream sets AD only when it is asked for (RFC 6840 §5.7); which client may see it is decided for each.
        flags = RD | (CD if cached_reply.is_checking_disabled(key) else 0) | (AD if self.trust_ad else 0)
        try:
            self._upstreams.ask(spelled, flags, question.dnssec_ok, partial(self._settle, asking))
        except Exception as error:  # noqa: BLE001  a fault of ours costs these answers; the next client must not wait for them
            self._faults[f"{type(error).__name__} while asking"] += 1
            if self._asking.get(key) is asking:
                self._settle(asking, UpstreamError("upstreams", "closed", "the question could not be sent"))

    def _startup_timeout_passed(self, asking: _Asking) -> None:
        """Give the stale answer; the exchange goes on, for the clients that ask next."""
        asking.is_late = True
        entry = self.cache.stale(asking.asked.key, self._now())
        if entry is not None:
            self._call_waiters(asking, self._old(asking.asked, entry))

    def _old(self, asked: Asked, entry: CacheEntry) -> CacheFinding:
        """*entry*, which the cache has in place of an answer. It may have been heard with DO for a question without, or the reverse."""
        if entry.is_signed == asked.question.dnssec_ok:
            return CacheFinding(entry, is_stale=self._now() >= entry.expires_at)
        return CacheFinding(unsigned(entry, asked.question) if entry.is_signed else entry, is_stale=True)

    def _settle(self, asking: _Asking, result: Result) -> None:
        """An upstream has spoken, or none does."""
        heard = self._upstreams.heard
        del self._asking[asking.asked.key]
        if asking.timer is not None:
            asking.timer.cancel()
        try:
            finding = self._learn(asking, result)
        except Exception as error:  # noqa: BLE001  a fault of ours costs these answers, not the loop
            self._faults[f"{type(error).__name__} while reading a reply"] += 1
            finding = UpstreamFailed(((EDE_OTHER, "the reply could not be used"),))
        self._call_waiters(asking, finding, heard)

    def _learn(self, asking: _Asking, result: Result) -> Finding:
        (key, spelled, question), cache, now = asking.asked, self.cache, self._now()
        if isinstance(result, UpstreamError):
            reasons = cached_reply.reasons_of(result)
            stale = cache.fail(key, now, reasons) if cached_reply.is_to_be_remembered(result) else cache.stale(key, now)
        else:
            settings = self._settings
            zone = cached_reply.forward_zone_of(labels_of(question.qname), settings) if settings.overrides else None
            leaves = partial(cached_reply.is_for_others, zone=zone, settings=settings)
            try:
                item, left_out = believe(result, question, leaves)
            except WireError as error:
                cache.statistics.unusable += 1
                reasons = ((EDE_NETWORK_ERROR, f"malformed reply from upstream: {error}"),)
            else:
                cache.statistics.distrusted += left_out
                if item.kind is not Kind.OTHER or cache.stale(key, now) is None:
                    entry = cache.keep(key, item, now)
                    if rebinding.is_guarded(labels_of(question.qname), self._settings):
                        entry.is_private = rebinding.has_private(records_of(spelled, entry.counts, entry.body(now))[0])
                    return CacheFinding(entry)
                reasons = ((EDE_NETWORK_ERROR, rcode_to_text(item.rcode)),)
            stale = cache.fail(key, now, reasons)
        return UpstreamFailed(reasons) if stale is None else self._old(asking.asked, stale)

    def _call_waiters(self, asking: _Asking, finding: Finding, heard: Sequence[UpstreamWord] = ()) -> None:
        waiters, asking.waiters = asking.waiters, []
        for client, done in waiters:
            self._waiting -= 1
            self._waiting_of[client.peer] -= 1
            if not self._waiting_of[client.peer]:
                del self._waiting_of[client.peer]
            try:
                self.heard = heard
                done(finding)
            except Exception as error:  # noqa: BLE001  as above: one answer
                self._faults[f"{type(error).__name__} in an answer from upstream"] += 1
                client.query.fault = SERVFAIL
                with suppress(Exception):  # if that was what failed, the others still have to be called
                    client.send(fault_reply(client.query))
