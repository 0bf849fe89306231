"""watch() as the control process runs it: in a thread, begun anew after each loss."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

from dnsdisco.errors import ProviderError
from dnsdisco.model.service import Snapshot

RETRY_S = 0.05  # control waits 0.25 s at least


class Follow:
    """`last` is the newest snapshot, `losses` what ended a watch, `watches` how many there were."""

    def __init__(self, provider) -> None:
        self.provider, self.stop = provider, threading.Event()
        self.snapshots: list[Snapshot] = []
        self.losses: list[ProviderError] = []
        self.crashes: list[BaseException] = []
        self.watches = 0
        self.news = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(2)
        assert not self.thread.is_alive(), "watch() does not end when it is told to"
        assert self.crashes == []

    @property
    def last(self) -> Snapshot:
        return self.snapshots[-1]

    def until(self, is_so: Callable[[Self], object], within_s: float = 5.0) -> None:
        with self.news:
            is_seen = self.news.wait_for(lambda: self.snapshots and is_so(self), within_s)
        assert is_seen, f"not seen within {within_s} s; losses: {self.losses}; last: {self.snapshots[-1:]}"

    def until_lost(self, number: int = 1, within_s: float = 5.0) -> ProviderError:
        with self.news:
            is_seen = self.news.wait_for(lambda: len(self.losses) >= number, within_s)
        assert is_seen, f"{len(self.losses)} losses within {within_s} s"
        return self.losses[number - 1]

    def names(self) -> set[str]:
        return {name for _, name in self.last.services}

    def addresses(self, name: str, namespace: str = "default") -> list[str]:
        service = self.last.services.get((namespace, name))
        return [] if service is None else [instance.address for instance in service.instances]

    def _run(self) -> None:
        while not self.stop.is_set():
            self.watches += 1
            try:
                for snapshot in self.provider.watch(self.stop):
                    self._tell(self.snapshots, snapshot)
            except ProviderError as error:
                self._tell(self.losses, error)
                time.sleep(RETRY_S)
            except BaseException as error:  # noqa: BLE001
                self._tell(self.crashes, error)
                return

    def _tell(self, into: list, what: object) -> None:
        with self.news:
            into.append(what)
            self.news.notify_all()
