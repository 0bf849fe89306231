"""Sends the workers the names whose answers they drop, and collects how many each has dropped. The loop's thread only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from dnsdisco.control.log import Logger
from dnsdisco.control.worker_link import WorkerLink
from dnsdisco.model.delta import Message
from dnsdisco.wire.name import from_text

FLUSHED_S = 3.0  # for the workers to report that it is done; the largest cache takes one a second and a half


class Workers(Protocol):
    """The publisher, as seen from here."""

    @property
    def links(self) -> Sequence[WorkerLink]: ...
    def tell(self, message: Message, worker: int | None = None) -> None: ...


class Flushes:
    """Those that are on their way."""

    def __init__(self, workers: Callable[[], Workers], log: Logger) -> None:
        self._workers, self._log = workers, log
        self._begun = 0
        self._waiting: dict[int, _Flush] = {}

    def begin(self, name: str | None, *, is_tree: bool) -> Future[list[int | None]]:
        """Flush in every worker, and return how many answers each has dropped. None: it has not reported in time; then it was killed, and its successor
        begins empty, or it hangs. Raises WireError for a text that is not a name."""
        from_text(name or "")
        workers = self._workers()
        self._begun += 1
        number = self._begun  # others may come before this one is done
        flush = self._waiting[number] = _Flush(len(workers.links))
        flush.result.add_done_callback(lambda _: self._ended(number, name, is_tree=is_tree))
        asyncio.get_running_loop().call_later(FLUSHED_S, flush.settle)
        workers.tell({"op": "flush", "id": number, "name": name, "tree": is_tree})
        return flush.result

    def take(self, worker: int, message: Message) -> None:
        """A `flushed` message of a worker. One that no request waits for any more is passed over."""
        request, dropped = message.get("id"), message.get("dropped")
        flush = self._waiting.get(request) if isinstance(request, int) else None
        if flush is not None and isinstance(dropped, int):
            flush.take(worker, dropped)

    def _ended(self, number: int, name: str | None, *, is_tree: bool) -> None:
        flush = self._waiting.pop(number)
        self._log.info("cache flushed", name=name or "(all)", tree=is_tree, dropped=sum(filter(None, flush.dropped)))


class _Flush:
    def __init__(self, workers: int) -> None:
        self.dropped: list[int | None] = [None] * workers
        self.result: Future[list[int | None]] = Future()

    def take(self, worker: int, dropped: int) -> None:
        self.dropped[worker] = dropped
        if None not in self.dropped:
            self.settle()

    def settle(self) -> None:
        if not self.result.done():
            self.result.set_result(self.dropped)
