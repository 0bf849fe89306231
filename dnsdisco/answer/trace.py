"""The steps on the way to one answer, kept only for a caller that passes a trace; with None, nothing is recorded."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from dnsdisco.answer.decision import Part
from dnsdisco.model.service import Instance

# What one upstream said to a question: which one, how many seconds it took, and its reply, or why it gave none.
UpstreamWord: TypeAlias = tuple[object, float, bytes | str]

STEPS_MAX = 1000  # of one explanation: some 100 KB


class Step(NamedTuple):
    """`code`: zone, special, reading, provider, shadowed, left-out, rejected, choice, ttl, stale, denied, not-ready, forward, upstream, cache or
    limit. `subject`: the name, instance, provider or client that `text` speaks of. `key`: the service of which control knows more; "": none."""

    code: str
    subject: str
    text: str
    key: str = ""


class Trace:
    """`named`: the instances that are left out with a reason, by identity. `hosts`: those whose address is a host name, and what upstreams are to be asked
    for it. `omitted`: steps beyond STEPS_MAX."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.omitted = 0
        self.named: dict[int, Instance] = {}
        self.hosts: list[tuple[Instance, tuple[Part, ...]]] = []

    def add(self, code: str, subject: str, text: str, key: str = "") -> None:
        if len(self.steps) < STEPS_MAX:
            self.steps.append(Step(code, subject, text, key))
        else:
            self.omitted += 1

    def leave_out(self, instance: Instance, reason: str, key: str = "") -> None:
        """*instance* is not in the answer; the first reason counts. *key*: its service, where control knows since when that is so."""
        if id(instance) not in self.named:
            self.named[id(instance)] = instance
            self.add("left-out", instance.id, f"{instance.address}: {reason}", key)
