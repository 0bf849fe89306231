"""A provider's sources on this machine, for `dnsdisco check`, which reads them without a backend, and without a line in the log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dnsdisco.errors import Problem
from dnsdisco.model.service import Service, Snapshot

Verify = Callable[[Service], Iterable[tuple[str, str]]]  # key path and message of each fault that only another room can see


class LocalSource(ABC):
    file: str = ""  # as a person named it; "": it is no file, or there is none

    @abstractmethod
    def services(self) -> Mapping[str, Mapping[str, Any]] | Snapshot | None:
        """All services as they are now; None where they cannot be read."""

    def faults(self, verify: Verify) -> list[Problem]:
        """Every fault and warning in what was written, with its place."""
        return []

    def places(self, names: set[str]) -> dict[str, tuple[int, int]]:
        """Line and column (1-based) of these services in the file, where they are known."""
        return {}
