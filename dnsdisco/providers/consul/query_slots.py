"""Which thread asks what in one watch: which services have a query of their own, and whether a thread asks about all the others.

An agent refuses the 201st connection from one address, whichever programs hold them. So the first refusal lowers the number of queries to those
that were taken, the others are asked about together, and after a while more are tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from dnsdisco.model.service import Service
from dnsdisco.providers.consul.agent import AgentError
from dnsdisco.providers.consul.catalog import AgentCatalog, CONSUL
from dnsdisco.providers.consul.pace import ALL_PER_S, TokenBucket
from dnsdisco.providers.consul.query_threads import ChecksThread, Post, QueryThread, ServiceThread, SweepThread
from dnsdisco.providers.log import logger

AGAIN_S = 15.0  # until a service whose query failed gets one again
# The same after a refusal: an old agent keeps the slot of a query that was given up until its wait ends.
REFUSED_AGAIN_S = 60.0
REPORT_S = 1.0  # until the number that is left is logged, for refusals come many at once
POLL_S = 5.0  # between two looks at all others when not even the questions about them find a connection
LENT_S = 0.5  # until what was lent for the first time is free: at once, but for an old agent
LENT = 4  # queries of their own that are given up for those
# Connections that are left for services to come; below that the query of a service that goes is cut off, and else runs out: for an old
# agent, one that is cut off holds its slot just as long.
SPARE = 16


class QuerySlots:
    """Belongs to one thread. Times are monotonic seconds."""

    def __init__(self, catalog: AgentCatalog, post: Post) -> None:
        self.own: dict[str, ServiceThread] = {}  # by service
        self._catalog, self._post = catalog, post
        self._askers: set[QueryThread] = set()  # that have not ended
        self._answers = TokenBucket(ALL_PER_S, ALL_PER_S)
        self._own_again_at = self._everybody_again_at = 0.0
        self._report_at: float | None = None
        self._has_lent = False
        self._checks: ChecksThread | None = None
        self._sweep: SweepThread | None = None

    def start(self, asker: QueryThread) -> None:
        self._askers.add(asker)
        asker.start()

    def abort(self) -> None:
        """End all threads now. Does not block."""
        for asker in self._askers:
            asker.abort()

    def free(self, now: float) -> int:
        """How many more services may have a query of their own. A query that is ending holds its slot until it has ended."""
        return 0 if now < self._own_again_at else self._slots()

    def give(self, name: str, index: int, known: Service, rejected: int) -> None:
        """A query of its own to a service, from *index* on, where it was *known* with so many instances *rejected*."""
        asker = ServiceThread(self._catalog, self._post, name, index, known, rejected, self._answers)
        self.own[name] = asker
        self.start(asker)

    def take(self, name: str) -> None:
        """The service is not wanted any more."""
        asker = self.own.pop(name, None)
        if asker is not None and self._slots() < SPARE:
            asker.abort()
        elif asker is not None:
            asker.retire()

    def keep(self, now: float, others: int) -> None:
        """Make sure that a thread asks about the *others*, the services without a query of their own, if there are any."""
        if self._report_at is not None and now >= self._report_at:
            self._report_at = math.inf
            logger().warning(
                f"the agent takes no more connections from here; {len(self.own)} services are watched one by one, {others} together. "
                "Lower watch_limit, or raise limits.http_max_conns_per_client of the agent",
                provider=CONSUL,
            )
        if self._checks is not None:
            self._checks.services = max(1, others + len(self.own))
        if not others:
            self.leave_everybody()
        elif self.free(now) <= 0:
            self.watch_everybody(now)

    def watch_everybody(self, now: float) -> None:
        if self._checks is None and now >= self._everybody_again_at:
            self._checks, self._sweep = ChecksThread(self._catalog, self._post), SweepThread(self._catalog, self._post)
            self.start(self._checks)
            self.start(self._sweep)

    def leave_everybody(self) -> None:
        for asker in (self._checks, self._sweep):
            if asker is not None:
                asker.retire()
        self._checks = self._sweep = None

    def sweep(self, others: int) -> None:
        """Have a look soon at which of the *others* have changed."""
        if self._sweep is not None:
            self._sweep.kick(others)

    def ended(self, asker: QueryThread, error: BaseException | None, now: float, fetch: Callable[[str], None]) -> bool:
        """Note that an asker has ended. Raises *error* if the watch cannot go on without it.

        The watch goes on without a query for a single service: *fetch* is called with the service, which shows whether the agent is there.
        Closing the others' would free nothing. True: the queries about all services found no connection, so the others are fetched one by one.
        """
        self._askers.discard(asker)
        if error is None:
            return False
        is_refused = isinstance(error, AgentError) and error.is_refusal
        if isinstance(asker, ServiceThread) and isinstance(error, AgentError):
            if self.own.get(asker.service) is asker:
                del self.own[asker.service]
                self._own_again_at = max(self._own_again_at, now + (REFUSED_AGAIN_S if is_refused else AGAIN_S))
                fetch(asker.service)
        elif is_refused and asker in (self._checks, self._sweep):
            self.leave_everybody()
            self._everybody_again_at = now + (POLL_S if self._has_lent else LENT_S)
            self._own_again_at, self._has_lent = now + REFUSED_AGAIN_S, True
            for name in list(self.own)[-LENT:]:
                self.own.pop(name).abort()
        else:
            raise error
        if is_refused and self._report_at is None:
            self._report_at = now + REPORT_S
        return not isinstance(asker, ServiceThread)

    def _slots(self) -> int:
        return self._catalog.options.watch_limit - sum(isinstance(asker, ServiceThread) for asker in self._askers)
