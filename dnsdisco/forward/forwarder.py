"""The door of the room: which exchange a question joins, which upstreams it may use, and how many may be on their way."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence

from dnsdisco.answer.trace import UpstreamWord
from dnsdisco.errors import UpstreamError
from dnsdisco.forward.context import Context
from dnsdisco.forward.deadlines import Deadlines
from dnsdisco.forward.exchange import Exchange, Result
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.forward.loops import Loops
from dnsdisco.forward.message import folded, SENT_FLAGS
from dnsdisco.forward.poller import Poller
from dnsdisco.forward.pulse import Pulse
from dnsdisco.forward.start_queue import StartQueue
from dnsdisco.forward.statistics import ASKED, FAILED, ForwardStatistics
from dnsdisco.forward.upstream import Upstream
from dnsdisco.forward.upstream_table import UpstreamTable
from dnsdisco.settings.sections import ForwardSettings

log = logging.getLogger("dnsdisco.forward")

Waiter = Callable[[Result], None]
_Key = tuple[bytes, int, bool]


def system_random_ids(together: int = 256) -> Callable[[], int]:
    """Gives 16 bits from the system's CSPRNG at each call; it is asked for so many together, which saves a system call each time."""
    ids: list[int] = []

    def random_id() -> int:
        if not ids:
            ids.extend(memoryview(os.urandom(2 * together)).cast("H"))
        return ids.pop()

    return random_id


