"""The state that the next control process takes over from this one. The supervisor holds it, as a dict of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnsdisco.control.status import Say


class Handover:
    """*before*: what the last process left; nothing for the first one. Each change is reported to the supervisor at once."""

    def __init__(self, before: Mapping[str, Any], say: Say) -> None:
        self.synced_before = frozenset(before.get("synced") or ())  # the providers whose word the workers hold
        self.serial_floor = int(before.get("serial_floor") or 0)  # a serial below it may have been used
        self.counted: dict[str, Any] = before.get("counted") or {}
        self._synced = sorted(self.synced_before)
        self._say = say

    def keep_counted(self, counted: dict[str, Any]) -> None:
        self.counted = counted
        self._send()

    def keep_floor(self, serial: int) -> None:
        self.serial_floor = serial
        self._send()

    def keep_synced(self, synced: list[str]) -> None:
        """*synced*: sorted."""
        if synced != self._synced:
            self._synced = synced
            self._send()

    def _send(self) -> None:
        self._say("keep", kept={"serial_floor": self.serial_floor, "synced": self._synced, "counted": self.counted})
