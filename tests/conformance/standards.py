"""Runs the lists of questions against a server, over UDP and over TCP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.conformance import edns_compliance, rfc8906
from tests.conformance.decoded import decode, Malformed, RA
from tests.conformance.exchange import send, Target
from tests.conformance.wanted import Asked, BEYOND, faults

LISTS: dict[str, Callable[[str, str], list[Asked]]] = {"RFC 8906": rfc8906.questions, "EDNS": edns_compliance.questions}


@dataclass
class Outcome:
    """Of one list over one transport: how many were asked, and what was wrong with which."""

    asked: int = 0
    wrong: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        return self.asked - len(self.wrong)

    def __str__(self) -> str:
        return f"{self.passed}/{self.asked}"


def run(
    title: str, target: Target, zone: str, *, large: str = "", is_recursive: bool, is_tcp: bool, is_strict: bool = False
) -> Outcome:
    """The list *title* for *zone*. *large*: a name with more addresses than 512 octets hold, without which those questions are left out.

    *is_recursive*: the zone is somebody else's, and the server forwards or resolves it: asked with RD, answered without AA.
    *is_strict*: what is beyond the public lists counts, too.
    """
    outcome = Outcome()
    offers_recursion = _offers_recursion(target, zone, is_recursive=is_recursive)
    for asked in LISTS[title](zone, large or "?"):
        if asked.qname == "?":
            continue
        outcome.asked += 1
        outcome.texts[asked.title] = asked.text
        is_stream = is_tcp or asked.is_stream
        reply = send(target, asked.message(is_recursive=is_recursive), is_tcp=is_stream)
        wrong = faults(asked, reply, is_recursive=is_recursive, is_tcp=is_stream, offers_recursion=offers_recursion)
        if not is_strict:
            wrong = [fault for fault in wrong if fault not in BEYOND]
        if wrong:
            outcome.wrong[asked.title] = wrong
    return outcome


def _offers_recursion(target: Target, zone: str, *, is_recursive: bool) -> bool:
    """RA as a plain question shows it: what others have must be the same, whatever they carry. Who resolves must set it."""
    if is_recursive:
        return True
    plain = Asked("", "", zone).message(is_recursive=False)
    octets = send(target, plain, is_tcp=False)
    try:
        return octets is not None and bool(decode(octets).flags & RA)
    except Malformed:
        return False
