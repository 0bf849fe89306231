"""One question to two servers that hold the same zone, and in what their replies differ.

A difference is either a fault, or belongs to a class with a reason (`reasons.py`), which docs/conformance.md lists.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.conformance.decoded import AA, AD, CD, decode, Decoded, Malformed, RA, RD, Record, TC
from tests.conformance.exchange import send, Target
from tests.conformance.questions import Asked, shown

TIMEOUT_S = 3.0
_FLAGS = (("AA", AA), ("TC", TC), ("RD", RD), ("RA", RA), ("AD", AD), ("CD", CD))


class Difference(NamedTuple):
    """`aspect`: rcode, AA, TC, RD, RA, AD, CD, answer, authority, additional, ttl, question, edns, reply."""

    aspect: str
    ours: object
    theirs: object


@dataclass
class Case:
    """One question, and the replies to it."""

    asked: Asked
    ours: Decoded
    theirs: Decoded
    elapsed_s: float = 0.0  # so old may an answer of a cache be

    def text(self, difference: Difference) -> str:
        return f"{self.asked}\n    {difference.aspect}: ours {_shown(difference.ours)}\n    theirs {_shown(difference.theirs)}"


Explain = Callable[[Case, Difference], str]  # the class that a difference belongs to; "": none


@dataclass
class Outcome:
    """Of one run against one server."""

    asked: int = 0
    equal: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)


class Line:
    """A way to one server: one UDP socket for all the questions, a connection for each over TCP."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._udp = socket.socket(target.family, socket.SOCK_DGRAM)
        self._udp.connect(target)
        self._udp.settimeout(TIMEOUT_S)

    def close(self) -> None:
        self._udp.close()

    def ask(self, asked: Asked) -> bytes | None:
        message = asked.message()
        if asked.is_tcp:
            return send(self.target, message, is_tcp=True, timeout_s=TIMEOUT_S)
        self._udp.send(message)
        until = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until:
            try:
                reply = self._udp.recv(65535)
            except (TimeoutError, ConnectionError):
                return None
            if reply[:2] == message[:2]:
                return reply
        return None


def compare(
    questions: Iterable[Asked], ours: Target, theirs: Target, explain: Explain, *, cached_since: float | None = None
) -> Outcome:
    """Ask both, one question after the other. *cached_since*: the instant since when TTLs may have gone down in a cache."""
    lines = Line(ours), Line(theirs)
    outcome = Outcome()
    try:
        for asked in questions:
            outcome.asked += 1
            replies = [line.ask(asked) for line in lines]
            elapsed_s = 0.0 if cached_since is None else time.monotonic() - cached_since
            _judge(asked, replies, outcome, explain, elapsed_s)
    finally:
        for line in lines:
            line.close()
    return outcome


def _judge(asked: Asked, replies: list[bytes | None], outcome: Outcome, explain: Explain, elapsed_s: float) -> None:
    decoded = []
    for whose, reply in zip(("ours", "theirs"), replies, strict=True):
        try:
            decoded.append(decode(reply or b""))
        except Malformed as error:
            outcome.unexplained.append(f"{asked}\n    {whose}: {'no reply' if reply is None else error} {(reply or b'').hex()}")
            return
    ours, theirs = decoded
    case = Case(asked, ours, theirs, elapsed_s)
    found = differences(case)
    outcome.equal += not found
    for difference in found:
        reason = explain(case, difference)
        if reason:
            outcome.explained[reason] += 1
        else:
            outcome.unexplained.append(case.text(difference))


def differences(case: Case) -> list[Difference]:
    """In what the two replies differ. When both are cut, which records were kept is the server's own choice."""
    ours, theirs = case.ours, case.theirs
    found = []
    if ours.rcode != theirs.rcode:
        found.append(Difference("rcode", ours.rcode, theirs.rcode))
    found += [
        Difference(title, bool(ours.flags & bit), bool(theirs.flags & bit))
        for title, bit in _FLAGS
        if (ours.flags ^ theirs.flags) & bit
    ]
    if ours.question != theirs.question:
        found.append(Difference("question", ours.question, theirs.question))
    if (ours.opt is None) != (theirs.opt is None):
        found.append(Difference("edns", ours.opt is not None, theirs.opt is not None))
    if ours.flags & theirs.flags & TC:
        return found
    for section in ("answer", "authority", "additional"):
        mine, other = getattr(ours, section), getattr(theirs, section)
        if _keys(mine) != _keys(other):
            found.append(Difference(section, mine, other))
        elif not _have_like_ttls(mine, other, case.elapsed_s):
            found.append(Difference("ttl", mine, other))
    return found


def _keys(records: list[Record]) -> Counter[tuple]:
    return Counter(record.key for record in records)


def _have_like_ttls(ours: list[Record], theirs: list[Record], elapsed_s: float) -> bool:
    """Equal, or, from caches, no further apart than the caches are old."""
    ttls = {record.key: record.ttl for record in ours}
    return all(abs(ttls[record.key] - record.ttl) <= (elapsed_s + 1 if elapsed_s else 0) for record in theirs)


def _shown(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    return "; ".join(sorted(f"{shown(r.owner)} {r.ttl} TYPE{r.rtype} {r.data.hex()}" for r in value)) or "nothing"
