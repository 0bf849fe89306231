"""Finds out whether an upstream that has not answered in time is there: it is asked for a name that it should have in its cache, once a second.

Clients' questions do not show this: one name takes its time because of servers far behind the upstream, and the next question may come in an
hour. So silence is judged by two questions of our own: `. NS`, which every resolver has, and the name that it answered last, because some do not answer
for names that are not theirs. They are repeated, and asked without EDNS as well; any reply of the upstream meanwhile, to any question, shows that it is there.
"""

from __future__ import annotations

from collections.abc import Iterable

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.context import Context
from dnsdisco.forward.exchange import Exchange, Result
from dnsdisco.forward.upstream import Upstream
from dnsdisco.wire.constants import RD

ROOT_NS = b"\0\0\2\0\1"  # `. NS`


class Pulse:
    """Event loop only. At most two questions on their way to each upstream."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._checks: dict[Upstream, _Check] = {}

    def look_at(self, upstream: Upstream) -> None:
        """Find out whether it is there; while it is not, go on until it is."""
        if upstream not in self._checks:
            self._checks[upstream] = check = _Check(upstream, self._context, self._checks)
            check.begin()

    def keep(self, upstreams: Iterable[Upstream]) -> None:
        """These are the upstreams now: look no longer at any other."""
        for upstream in self._checks.keys() - set(upstreams):
            self._checks[upstream].end()

    def close(self) -> None:
        self.keep(())


class _Check:
    __slots__ = ("_begun_at", "_checks", "_context", "_exchanges", "_upstream", "slot")

    def __init__(self, upstream: Upstream, context: Context, checks: dict[Upstream, _Check]) -> None:
        self.slot = 0  # the ticker's
        self._upstream, self._context, self._checks = upstream, context, checks
        self._exchanges: list[Exchange] = []
        self._begun_at = 0.0

    def begin(self) -> None:
        context = self._context
        context.statistics.probes += 1
        self._begun_at = context.now()
        context.ticker.set(self, context.limits.silence_s)
        questions = {ROOT_NS, self._upstream.answered or ROOT_NS}
        self._exchanges = [Exchange(question, RD, False, (self._upstream,), context, self._on_result) for question in questions]
        for exchange in tuple(self._exchanges):
            exchange.begin()

    def end(self) -> None:
        self._checks.pop(self._upstream, None)
        self._context.ticker.forget(self)
        for exchange in tuple(self._exchanges):
            exchange.abandon(UpstreamError(str(self._upstream), "closed", "no longer looked at"))

    def on_time(self) -> None:
        if not self._exchanges:
            self.begin()
        else:  # a late reply is waited for all the same: it brings the upstream back
            self._upstream.said_nothing(self._begun_at)

    def _on_result(self, exchange: Exchange, result: Result) -> None:
        self._exchanges.remove(exchange)
        if self._upstream not in self._checks:
            return
        health = self._upstream.health
        if health.replied_at >= self._begun_at:
            self.end()
        elif not self._exchanges:
            if isinstance(result, UpstreamError) and result.kind == "timeout":
                self._upstream.said_nothing(self._begun_at)
            if health.is_dead:
                self._context.ticker.set(self, self._context.limits.retry_s)
            else:
                self.end()
