"""What is asked of the workers for people: to forget, to explain, to record queries. The loop's thread only."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from dnsdisco.control.explanations import Explanations
from dnsdisco.control.facts import Explained
from dnsdisco.control.flushes import Flushes, Workers
from dnsdisco.control.log import Logger
from dnsdisco.control.provider_set import Chain
from dnsdisco.control.query_log import QueryLog
from dnsdisco.model.delta import Message


class AskedWorkers:
    def __init__(self, workers: Callable[[], Workers], chain: Chain, zone: Callable[[], str], log: Logger) -> None:
        """*zone*: of names without a dot."""
        self._flushes = Flushes(workers, log)
        self._explanations = Explanations(workers, chain, zone)
        self.queries = QueryLog(workers)

    def flush(self, name: str | None, *, is_tree: bool) -> Future[list[int | None]]:
        """Make every worker forget it, and with *is_tree* what is below it; None: everything. See flushes.py."""
        return self._flushes.begin(name, is_tree=is_tree)

    def explain(self, name: str, rtype: str, client: str) -> Future[Explained]:
        """Why a client at that address gets the answer that it gets. See explanations.py."""
        return self._explanations.begin(name, rtype, client)

    def take(self, worker: int, message: Message) -> None:
        """A worker's reply."""
        match message.get("op"):
            case "flushed":
                self._flushes.take(worker, message)
            case "explained":
                self._explanations.take(worker, message)
            case "queries":
                self.queries.take(message)
            case _:
                pass
