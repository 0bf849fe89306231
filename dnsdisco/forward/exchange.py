"""One question on its way: which upstream is asked when, and which reply is believed.

Pure decisions on top of `attempt`: an attempt reports a reply, a timer reports that none came; the first usable reply ends the exchange.

    reply                               what follows
    usable                              done; a denial, while a better-placed upstream may still answer: it is held until then
    SERVFAIL, REFUSED, a referral       the next upstream, at once
    FORMERR, NOTIMP, BADVERS            the same upstream without EDNS; again: the next
    TC                                  the same upstream over TCP
    wrong id, case, unreadable          the same upstream over TCP; without TCP: a fresh socket; too often: the next
    nothing in time                     the next upstream as well; all asked: repeat the datagrams, on the same sockets; in vain: once without EDNS
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

from dnsdisco.answer.trace import UpstreamWord
from dnsdisco.errors import UpstreamError
from dnsdisco.forward.attempt import Attempt, kind_of, UdpAttempt
from dnsdisco.forward.context import Context
from dnsdisco.forward.message import as_asked, is_denial, rcode_text, relayable, short_lived, Verdict
from dnsdisco.forward.upstream import Upstream
from dnsdisco.wire.constants import rcode_to_text, SERVFAIL
from dnsdisco.wire.query import HEADER_OCTETS

Result = bytes | UpstreamError

SERVFAIL_TEXT = rcode_to_text(SERVFAIL)
STAND_IN_TTL = 1  # of a denial, where a better-placed upstream could not be heard: that one is asked again every second
PLAIN_REPEAT = 2  # with this repeat the question is asked without EDNS, too
TIMER_SLACK_S = 0.002  # the event loop may wake a timer this much early
_OURS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))  # a lack of ours is no fault of the upstream
_OUR_END = frozenset(("closed", "shed"))  # of a question that was given up before its time
# For the text of the error; the last is the most specific.
_TELLING = ("timeout", "closed", "refused", "malformed", "rcode", "truncated")


class Exchange:
    """`begin()` once; then `done(exchange, result)` is called exactly once, perhaps before begin() returns.

    *upstreams*: those to ask, the best-placed first. *is_ordered*: a later one's denial counts only when the better-placed do not answer.
    """

    __slots__ = (
        "_context", "_deadline", "_done", "_failure", "_held", "_held_place", "_is_ordered", "_lame", "_open", "_tried",
        "_turns", "_upstreams", "begun_at", "dnssec_ok", "flags", "gap_at", "has_only_dead", "heard", "question", "slot",
    )  # fmt: skip

    def __init__(
        self,
        question: bytes,
        flags: int,
        dnssec_ok: bool,  # noqa: FBT001  # the third part of a key, always given by position
        upstreams: Sequence[Upstream],
        context: Context,
        done: Callable[[Exchange, Result], None],
        is_ordered: bool = False,  # noqa: FBT001, FBT002  # the hot path: by position
    ) -> None:
        self.question = question
        self.flags = flags
        self.dnssec_ok = dnssec_ok
        self._upstreams = upstreams
        self._tried = 0  # of these, from the first one on
        self._is_ordered = is_ordered
        self.gap_at = len(upstreams)  # the place of the best one that could not be heard, and may have another word; -1: before all
        self._held_place = 0
        self._held = b""  # the best-placed denial so far, while better-placed upstreams may still answer
        self._lame = b""  # a reply that is better than none
        self._context = context
        self._done: Callable[[Exchange, Result], None] | None = done
        self._open: list[Attempt] = []
        self._turns = 0
        self.slot = 0  # the ticker's
        self._failure: UpstreamError | None = None  # the most telling one so far
        self.has_only_dead = False  # every upstream was dead when it began
        self.heard: tuple[UpstreamWord, ...] = ()  # from each upstream, when it is done with
        self.begun_at = context.now()
        self._deadline = self.begun_at + context.limits.deadline_s

    def begin(self) -> None:
        if self._done is not None:  # else it was abandoned before its turn came
            self._take_turn()

    def abandon(self, reason: UpstreamError) -> None:
        """End it now, with an error."""
        self._finish(reason)

    # called by attempts

    def on_reply(self, attempt: Attempt, verdict: Verdict, reply: bytes) -> None:
        now, upstream, statistics = self._context.now(), attempt.upstream, self._context.statistics
        if verdict is Verdict.USABLE or verdict is Verdict.OVERLONG:
            upstream.replied(now, None if attempt.is_stream and not upstream.is_encrypted else now - attempt.asked_at)
            self._note_edns(attempt, now)
            if not attempt.is_stream:
                upstream.kept_case()
            upstream.answered = self.question
            self.heard += ((upstream, now - attempt.asked_at, reply),)
            usable = as_asked(reply, self.question, is_overlong=verdict is Verdict.OVERLONG)
            if self._is_ordered and (self._tried > 1 or self.gap_at < 0):
                self._believe(attempt, usable)
            else:
                self._finish(usable)
        elif verdict is Verdict.UNHELPFUL or verdict is Verdict.LAME:
            statistics.unhelpful += 1
            upstream.replied(now)
            self._note_edns(attempt, now)
            is_lame = verdict is Verdict.LAME
            if is_lame:
                self._lame = as_asked(reply, self.question, is_overlong=True)
            self.on_failure(attempt, "rcode", "a referral" if is_lame else rcode_text(reply), reply)
        elif verdict is Verdict.REJECTED and attempt.has_edns:
            statistics.without_edns += 1
            upstream.replied(now)
            self._replace(attempt, has_edns=False, is_stream=attempt.is_stream)
        elif verdict is Verdict.REJECTED:
            upstream.replied(now)
            self.on_failure(attempt, "rcode", rcode_text(reply), reply)
        elif attempt.is_stream:
            self.on_failure(attempt, "malformed", f"{verdict.name.lower()} reply over TCP")
        elif verdict is Verdict.TRUNCATED:
            statistics.truncated += 1
            upstream.replied(now, now - attempt.asked_at)
            self._note_failure(upstream, "truncated", "no reply over TCP", reply)
            self._replace(attempt, has_edns=attempt.has_edns, is_stream=True)
        else:
            if verdict is Verdict.NEAR_MISS:
                statistics.near_misses += 1
            else:
                statistics.doubtful += 1
            if verdict is Verdict.OTHER_CASE:
                statistics.other_case += 1
                upstream.changed_case(now)
            attempt.doubts += 1
            self._replace(attempt, has_edns=attempt.has_edns, is_stream=True)

    def on_failure(self, attempt: Attempt, kind: str, reason: str, reply: bytes = b"") -> None:
        """This upstream is done with: ask the next one; with none left and none open, it is over."""
        if self._done is None or attempt not in self._open:
            return
        attempt.close()
        self._open.remove(attempt)
        if attempt.is_stream and 0 < attempt.doubts <= self._context.limits.doubts and kind in ("refused", "timeout"):
            # It was doubt that led to TCP, and there is no TCP. A fresh port and a fresh id: an attacker who guesses starts anew.
            again = UdpAttempt(self, attempt.upstream, self._context, has_edns=attempt.has_edns, doubts=attempt.doubts)
            if self._start(again):
                return
        now = self._context.now()
        attempt.upstream.gave_nothing(now, reason)
        self.heard += ((attempt.upstream, now - attempt.asked_at, reason),)
        if kind == "timeout":
            self._context.suspect(attempt.upstream, self.question)
        elif kind != "rcode":
            attempt.upstream.failed(attempt.asked_at, reason)
        self._note_failure(attempt.upstream, kind, reason, reply)
        if self._tried < len(self._upstreams):
            self._take_turn()
        elif not self._open:
            self._fail()

    # the order of things

    def _take_turn(self) -> None:
        """Ask the next upstream; when all have been asked, repeat. Then wait as long as is right for that upstream."""
        context = self._context
        gap_s = context.limits.repeat_s
        upstreams = self._upstreams
        if self._tried < len(upstreams):
            while self._tried < len(upstreams):
                upstream = upstreams[self._tried]
                self._tried += 1
                if self._start(kind_of(upstream)(self, upstream, context, has_edns=upstream.knows_edns(context.now()))):
                    gap_s = upstream.health.patience_s()
                    break
        else:
            self._repeat()
        if self._done is None:
            return
        if not self._open:
            self._fail()
            return
        until = self.begun_at + context.limits.precedence_s if self._held else self._deadline
        context.ticker.set(self, min(gap_s, until - context.now()))

    def _repeat(self) -> None:
        """One datagram in each turn, each upstream in its turn: the path may have lost it. The second time, without EDNS as well: some path loses
        every datagram that has it."""
        for _ in range(len(self._open)):
            attempt = self._open[self._turns % len(self._open)]
            self._turns += 1
            if attempt.repeat():
                if attempt.has_edns and attempt.repeats == PLAIN_REPEAT and attempt in self._open:
                    self._context.statistics.without_edns += 1
                    self._start(UdpAttempt(self, attempt.upstream, self._context, has_edns=False, doubts=attempt.doubts))
                return

    def _believe(self, attempt: Attempt, usable: bytes) -> None:
        """Finish with *usable*, of *attempt*; but a denial that a better-placed upstream may contradict is held, and only those are waited for.

        Where a better-placed one has not answered, the denial stands in for its answer and must not outlive its silence; once a second that
        one is asked as well.
        """
        if not is_denial(usable, self.question):
            self._finish(usable)
            return
        limits, upstreams = self._context.limits, self._upstreams
        own = upstreams.index(attempt.upstream)
        better = [each for each in self._open if upstreams.index(each.upstream) < own]
        is_in_time = self._context.now() < self.begun_at + limits.precedence_s - TIMER_SLACK_S
        if is_in_time and not all(each.upstream.health.is_silent for each in better):
            self._context.statistics.denials_held += 1
            self._held, self._held_place = usable, own
            self._tried = len(upstreams)  # what is behind this one has no word any more
            for each in self._open:
                if each not in better:
                    each.close()
            self._open[:] = better
            return
        if self.gap_at < 0 and self._tried < len(upstreams) and upstreams[self._tried].health.take_trial(self._context.now()):
            self._context.statistics.denials_held += 1
            self._held, self._held_place = usable, own
            for each in self._open:
                each.close()
            self._open.clear()
            self._take_turn()  # for `patience_dead_s`: it may be silent about what is not its own, and this may be
            return
        self._finish(self._stand_in(usable) if better or self.gap_at < own else usable)

    def _stand_in(self, denial: bytes) -> bytes:
        return short_lived(denial, HEADER_OCTETS + len(self.question), STAND_IN_TTL)

    def on_time(self) -> None:
        now = self._context.now()
        limits = self._context.limits
        late_s = min(limits.patience_dead_s, limits.patience_min_s) - TIMER_SLACK_S
        for attempt in self._open:
            if not attempt.is_late and now - attempt.asked_at >= late_s:
                attempt.is_late = True  # reported once, however often it is repeated
                self._context.suspect(attempt.upstream, self.question)
        if self._held and (
            now >= self.begun_at + limits.precedence_s - TIMER_SLACK_S
            or all(attempt.upstream.health.is_silent for attempt in self._open)
        ):
            self._fail()
            return
        if now >= self._deadline - TIMER_SLACK_S:
            self._context.statistics.deadline += 1
            self._fail()
            return
        if self._tried < len(self._upstreams):
            self._context.statistics.hedged += 1
        self._take_turn()

    def _start(self, attempt: Attempt) -> bool:
        attempt.upstream.asked += 1
        try:
            attempt.start()
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno is None or error.errno in _OURS:
                self._context.statistics.local_errors += 1
            else:
                attempt.upstream.failed(attempt.asked_at, reason)
            attempt.upstream.gave_nothing(attempt.asked_at, reason)
            self.heard += ((attempt.upstream, 0.0, reason),)
            self._note_failure(attempt.upstream, "refused", reason)
            return False
        self._open.append(attempt)
        return True

    def _replace(self, attempt: Attempt, *, has_edns: bool, is_stream: bool) -> None:
        """Ask the same upstream in another way, without waiting any longer for the way before."""
        if attempt.doubts > self._context.limits.doubts:
            self.on_failure(attempt, "malformed", "too many replies that were not to our question")
            return
        attempt.close()
        other = kind_of(attempt.upstream, is_stream=is_stream)(
            self, attempt.upstream, self._context, has_edns=has_edns, doubts=attempt.doubts
        )
        if self._start(other):
            self._open.remove(attempt)
        else:
            self.on_failure(attempt, "refused", "no socket")

    # the end

    def _fail(self) -> None:
        """End with the best reply so far, because no better one can come."""
        held = self._held
        if held:
            self._context.statistics.denials_believed += 1
            if self._open or self.gap_at < self._held_place:
                held = self._stand_in(held)
        self._finish(held or self._lame or self._failure or UpstreamError("upstreams", "timeout", "none of them answered in time"))

    def _finish(self, result: Result) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        self._context.ticker.forget(self)
        is_in_vain = isinstance(result, UpstreamError) and result.kind not in _OUR_END
        for attempt in self._open:
            if is_in_vain or attempt.upstream.health.is_silent:
                attempt.upstream.gave_nothing(self._context.now(), "no answer in time")
            if all(upstream is not attempt.upstream for upstream, _, _ in self.heard):
                self.heard += ((attempt.upstream, self._context.now() - attempt.asked_at, "no answer"),)
            attempt.close()
        self._open.clear()
        self._tried = len(self._upstreams)
        done(self, result)

    def _note_failure(self, upstream: Upstream, kind: str, reason: str, reply: bytes = b"") -> None:
        """Keep the failure: its text is that of the error, unless a more telling one comes."""
        if kind != "rcode" or reason == SERVFAIL_TEXT:
            self.gap_at = min(self.gap_at, self._upstreams.index(upstream))
        if self._failure is None or _TELLING.index(kind) >= _TELLING.index(self._failure.kind):
            self._failure = UpstreamError(str(upstream), kind, reason, reply=relayable(reply, self.question))

    def _note_edns(self, attempt: Attempt, now: float) -> None:
        if attempt.has_edns:
            attempt.upstream.answered_with_edns()
        elif attempt.upstream.knows_edns(now):
            attempt.upstream.answered_without_edns(now)
