"""What of the settings goes to workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dnsdisco.config.schema import Settings
from dnsdisco.config.workers import for_workers, WORKER_KEYS
from dnsdisco.server.settings import WorkerSettings


class Watched(Mapping[str, Any]):
    """Remembers which keys were asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values_of, self.asked = values, set[str]()

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return self.values_of[key]

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return key in self.values_of

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a worker takes all of it, whatever it is")

    def __len__(self) -> int:
        return len(self.values_of)


def test_a_worker_gets_what_it_reads_and_no_more() -> None:
    settings = Watched(Settings().plain())
    WorkerSettings.from_plain(settings)
    assert settings.asked == WORKER_KEYS


def test_it_works_with_that_as_with_the_whole() -> None:
    whole = Settings.from_plain({**Settings().plain(), "ttl": 9, "zones": ["a.example"], "identity": {"version": "x"}}).plain()
    part = for_workers(whole)
    assert WorkerSettings.from_plain(part) == WorkerSettings.from_plain(whole)
    assert "providers" not in part
