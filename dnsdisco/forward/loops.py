"""Upstreams that lead back to us: found by asking them for a name that only we can know, disabled for as long as they do.

Address and port do not show it (`own_addresses.py` looks at those): a redirected port, a container's network, or another forwarder that has us as
its upstream make a loop as well. So each upstream is asked now and then, for each zone it serves, for a name of `probe_names.py`. A worker that is
asked for such a name knows that the upstream of that name leads back here, and answers with a proof, by which the worker that asked knows.

    asked                                        when
    at the start, after a reload                 at once
    it has not answered a client in time         at once, when it was not asked for SUSPECT_S
    it never answered whether it leads back      after RETRY_S; a tenth of the time that this has lasted, up to RETRY_MAX_S
    it is disabled                               the same
    else                                         after CHECK_S
"""

from __future__ import annotations

import heapq
import logging
import os
from collections.abc import Callable, Iterable

from dnsdisco.forward.attempt import Attempt, kind_of
from dnsdisco.forward.context import Context
from dnsdisco.forward.message import Verdict
from dnsdisco.forward.probe_names import ProbeName, ProbeNames, ZONE_OCTETS_MAX
from dnsdisco.forward.routes import Route
from dnsdisco.forward.upstream import Upstream
from dnsdisco.wire import name
from dnsdisco.wire.constants import RD

log = logging.getLogger("dnsdisco.forward.loops")  # every worker finds the same ones, and the first alone logs (server/log.py)

CHECK_S = 60.0
SUSPECT_S = 1.0  # a loop shows itself by silence; so does a dead upstream, which a datagram a second does not hurt
RETRY_S = 1.5  # a loop that has just been closed is to be found within two seconds
RETRY_MAX_S = 15.0
CLEAN_MAX = 10  # one that leads back now and then has to be clean as many times in a row as it was disabled, at most this often
TICK_S = 0.25
PROBES_A_TICK = 32  # a thousand zones with upstreams of their own are looked at one after another, without a burst


class Loops:
    """Event loop only. start() when the upstreams are known, watch() whenever they change."""

    def __init__(self, context: Context, secret: bytes) -> None:
        self._context = context
        self._marks = ProbeNames(secret)
        self._suspects: dict[tuple[Upstream, bytes], _Pair] = {}
        self._pairs: dict[tuple[Upstream, bytes], _Pair] = {}
        self._due: list[tuple[float, int, _Pair]] = []
        self._serial = 0
        self._tick()

    def watch(self, routes: Iterable[Route[Upstream]]) -> None:
        """These upstreams are used from now on. What is known of one that stays is kept, and looked at anew at once."""
        now = self._context.now()
        before, self._pairs = self._pairs, {}
        self._due.clear()
        for route in routes:
            if len(route.zone) > ZONE_OCTETS_MAX:
                continue
            for upstream in route.upstreams:
                key = upstream, route.zone
                self._pairs[key] = pair = before.pop(key, None) or _Pair(*key, self._marks.tag_of(str(upstream)), now)
                self._schedule(pair, now)
        for pair in before.values():
            pair.forget()
            pair.upstream.looping.discard(pair.zone)

    def suspect(self, upstream: Upstream, zone: bytes) -> None:
        """It has not answered a question below *zone* in time."""
        pair = self._pairs.get((upstream, zone))
        if pair is not None and self._context.now() - pair.asked_at >= SUSPECT_S:
            self._suspects[upstream, zone] = pair

    def recognise(self, question: bytes) -> bytes | None:
        """The TXT RDATA to answer with, if a worker of this server asked *question*: then the upstream that it asked leads back here."""
        found = self._marks.read(question, self._context.now())
        if found is None:
            return None
        tag, zone, proof = found
        for pair in self._pairs.values():
            if pair.tag == tag and pair.zone == zone:
                self._disable(pair)
        return proof

    def close(self) -> None:
        self._timer.cancel()
        for pair in self._pairs.values():
            pair.forget()
        self._pairs.clear()

    # when

    def _tick(self) -> None:
        now = self._context.now()
        self._timer = self._context.loop.call_later(TICK_S, self._tick)
        left = PROBES_A_TICK
        while left and self._suspects:
            left -= 1
            _, pair = self._suspects.popitem()
            if self._pairs.get((pair.upstream, pair.zone)) is pair:
                self._ask(pair, now)
        while left and self._due and self._due[0][0] <= now:
            left -= 1
            _, serial, pair = heapq.heappop(self._due)
            if serial == pair.serial:
                self._ask(pair, now)

    def _schedule(self, pair: _Pair, at: float) -> None:
        self._serial += 1
        pair.serial = self._serial
        heapq.heappush(self._due, (at, pair.serial, pair))

    def _ask(self, pair: _Pair, now: float) -> None:
        unsettled_s = now - pair.unsettled_at
        gap_s = CHECK_S if pair.is_settled else min(max(RETRY_S, unsettled_s / 10), RETRY_MAX_S)
        self._schedule(pair, now + gap_s)
        pair.forget()
        pair.asked_at = now
        self._context.statistics.loop_probes += 1
        pair.probe = _Probe(pair, self._marks.make(pair.tag, pair.zone, now, os.urandom(4)), self._context, self._on_result)
        pair.probe.begin()

    # what comes of it

    def _on_result(self, pair: _Pair, *, leads_back: bool) -> None:
        if leads_back:
            self._disable(pair)
            return
        pair.clean += 1
        if pair.leads_back:
            if pair.clean < min(pair.times, CLEAN_MAX):
                return
            pair.upstream.looping.discard(pair.zone)
            log.info("upstream %s no longer leads back to us%s: used again", pair.upstream, _below(pair.zone))
        pair.is_settled = True
        self._schedule(pair, pair.asked_at + CHECK_S)

    def _disable(self, pair: _Pair) -> None:
        pair.clean = 0
        pair.is_settled = False  # it is looked at again and again, until it does not
        if pair.leads_back:
            return
        pair.unsettled_at = self._context.now()
        pair.upstream.looping.add(pair.zone)
        pair.times += 1
        self._context.statistics.loops += 1
        self._schedule(pair, self._context.now() + RETRY_S)
        log.warning(
            "upstream %s leads back to us%s: disabled until it does not; name a resolver that does not forward to this server",
            pair.upstream,
            _below(pair.zone),
        )


