"""The questions to upstreams that an answer still needs: generators that yield them, are sent the outcomes, and return the reply.

The caller does all input and output: it asks for each `Ask`, and runs the steps of an `AllOf` beside each other. Where the answer of one
upstream leads on by an alias, the next step is decided here: our own data, a special name, or a question to the upstreams of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import Any, assert_never, NamedTuple, TypeAlias, TypeVar

from dnsdisco.answer import aliases, narration
from dnsdisco.answer.cached_reply import failure_reply, STALE
from dnsdisco.answer.decision import Decision, Forward, Gather, InTurns, Want
from dnsdisco.answer.resume import Answered, finish, Outcome, Unanswered
from dnsdisco.answer.trace import Trace
from dnsdisco.wire.constants import EDE_NETWORK_ERROR, REFUSED, SERVFAIL
from dnsdisco.wire.reply import Reply

T = TypeVar("T")

# Questions for one answer: 64 host names, two families, and as much again where they lead on. Without it, host names whose owner makes each
# an alias of the service that has them would multiply with every round.
QUESTIONS_MAX = 256
_TOO_MANY_QUESTIONS = f"more than {QUESTIONS_MAX} questions for one answer"


class Ask(NamedTuple):
    """One question, to be answered with its Outcome. `is_chain`: the records are put into the client's answer as they are, so they are asked
    for with the client's DO and CD; else records of ours are made of them."""

    want: Want
    is_chain: bool


class AllOf(NamedTuple):
    """Steps that run beside each other, to be answered with the outcome of each. `is_glue`: the answer does not wait long for them, and does
    without those that are not there by then."""

    steps: Mapping[Want, Steps[Outcome]]
    is_glue: bool


Steps: TypeAlias = Generator[Ask | AllOf | None, Any, T]  # None: enough for one turn of the loop


class Resolution:
    """The steps of one answer. *decide*: the decision about a name, by the data of that moment. *trace*: collects the steps."""

    def __init__(self, decide: Callable[[Want], Decision], trace: Trace | None = None) -> None:
        self._decide, self._trace = decide, trace
        self._questions = 0

    def complete(self, gather: Gather, depth: int = 0) -> Steps[Reply]:
        """Complete an answer of ours with data from upstreams, all of them asked at the same time. *depth*: aliases on the way here."""
        depth += aliases.count(gather.draft.answer)
        chained = {part.want for part in gather.parts if part.is_chain}
        outcomes: Mapping[Want, Outcome] = yield AllOf(
            {want: self._outcome(Ask(want, want in chained), depth) for want in gather.wants},
            is_glue=all(part.is_glue for part in gather.parts),
        )
        if self._trace is not None:
            narration.gathered(self._trace, outcomes)
        return finish(gather, outcomes)

    def follow(self, first: Answered, qtype: int) -> Steps[Reply]:
        """The aliases of an upstream's reply, *first*, and what stands at their end."""
        rest = yield from self._target(Ask(Want(first.target, qtype), is_chain=True), aliases.count(first.records))
        if _is_failure(rest):
            return rest
        return replace(
            rest,
            is_authoritative=False,
            answer=(*first.records, *rest.answer),
            authority=(*first.authority, *rest.authority),
            ede=(STALE, *rest.ede) if first.is_stale else rest.ede,
            depends_on=None,
        )

    def _outcome(self, ask: Ask, depth: int) -> Steps[Outcome]:
        """The upstreams' outcome for *ask*, followed to the end of its aliases."""
        self._questions += 1
        if self._questions > QUESTIONS_MAX:
            return Unanswered(_TOO_MANY_QUESTIONS)
        found: Outcome = yield ask
        if isinstance(found, Unanswered):
            return found
        depth += aliases.count(found.records)
        if aliases.are_too_many(depth):
            return Unanswered(aliases.TOO_MANY)
        if not found.target:
            return found
        rest = yield from self._target(ask._replace(want=Want(found.target, ask.want.qtype)), depth)
        if _is_failure(rest):
            return Unanswered(rest.ede[0].text if rest.ede else "an alias leads nowhere")
        return Answered(rest.rcode, (*found.records, *rest.answer), found.is_stale, (*found.authority, *rest.authority))

    def _target(self, ask: Ask, depth: int) -> Steps[Reply]:
        """The outcome for the target at the end of *depth* aliases."""
        decision = self._decide(ask.want)
        if isinstance(decision, InTurns):
            decision = yield from decision.turns
        match decision:
            case Reply(rcode=rcode) if rcode == REFUSED:  # no upstream to ask: the aliases are all there is
                return Reply(ede=decision.ede)
            case Reply():
                return decision
            case Gather():
                return (yield from self.complete(decision, depth + 1))  # a host name as an address is a step, too
            case Forward():
                found = yield from self._outcome(ask, depth)
                if isinstance(found, Unanswered):
                    return failure_reply(((EDE_NETWORK_ERROR, found.reason),))
                return Reply(found.rcode, answer=found.records, authority=found.authority, ede=(STALE,) if found.is_stale else ())
        assert_never(decision)


def _is_failure(rest: Reply) -> bool:
    """True if the end of the chain cannot be had: then no part of it is answered (RFC 2308 §7.1)."""
    return rest.rcode == SERVFAIL and not rest.answer
