"""One question on its way: whom to ask when, and which reply to believe.

Pure decisions on top of `attempt`: an attempt tells what came, a timer tells that nothing came; the first usable reply ends it all.

    reply                               what follows
    usable                              done
    SERVFAIL, REFUSED, NOTIMP           the next upstream, at once
    FORMERR                             the same upstream without EDNS; again FORMERR: the next
    TC                                  the same upstream over TCP
    wrong id, case, unreadable          the same upstream over TCP; without TCP: a fresh socket; too often: the next
    nothing in time                     the next upstream as well; all asked: repeat the datagrams, on the same sockets
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.attempt import Attempt, kind_of, UdpAttempt
from dnsdisco.forward.context import Context
from dnsdisco.forward.message import end_of_records, rcode_text, Verdict
from dnsdisco.forward.upstream import Upstream
from dnsdisco.wire.constants import REFUSED
from dnsdisco.wire.query import HEADER_OCTETS

Result = bytes | UpstreamError

TIMER_SLACK_S = 0.002  # the event loop may wake a timer this much early
_OURS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))  # what we lack says nothing about the upstream
_TELLING = (
    "timeout",
    "closed",
    "refused",
    "malformed",
    "rcode",
    "truncated",
)  # what the error says, the last being the most telling


class Exchange:
    """`begin()` once; then `done(exchange, result)` is called exactly once, perhaps before begin() returns."""

    __slots__ = (
        "_context",
        "_deadline",
        "_done",
        "_failure",
        "_open",
        "_turns",
        "_untried",
        "begun_at",
        "dnssec_ok",
        "flags",
        "is_forlorn",
        "question",
        "slot",
    )

    def __init__(
        self,
        question: bytes,
        flags: int,
        dnssec_ok: bool,  # noqa: FBT001  # the third part of a key, always given by position
        upstreams: Sequence[Upstream],
        context: Context,
        done: Callable[[Exchange, Result], None],
    ) -> None:
        self.question = question
        self.flags = flags
        self.dnssec_ok = dnssec_ok
        self._untried = list(reversed(upstreams))
        self._context = context
        self._done: Callable[[Exchange, Result], None] | None = done
        self._open: list[Attempt] = []
        self._turns = 0
        self.slot = 0  # the ticker's
        self._failure: UpstreamError | None = None  # the most telling one so far
        self.is_forlorn = False  # every upstream was dead when it began
        self.begun_at = context.now()
        self._deadline = self.begun_at + context.limits.deadline_s

    def begin(self) -> None:
        if self._done is not None:  # else it was abandoned before its turn came
            self._take_turn()

    def abandon(self, reason: UpstreamError) -> None:
        """End it now, with an error."""
        self._finish(reason)

    # what attempts tell

    def on_reply(self, attempt: Attempt, verdict: Verdict, reply: bytes) -> None:
        now, upstream, statistics = self._context.now(), attempt.upstream, self._context.statistics
        if verdict is Verdict.USABLE or verdict is Verdict.OVERLONG:
            upstream.replied(now, None if attempt.is_stream and not upstream.is_encrypted else now - attempt.asked_at)
            self._note_edns(attempt, now)
            if not attempt.is_stream:
                upstream.kept_case()
            self._finish(self._as_asked(reply, is_overlong=verdict is Verdict.OVERLONG))
        elif verdict is Verdict.UNHELPFUL:
            statistics.unhelpful += 1
            if reply[3] & 15 == REFUSED:
                upstream.failed(attempt.asked_at, now, "REFUSED")  # it may be there for others; for us it is not
            else:
                upstream.replied(now)
                self._note_edns(attempt, now)
            self.on_failure(attempt, "rcode", rcode_text(reply), reply)
        elif verdict is Verdict.FORMERR and attempt.has_edns:
            statistics.without_edns += 1
            self._replace(attempt, has_edns=False, is_stream=attempt.is_stream)
        elif verdict is Verdict.FORMERR:
            upstream.replied(now)
            self.on_failure(attempt, "rcode", "FORMERR", reply)
        elif attempt.is_stream:
            self.on_failure(attempt, "malformed", f"{verdict.name.lower()} reply over TCP")
        elif verdict is Verdict.TRUNCATED:
            statistics.truncated += 1
            upstream.replied(now, now - attempt.asked_at)
            self._note_failure(upstream, "truncated", "TCP gave nothing", reply)
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
            # It was doubt that led to TCP, and there is no TCP. A fresh port and a fresh id: whoever guesses starts anew.
            again = UdpAttempt(self, attempt.upstream, self._context, has_edns=attempt.has_edns, doubts=attempt.doubts)
            if self._start(again):
                return
        if kind != "rcode":
            attempt.upstream.failed(attempt.asked_at, self._context.now(), reason)
        self._note_failure(attempt.upstream, kind, reason, reply)
        if self._untried:
            self._take_turn()
        elif not self._open:
            self._fail()

    # the order of things

    def _take_turn(self) -> None:
        """Ask the next upstream; when all have been asked, repeat. Then wait as long as is right for whom was asked."""
        context = self._context
        gap_s = context.limits.repeat_s
        if self._untried:
            while self._untried:
                upstream = self._untried.pop()
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
        context.ticker.set(self, min(gap_s, self._deadline - context.now()))

    def _repeat(self) -> None:
        """One datagram in each turn, each upstream in its turn: the path may have lost it."""
        for _ in range(len(self._open)):
            attempt = self._open[self._turns % len(self._open)]
            self._turns += 1
            if attempt.repeat():
                return

    def on_time(self) -> None:
        now = self._context.now()
        limits = self._context.limits
        late_s = min(limits.patience_dead_s, limits.patience_min_s) - TIMER_SLACK_S
        for attempt in self._open:
            if not attempt.is_late and now - attempt.asked_at >= late_s:
                attempt.is_late = True  # counted once, however often it is repeated: one slow name is not a dead upstream
                attempt.upstream.failed(attempt.asked_at, now, "no reply in time")
                self._context.suspect(attempt.upstream, self.question)
        if now >= self._deadline - TIMER_SLACK_S:
            self._context.statistics.deadline += 1
            self._fail()
            return
        if self._untried:
            self._context.statistics.hedged += 1
        self._take_turn()

    def _start(self, attempt: Attempt) -> bool:
        try:
            attempt.start()
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno is None or error.errno in _OURS:
                self._context.statistics.local_errors += 1
            else:
                attempt.upstream.failed(attempt.asked_at, self._context.now(), reason)
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
        self._finish(self._failure or UpstreamError("upstreams", "timeout", "none of them answered in time"))

    def _finish(self, result: Result) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        self._context.ticker.forget(self)
        for attempt in self._open:
            attempt.close()
        self._open.clear()
        self._untried.clear()
        done(self, result)

    def _note_failure(self, upstream: Upstream, kind: str, reason: str, reply: bytes = b"") -> None:
        """What the error will say if nothing better comes."""
        if self._failure is None or _TELLING.index(kind) >= _TELLING.index(self._failure.kind):
            self._failure = UpstreamError(str(upstream), kind, reason, reply=self._relayable(reply))

    def _note_edns(self, attempt: Attempt, now: float) -> None:
        if attempt.has_edns:
            attempt.upstream.answered_with_edns()
        elif attempt.upstream.knows_edns(now):
            attempt.upstream.answered_without_edns(now)

    def _as_asked(self, reply: bytes, *, is_overlong: bool = False) -> bytes:
        """*reply* with our question as it was asked (over TCP its case may have changed), and nothing after its last record."""
        end = HEADER_OCTETS + len(self.question)
        if reply[HEADER_OCTETS:end] != self.question:
            reply = reply[:HEADER_OCTETS] + self.question + reply[end:]
        return reply[: end_of_records(reply, end)] if is_overlong else reply

    def _relayable(self, reply: bytes) -> bytes:
        """An error reply whose records can be read, for the reason that its EDE may give; else b""."""
        if reply[4:6] != b"\0\1":
            return b""
        end = end_of_records(reply, HEADER_OCTETS + len(self.question))
        return self._as_asked(reply, is_overlong=True) if end else b""