class _Pair:
    """An upstream and one zone that it is asked about. `is_settled`: it has answered that it does not lead back."""

    __slots__ = ("asked_at", "clean", "is_settled", "probe", "serial", "tag", "times", "unsettled_at", "upstream", "zone")

    def __init__(self, upstream: Upstream, zone: bytes, tag: bytes, now: float) -> None:
        self.upstream, self.zone, self.tag = upstream, zone, tag
        self.is_settled = False
        self.clean = self.times = 0  # looks in a row at which it did not lead back; times that it was disabled
        self.unsettled_at = now
        self.asked_at = float("-inf")
        self.serial = 0  # of its place in the order; an older one does not count any more
        self.probe: _Probe | None = None

    @property
    def leads_back(self) -> bool:
        return self.zone in self.upstream.looping

    def forget(self) -> None:
        """Wait no longer for what was asked."""
        if self.probe is not None:
            self.probe.end()
            self.probe = None


class _Probe:
    """One question on our own account, beside everything that is measured of the upstream: silence here is no fault of its."""

    dnssec_ok = False
    flags = RD

    def __init__(self, pair: _Pair, mark: ProbeName, context: Context, report: Callable[..., None]) -> None:
        self.question, self._proof = mark
        self.slot = 0  # the ticker's
        self._pair, self._context, self._report = pair, context, report
        self._until = context.now() + context.limits.deadline_s
        self._attempt: Attempt | None = None

    def begin(self) -> None:
        upstream = self._pair.upstream
        attempt = kind_of(upstream)(self, upstream, self._context, has_edns=upstream.knows_edns(self._context.now()))
        try:
            attempt.start()
        except OSError:  # no upstream to ask there now
            return
        self._attempt = attempt
        self._context.ticker.set(self, self._context.limits.repeat_s)

    def end(self) -> None:
        self._context.ticker.forget(self)
        if self._attempt is not None:
            self._attempt.close()
            self._attempt = None

    def on_time(self) -> None:
        if self._attempt is None:
            return
        if self._context.now() >= self._until or not self._attempt.repeat():
            self.end()
        elif self._attempt is not None:
            self._context.ticker.set(self, self._context.limits.repeat_s)

    def on_reply(self, attempt: Attempt, verdict: Verdict, reply: bytes) -> None:
        self.end()
        if verdict is Verdict.USABLE or verdict is Verdict.OVERLONG:
            # An error proves nothing: another server in the loop may have disabled us just now.
            self._report(self._pair, leads_back=self._proof in reply)

    def on_failure(self, attempt: Attempt, kind: str, reason: str) -> None:
        self.end()


def _below(zone: bytes) -> str:
    return f" for names below {name.to_text(zone)}" if zone != b"\0" else ""
