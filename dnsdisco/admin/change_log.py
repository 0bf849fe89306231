"""The changes published lately, for clients that follow them: bounded, and shared by all clients. Of one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from dnsdisco.control.facts import PublishedChange

CHANGES_MAX = 1_000  # kept: ten seconds of a storm, some hours of a quiet day
NAMES_MAX = 20_000  # in all of them: 2 MB
NEWS_NAMES_MAX = 2_000  # in one report to one client; reading the whole list costs it less than more of them


class News(NamedTuple):
    """The changes of services from one serial to another."""

    serial: int
    changed: tuple[str, ...]  # new or different
    removed: tuple[str, ...]
    names: frozenset[str]  # all that they are, or were, found under


class ChangeLog:
    """`serial` is that of what is published now."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self._oldest = serial  # what came after this one is known
        self._changes: deque[PublishedChange] = deque()
        self._names = 0
        self._came = asyncio.Event()
        self._remembered: tuple[int, News | None] | None = None  # a thousand clients that follow ask for the same

    def take(self, change: PublishedChange) -> None:
        self.serial = change.serial
        if change.is_large:
            self._changes.clear()
            self._oldest, self._names = change.serial, 0
        else:
            self._changes.append(change)
            self._names += _size(change)
        while len(self._changes) > CHANGES_MAX or self._names > NAMES_MAX:
            first = self._changes.popleft()
            self._oldest, self._names = first.serial, self._names - _size(first)
        self._remembered = None
        self._came.set()
        self._came = asyncio.Event()

    def since(self, serial: int) -> News | None:
        """The changes after *serial*; None if they are not known any more, or never were. Empty lists: no change of a name."""
        if self._remembered is None or self._remembered[0] != serial:
            self._remembered = (serial, self._since(serial))
        return self._remembered[1]

    async def wait(self, serial: int, seconds: float | None = None) -> bool:
        """Until there is a serial that is not *serial*. False: it has been so long."""
        try:
            async with asyncio.timeout(seconds):
                while self.serial == serial:
                    await self._came.wait()
        except TimeoutError:
            return False
        return True

    def _since(self, serial: int) -> News | None:
        if not self._oldest <= serial <= self.serial:
            return None
        became: dict[str, bool] = {}  # whether it is there now
        names: set[str] = set()
        for change in self._changes:
            if change.serial <= serial:
                continue
            became.update(dict.fromkeys(change.removed, False))
            became.update(dict.fromkeys(change.changed, True))
            names.update(change.names)
        if len(became) > NEWS_NAMES_MAX:
            return None
        changed = tuple(sorted(name for name, is_there in became.items() if is_there))
        removed = tuple(sorted(name for name, is_there in became.items() if not is_there))
        return News(self.serial, changed, removed, frozenset(names))


def _size(change: PublishedChange) -> int:
    return len(change.changed) + len(change.removed)
