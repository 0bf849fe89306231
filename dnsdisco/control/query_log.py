"""The workers' queries for people who look at them: each looker's filter to every worker, and what passes it to that looker.

Workers record while somebody looks, and none else. The loop's thread only, but for a looker's own methods.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from dnsdisco.control.flushes import Workers
from dnsdisco.errors import ServerError, WireError
from dnsdisco.model.delta import Message
from dnsdisco.wire.constants import RCODES

LOOKERS_MAX = 8  # each query that is looked at is held against the filter of each
SAID_AGAIN_S = 1.0  # to the workers: one that has just been started hears it then
UNREAD_MAX = 2000  # queries that one looker has not taken yet: some 600 KB
GLOB_CHARACTERS_MAX = 255
SOURCES = ("table", "catalog", "cache", "stale", "upstream", "special", "refused")  # as workers have them (answer/sources.py)

Row = list[Any]  # time in ms, client, transport, name, type, rcode, source, ms, EDE


class QueryFilter(NamedTuple):
    """What one looker wants to see. None: anything. `name`: a glob; `client`: a network."""

    name: str | None = None
    client: str | None = None
    rcode: str | None = None
    source: str | None = None


class Looker:
    """One who looks. *woken* is called in the loop's thread when there is something to take; take() may be called in any other."""

    def __init__(self, woken: Callable[[], None]) -> None:
        self._woken = woken
        self._rows: deque[Row] = deque()
        self._missed = 0
        self._is_woken = False

    def hear(self, rows: list[Row], missed: int) -> None:
        room = UNREAD_MAX - len(self._rows)
        self._rows.extend(rows[:room])
        self._missed += missed + max(len(rows) - room, 0)
        if (rows or missed) and not self._is_woken:
            self._is_woken = True
            self._woken()

    def take(self, most: int) -> tuple[list[Row], int]:
        """At most so many rows, the oldest first, and how many queries are missing among them."""
        self._is_woken = False
        missed, self._missed = self._missed, 0
        return [self._rows.popleft() for _ in range(min(most, len(self._rows)))], missed


class QueryLog:
    def __init__(self, workers: Callable[[], Workers]) -> None:
        self._workers = workers
        self._begun = 0
        self._lookers: dict[int, tuple[QueryFilter, Looker]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, wanted: QueryFilter, looker: Looker) -> int:
        """A number for end(). Raises WireError for a filter that cannot be used, ServerError where too many look."""
        wanted = _checked(wanted)
        if len(self._lookers) >= LOOKERS_MAX:
            raise ServerError(f"{LOOKERS_MAX} clients look at the queries")
        self._begun += 1
        self._lookers[self._begun] = wanted, looker
        self._say()
        return self._begun

    def end(self, number: int) -> None:
        if self._lookers.pop(number, None) is not None:
            self._say()

    def take(self, message: Message) -> None:
        """A `queries` message of a worker."""
        missed, rows = message.get("missed"), message.get("rows")
        if not isinstance(missed, int) or not isinstance(rows, list):
            return
        passed: dict[int, list[Row]] = {number: [] for number in self._lookers}
        for numbers, *row in rows:
            for number in numbers:
                if number in passed:
                    passed[number].append(row)
        for number, (_, looker) in self._lookers.items():
            looker.hear(passed[number], missed)

    def _say(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._workers().tell({"op": "record", "filters": [[number, list(wanted)] for number, (wanted, _) in self._lookers.items()]})
        if self._lookers:
            self._timer = asyncio.get_running_loop().call_later(SAID_AGAIN_S, self._say)


def _checked(wanted: QueryFilter) -> QueryFilter:
    """With its words as the workers have them. Raises WireError."""
    name, client, rcode, source = wanted
    if name is not None and len(name) > GLOB_CHARACTERS_MAX:
        raise WireError(f"name: expected at most {GLOB_CHARACTERS_MAX} characters")
    if client is not None:
        try:
            client = str(ipaddress.ip_network(client, strict=False))
        except ValueError:
            raise WireError(f"client: expected a network such as 10.0.0.0/8, found {client!r}") from None
    if rcode is not None and (rcode := rcode.upper()) not in RCODES.values():
        raise WireError(f"rcode: expected one of {', '.join(RCODES.values())}")
    if source is not None and (source := source.lower()) not in SOURCES:
        raise WireError(f"source: expected one of {', '.join(SOURCES)}")
    return QueryFilter(name, client, rcode, source)
