"""The threads of a watch. Each has a connection of its own, asks one kind of question over and over, and posts the answers.

Rules for the index of a blocking query: it is the last answer's; one that went backwards starts again at 0; and a thread that failed
starts anew without one, for an agent that has lost its data does not answer a question with a higher index.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dnsdisco.model.service import Service
from dnsdisco.providers.consul.catalog import AgentCatalog, CONSUL, Failing, Names
from dnsdisco.providers.consul.entries import Reading
from dnsdisco.providers.consul.pace import Pace, PER_S, TokenBucket
from dnsdisco.providers.log import logger

HEARTBEAT_S = 10.0  # how long the list of services is waited for: its answer, also without news, shows that the agent is there
SETTLE_S = 5.0  # a catalog that comes back without most of its services must stay so for this long
RESETTLE_S = 0.5  # between two looks at it
CHECKS_PER_S = 40_000.0  # checks that the servers pass over for us; the answer about all of them costs as much as there are
CHECKS_ANSWERS_MIN_PER_S = 4.0
SWEEP_SPACE_S = 0.02  # between two sweeps
SWEEP_SHARE = 4  # and at least so many times as long as one took: at most a fifth of a core
NODES_EVERY = 1.0  # nodes per service that a sweep may ask; beyond, asking each service costs less


@dataclass(frozen=True, slots=True)
class Listed:
    names: Names
    index: int
    is_moved: bool  # the index has changed: some service, instance, tag or meta has changed


@dataclass(frozen=True, slots=True)
class FollowedService:
    """A service that has a blocking query of its own."""

    name: str
    reading: Reading
    index: int
    asker: ServiceThread


@dataclass(frozen=True, slots=True)
class Fetched:
    name: str
    reading: Reading
    index: int


class Flipped(NamedTuple):
    """Checks changed. `is_first`: this is what they are; what they were before is not known."""

    failing: frozenset[Failing]
    is_first: bool


class Swept(NamedTuple):
    """`marks`: the fingerprint of every service; None: too many nodes, so each service is to be asked."""

    marks: dict[str, int] | None


class Ended(NamedTuple):
    """`error` None: it was asked to."""

    asker: QueryThread
    error: BaseException | None


Event = Listed | FollowedService | Fetched | Flipped | Swept | Ended
Post = Callable[[Event], None]


class QueryThread(threading.Thread):
    """A daemon: one that hangs in name resolution ends with the process."""

    def __init__(self, catalog: AgentCatalog, post: Post) -> None:
        super().__init__(name=f"consul-{type(self).__name__.removesuffix('Thread').lower()}", daemon=True)
        self._catalog, self._post = catalog, post
        self._agent = catalog.connect()
        self._over = threading.Event()

    def run(self) -> None:
        error: BaseException | None = None
        try:
            self.ask()
        except Exception as caught:  # noqa: BLE001  the watch raises it
            error = caught
        finally:
            self._agent.close()
        self._post(Ended(self, None if self._over.is_set() else error))

    def ask(self) -> None:
        raise NotImplementedError

    def retire(self) -> None:
        """End when the query that is under way has its answer: one that is given up would hold the agent's slot just as long."""
        self._over.set()

    def abort(self) -> None:
        """End now. Does not block."""
        self._over.set()
        self._agent.abort()


class NamesThread(QueryThread):
    """The list of services. *before*: the names that were there when the agent was lost."""

    def __init__(self, catalog: AgentCatalog, post: Post, before: frozenset[str]) -> None:
        super().__init__(catalog, post)
        self._known = before - {CONSUL}
        self._thin_since: float | None = None

    def ask(self) -> None:
        index, pace = 0, Pace()
        wait_s = min(HEARTBEAT_S, self._catalog.options.wait)
        while not self._over.is_set():
            asked_at = time.monotonic()
            names, new = self._catalog.names(self._agent, index, wait_s)
            if (index == 0 or new < index) and self._is_too_thin(names):
                index = 0
                self._over.wait(RESETTLE_S)
                continue
            self._known = frozenset(names) - {CONSUL}
            is_moved = new not in (0, index)
            self._post(Listed(names, new, is_moved or index == 0))
            index = new if new >= index else 0
            self._over.wait(pace.after(is_moved=is_moved, took_s=time.monotonic() - asked_at))

    def _is_too_thin(self, names: Names) -> bool:
        """An agent that has just come back, or begun anew, may not have heard of its services yet. O(names)."""
        missing = len(self._known.difference(names))
        now = time.monotonic()
        if 2 * missing <= len(self._known):
            self._thin_since = None
            return False
        if self._thin_since is None:
            self._thin_since = now
            logger().warning(
                f"the catalog came back without most services; believed if it stays so for {SETTLE_S:g} s",
                provider=CONSUL,
                missing=missing,
                of=len(self._known),
            )
        if now - self._thin_since < SETTLE_S:
            return True
        self._thin_since = None
        return False


