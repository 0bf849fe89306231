"""What the server lacks, and since when: a provider, a worker, an upstream, an address, a file … Unhealthy instances are not among them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from dnsdisco.control.counters import Counters
from dnsdisco.control.facts import ControlFacts, ProblemView, ServerStatus, UP, UpstreamView, WorkerView
from dnsdisco.control.parameters import ControlParameters
from dnsdisco.control.presence import Presence
from dnsdisco.control.provider_set import Chain
from dnsdisco.control.publisher import Publisher


def problems(
    providers: Iterable[tuple[str, str, str]],
    absent: Iterable[str],
    workers: Iterable[WorkerView],
    upstreams: Iterable[UpstreamView],
) -> list[ProblemView]:
    """Those that can be seen at any moment; `since` is left open. *providers*: of each its name, state and last error."""
    found = [
        ProblemView("provider", name, f"{state}: {error}" if error else state) for name, state, error in providers if state != UP
    ]
    found += [ProblemView("worker", str(each.number), _WORKER[each.state]) for each in workers if each.state != UP]
    found += [
        ProblemView(
            "upstream", each.address, f"{_UPSTREAM[each.state]}: {each.last_error}" if each.last_error else _UPSTREAM[each.state]
        )
        for each in upstreams
        if each.state in _UPSTREAM
    ]
    found += [ProblemView("address", address, "this machine does not have it") for address in absent]
    return list({(each.code, each.subject): each for each in found}.values())  # an upstream of two zones once


_WORKER = {
    "starting": "it has no catalog yet",
    "silent": "no message from it lately",
    "behind": "it answers from an old catalog",
}
_UPSTREAM = {"dead": "it does not answer", "own": "it is this server itself", "loop": "it leads back to this server"}


Source = Callable[[], Iterable[ProblemView]]
BEHIND_S = 5.0  # after a change was published; a whole catalog of 100,000 instances takes a worker two seconds


class Condition:
    """The condition of one server, as its control process sees it. The loop's thread only."""

    def __init__(
        self, chain: Chain, publisher: Publisher, counters: Counters, presence: Presence, sources: Sequence[Source]
    ) -> None:
        """*sources*: the parts that say themselves what they lack."""
        self._chain, self._publisher, self._counters, self._presence, self._sources = chain, publisher, counters, presence, sources
        self._published: deque[tuple[float, int]] = deque()  # serials of the last BEHIND_S, and when each was first seen
        self._due = 0  # the serial that every worker should have by now
        self._seen: dict[tuple[str, str], float] = {}  # when each problem was first seen, in unix time
        self._unread: list[ProblemView] = []  # the configuration, when the last reload could not use it

    def reloaded(self, file: str | None, faults: Sequence[Mapping[str, str | int]] = ()) -> None:
        """The configuration has been read anew; with *faults* it is not used."""
        self._unread = [ProblemView("file", file or "", f"the configuration is not used: {each['message']}") for each in faults[:1]]

    def workers(self) -> tuple[WorkerView, ...]:
        return self._counters.workers([link.applied for link in self._publisher.links], self._due)

    def look(self, now: float) -> tuple[ProblemView, ...]:
        """Everything that is lacking. To be called often, for `since`. *now* is the monotonic time of the chain's events."""
        self._note_serial(now)
        providers = [(member.name, member.contact.word(now), member.contact.last_error) for member in self._chain.members]
        found = problems(providers, self._presence.absent, self.workers(), self._counters.upstreams())
        before, self._seen = self._seen, {}
        dated = []
        for each in (*found, *(each for source in self._sources for each in source()), *self._unread):
            key = each.code, each.subject
            if key in self._seen:
                continue
            self._seen[key] = before.get(key, time.time())
            dated.append(each._replace(since=self._seen[key]))
        return tuple(dated)

    def status(self, view: ControlFacts, parameters: ControlParameters, zones: Sequence[str]) -> ServerStatus:
        return ServerStatus(
            facts=view,
            config=parameters.config,
            is_config_found=parameters.is_config_found,
            listening=tuple(parameters.listening),
            zones=tuple(zones),
            workers=self.workers(),
            upstreams=self._counters.upstreams(),
        )

    def _note_serial(self, now: float) -> None:
        if not self._published or self._published[-1][1] != self._publisher.serial:
            self._published.append((now, self._publisher.serial))
        while self._published and now - self._published[0][0] >= BEHIND_S:
            self._due = self._published.popleft()[1]