class Forwarder:
    """Made without I/O; `start()` before the first question, `close()` at the end, both in the loop that asks. Not thread-safe.

    *own*: the addresses and ports that this server listens on, for an upstream that is ourselves. *secret*: 16 octets, equal in all
    workers of this server, by which they find upstreams that lead back to them; empty: none are looked for.
    """

    def __init__(
        self,
        settings: ForwardSettings,
        *,
        own: Sequence[tuple[str, int]] = (),
        limits: ForwardLimits | None = None,
        now: Callable[[], float] = time.monotonic,
        random_id: Callable[[], int] | None = None,
        secret: bytes = b"",
    ) -> None:
        self.limits = limits or ForwardLimits()
        self.statistics = ForwardStatistics()
        self._settings = settings
        self._own = tuple(own)
        self._now = now
        self._random_id = random_id or system_random_ids()
        self._secret = secret
        self._loops: Loops | None = None
        self._context: Context | None = None
        self._sources: UpstreamTable | None = None
        self._pending: dict[_Key, tuple[Exchange, list[Waiter]]] = {}
        self._started_early: dict[_Key, Exchange] = {}  # of these: begun when `pending_slow` were on their way, the oldest first
        self._without_living = 0  # of these: begun when every upstream was dead
        self.heard: tuple[UpstreamWord, ...] = ()  # while a waiter is called: what each upstream said to its question
        self._pulse: Pulse | None = None
        self._watch_timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Read the resolv.conf files, sort out upstreams that are ourselves."""
        loop = asyncio.get_running_loop()
        self._context = Context(
            loop, self._now, self._random_id, self.limits, self.statistics, Poller(loop), Deadlines(loop, self._now), self._suspect
        )
        self._sources = UpstreamTable(self._context, self._own)
        self._line = StartQueue(loop)
        self._pulse = Pulse(self._context)
        if self._secret:
            self._loops = Loops(self._context, self._secret)
        self.apply(self._settings)
        self._watch()

    async def close(self) -> None:
        """End everything; callers that wait get UpstreamError (kind closed)."""
        if self._watch_timer is not None:
            self._watch_timer.cancel()
        for exchange, _ in tuple(self._pending.values()):
            exchange.abandon(UpstreamError("upstreams", "closed", "shutting down"))
        if self._pulse is not None:
            self._pulse.close()
        if self._loops is not None:
            self._loops.close()
        if self._sources is not None:
            await self._sources.close()
        if self._context is not None:
            self._line.close()
            self._context.poller.close()
            self._context.ticker.close()
            self._context = None
        await asyncio.sleep(0)  # the transports close their sockets in the next turn

    def apply(self, settings: ForwardSettings) -> None:
        """Use other upstreams from now on. What is on its way ends as it began; what is known of an upstream that stays is kept."""
        self._settings = settings
        if self._sources is not None:
            self._sources.apply(settings)
            self._upstreams_changed()

    # what may be asked

    def can_forward(self, question: bytes) -> bool:
        """Some upstream was configured for the name of *question* (perhaps none that works). False: the answer is REFUSED."""
        return self._sources is not None and self._sources.routes.find(question).is_configured

    def upstreams_for(self, question: bytes) -> tuple[str, ...]:
        """The addresses that may be asked for *question*, in the order written."""
        return tuple(str(each.address) for each in self._sources.routes.find(question).upstreams) if self._sources else ()

    def has_zone(self, question: bytes) -> bool:
        """The name is in one of `forward.zones`: then it is not special, whatever the RFCs make of it."""
        return self._sources is not None and self._sources.routes.has_zone(question)

    def recognise(self, question: bytes) -> bytes | None:
        """The TXT RDATA to answer with when *question* is one that this server asked of an upstream, which therefore leads back here."""
        return self._loops.recognise(question) if self._loops is not None else None

    @property
    def is_on(self) -> bool:
        """Something is forwarded at all: RA in our replies."""
        return self._sources is not None and any(route.is_configured for route in self._sources.routes)

    def describe(self) -> list[dict[str, object]]:
        """Every upstream, for a page or a metric."""
        return [upstream.describe() for upstream in self._sources.upstreams()] if self._sources else []

    # asking

    async def exchange(self, question: bytes, *, flags: int, dnssec_ok: bool) -> bytes:
        """The upstream's whole reply to *question* (QNAME as the client spelled it, QTYPE, QCLASS); its id means nothing.

        *flags*: the RD, AD and CD bits to send, in their places in the header word. When an equal question is on its way already, its
        reply is given, with the spelling of the client that asked first. Raises UpstreamError within `limits.deadline_s`.
        """
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def settle(result: Result) -> None:
            if future.done():  # the caller has gone
                return
            if isinstance(result, UpstreamError):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.ask(question, flags, dnssec_ok, settle)
        return await future

    def ask(self, question: bytes, flags: int, dnssec_ok: bool, waiter: Waiter) -> None:  # noqa: FBT001  # the hot path: by position
        """exchange() without a task: *waiter* is called once, with the reply or the error, perhaps before ask() returns."""
        key = (folded(question), flags & SENT_FLAGS, dnssec_ok)
        joined = self._pending.get(key)
        if joined is not None:
            self.statistics.shared += 1
            joined[1].append(waiter)
            return
        self.heard = ()
        if self._context is None or self._sources is None:
            waiter(UpstreamError("upstreams", "closed", "not started"))
            return
        route = self._sources.routes.find(question)
        written = [upstream for upstream in route.upstreams if not upstream.looping or route.zone not in upstream.looping]
        upstreams = self._ranked(written)
        if not upstreams:
            reason = "they lead back to this server" if route.upstreams else "none can be used"
            waiter(UpstreamError("upstreams", "disabled", reason))
            return
        has_only_dead = upstreams[0].health.is_silent
        if has_only_dead and self._without_living >= self.limits.pending_dead:
            self.statistics.shed += 1
            self.statistics.shed_dead += 1
            waiter(UpstreamError("upstreams", "shed", "none of them answers, and others are waiting already"))
            return
        while len(self._pending) >= self.limits.pending:
            if not self._make_room():
                self.statistics.shed += 1
                waiter(UpstreamError("upstreams", "shed", f"{self.limits.pending} questions are on their way"))
                return
        self.statistics.questions += 1
        waiters = [waiter]

        def done(exchange: Exchange, result: Result) -> None:
            del self._pending[key]
            self._started_early.pop(key, None)
            self._without_living -= exchange.has_only_dead
            if isinstance(result, UpstreamError):
                self.statistics.failed += 1
            for each in waiters:
                self.heard = exchange.heard
                each(result)

        is_ordered = self._settings.policy == "order"
        exchange = Exchange(question, flags, dnssec_ok, upstreams, self._context, done, is_ordered)
        if upstreams[0] is not written[0]:  # which is silent
            exchange.gap_at = -1
        exchange.has_only_dead = has_only_dead
        self._without_living += has_only_dead
        if len(self._pending) >= self.limits.pending_slow:
            self._started_early[key] = exchange
        self._pending[key] = (exchange, waiters)
        self._line.begin(exchange)

    @property
    def pending(self) -> int:
        """Different questions on their way."""
        return len(self._pending)

    def figures(self) -> dict[str, int]:
        """All counters, and how many questions are on their way, by the names of the statistics."""
        self.statistics.pending = self.pending
        upstreams = tuple(self._sources.upstreams()) if self._sources is not None else ()
        return {
            **self.statistics.figures(),
            **ASKED.named({str(upstream): upstream.asked for upstream in upstreams}),
            **FAILED.named({str(upstream): upstream.failed_questions for upstream in upstreams}),
        }

    def _make_room(self) -> bool:
        """End the oldest question that has had its time; False: there is none."""
        oldest = next(iter(self._started_early.values()), None)
        if oldest is None or self._now() - oldest.begun_at < self.limits.jostle_s:
            return False
        self.statistics.jostled += 1
        oldest.abandon(UpstreamError("upstreams", "shed", "it took too long, and newer questions needed its place"))
        return True

    def _ranked(self, upstreams: Sequence[Upstream]) -> Sequence[Upstream]:
        """The upstreams in the order in which they are asked: as written, silent ones last; with `policy: fastest`, the quickest first."""
        if len(upstreams) < 2:
            return upstreams
        if self._settings.policy == "fastest":
            stale_at = self._now() - self.limits.measure_s
            for upstream in upstreams:
                if upstream.health.measured_at < stale_at and self._pulse is not None:
                    self._pulse.look_at(upstream)
            return sorted(upstreams, key=lambda upstream: (upstream.health.is_dead, upstream.health.smoothed_s))
        for upstream in upstreams:
            if upstream.health.is_silent:
                return sorted(upstreams, key=lambda upstream: upstream.health.is_silent)  # stable: else as written
        return upstreams

    def _upstreams_changed(self) -> None:
        if self._sources is None:
            return
        if self._loops is not None:
            self._loops.watch(self._sources.routes)
        if self._pulse is not None:
            self._pulse.keep(self._sources.upstreams())

    def _suspect(self, upstream: Upstream, question: bytes) -> None:
        if self._pulse is not None:
            self._pulse.look_at(upstream)
        if self._loops is not None and self._sources is not None:
            self._loops.suspect(upstream, self._sources.routes.find(question).zone)

    def _watch(self) -> None:
        assert self._context is not None
        assert self._sources is not None
        if self._sources.look():
            self._upstreams_changed()
        self._watch_timer = self._context.loop.call_later(self.limits.watch_s, self._watch)