class ServiceThread(QueryThread):
    """One service, from what is known of it on."""

    def __init__(
        self, catalog: AgentCatalog, post: Post, service: str, index: int, known: Service, rejected: int, shared: TokenBucket
    ) -> None:
        super().__init__(catalog, post)
        self.service = service
        self._shared = shared
        self._index, self._known, self._rejected = index, known, rejected

    def ask(self) -> None:
        index, pace = self._index, Pace(shared=self._shared)
        known: Service | None = self._known
        was_empty, rejected = False, self._rejected
        while not self._over.is_set():
            asked_at = time.monotonic()
            reading, new = self._catalog.service(self._agent, self.service, index, self._catalog.options.wait)
            if _instances(reading.service) < _instances(known):
                # A query that blocks is answered from a stream, which does not show that ACLs have hidden something: an unknown token gets
                # 200 and an empty list. The same question without an index is answered otherwise.
                reading, new = self._catalog.service(self._agent, self.service)
            is_news = reading.service != known or (reading.is_empty, reading.rejected) != (was_empty, rejected)
            if is_news:
                self._post(FollowedService(self.service, reading, new, self))
                known, was_empty, rejected = reading.service, reading.is_empty, reading.rejected
            is_moved = new not in (0, index)
            index = new if new >= index else 0
            self._over.wait(pace.after(is_moved=is_moved, took_s=time.monotonic() - asked_at))


def _instances(service: Service | None) -> int:
    return len(service.instances) if service is not None else 0


class ChecksThread(QueryThread):
    """Watches the checks of all services, for those that have no query of their own."""

    def __init__(self, catalog: AgentCatalog, post: Post) -> None:
        super().__init__(catalog, post)
        self.services = 1  # of the datacenter, as a measure of how many checks there are

    def ask(self) -> None:
        index, pace = 0, Pace()
        known: frozenset[Failing] | None = None
        while not self._over.is_set():
            asked_at = time.monotonic()
            failing, new = self._catalog.failing(self._agent, index, self._catalog.options.wait)
            if known is None:
                self._post(Flipped(failing, is_first=True))
            elif failing != known:
                self._post(Flipped(failing ^ known, is_first=False))
            known = failing
            is_moved = new not in (0, index)  # also where the check that changed has passed before and after
            index = new if new >= index else 0
            per_s = min(PER_S, max(CHECKS_ANSWERS_MIN_PER_S, CHECKS_PER_S / self.services))
            self._over.wait(pace.after(is_moved=is_moved, took_s=time.monotonic() - asked_at, per_s=per_s))


class SweepThread(QueryThread):
    """Which services have changed, when the list of services shows only that some have. Node by node: that is the fewest questions."""

    def __init__(self, catalog: AgentCatalog, post: Post) -> None:
        super().__init__(catalog, post)
        self.services = 0  # how many have no query of their own
        self._is_due = threading.Event()

    def kick(self, services: int) -> None:
        """Sweep soon. Kicks that come before it begins are one."""
        self.services = services
        self._is_due.set()

    def ask(self) -> None:
        while True:
            self._is_due.wait()
            if self._over.is_set():
                return
            self._is_due.clear()
            began_at = time.monotonic()
            nodes = self._catalog.nodes(self._agent)
            is_cheap = len(nodes) <= NODES_EVERY * self.services
            marks = self._catalog.fingerprints(self._agent, nodes, self._over) if is_cheap else None
            if self._over.is_set():
                return
            self._post(Swept(marks))
            self._over.wait(max(SWEEP_SPACE_S, SWEEP_SHARE * (time.monotonic() - began_at)))

    def retire(self) -> None:
        super().retire()
        self._is_due.set()

    def abort(self) -> None:
        super().abort()
        self._is_due.set()


class FetchThread(QueryThread):
    """Services from a queue, one after another; None in it is the end."""

    def __init__(self, catalog: AgentCatalog, post: Post, names: queue.SimpleQueue[str | None]) -> None:
        super().__init__(catalog, post)
        self._names = names

    def ask(self) -> None:
        while (name := self._names.get()) is not None and not self._over.is_set():
            reading, index = self._catalog.service(self._agent, name)
            self._post(Fetched(name, reading, index))
