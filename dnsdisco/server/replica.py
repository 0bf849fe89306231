"""Applies control's messages: keeps the catalog in step with control's, and drops the answers that were made from changed data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dnsdisco.model.delta import ZoneRecord
from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.model.unread import Unread
from dnsdisco.server.serve import Responder
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.records import ZoneRecords


class Replica:
    """Event loop only; each call is one step between two queries."""

    def __init__(self, catalog: Catalog, responder: Responder) -> None:
        self.catalog = catalog
        self._responder = responder
        self._fresh: Catalog | None = None
        self._pending: tuple[list[Entry], list[str]] = ([], [])
        self._records: list[ZoneRecord] = []
        self._states: tuple[ProviderState, ...] = ()  # as control last sent them
        self._silence = ""  # why they are not to be believed; "": they are

    def begin(self, serial: int) -> None:
        """A whole catalog follows; the one in use answers meanwhile."""
        self._fresh = Catalog()
        self._pending, self._records = ([], []), []

    def put(self, entries: Iterable[Entry]) -> None:
        if self._fresh is not None:
            for entry in entries:
                self._fresh.put(entry)

    def put_unread(self, services: Unread) -> None:
        if self._fresh is not None:
            self._fresh.put_unread(services)

    def end(self, serial: int, states: Iterable[ProviderState]) -> bool:
        """The whole catalog is here: take it. False: its beginning was missed."""
        fresh, self._fresh = self._fresh, None
        if fresh is None:
            return False
        self._states = tuple(states)
        self.catalog.replace(fresh, self._believed(), serial)
        self._responder.changed(None)
        return True

    def change(
        self,
        base: int,
        serial: int,
        put: Iterable[Entry],
        drop: Iterable[str],
        states: Iterable[ProviderState] | None,
        *,
        more: bool,
    ) -> bool:
        """Part of a change from *base* to *serial*; the last part (not *more*) makes it seen. False: we are not at *base*."""
        if base != self.catalog.serial or not self.catalog.is_complete:
            return False
        entries, keys = self._pending
        came, went = len(entries), len(keys)
        entries.extend(put)
        keys.extend(drop)
        self.catalog.read_soon([*(entry.key for entry in entries[came:]), *keys[went:]])
        if more:
            return True
        self._pending = ([], [])
        touched = self.catalog.apply(entries, keys, serial)
        if states is not None:
            self.set_states(states)
        self._responder.changed(touched)
        return True

    def set_states(self, states: Iterable[ProviderState]) -> None:
        """Which providers are there; a change of it changes the reason given with many answers."""
        self._states = tuple(states)
        self._adopt_states()

    def set_silence(self, reason: str) -> None:
        """Control is silent, for that *reason*, so the state of its providers is not known. "": control is there."""
        if reason != self._silence:
            self._silence = reason
            self._adopt_states()

    def _adopt_states(self) -> None:
        before = self.catalog.states
        self.catalog.set_states(self._believed())
        if self.catalog.states != before:
            self._responder.changed(None)

    def set_records(self, base: int, serial: int, records: Iterable[ZoneRecord], *, more: bool) -> bool:
        """All records of the zone files anew, in parts as change(). Between begin() and end() they come with the catalog."""
        if self._fresh is None and (base != self.catalog.serial or not self.catalog.is_complete):
            return False
        self._records.extend(records)
        if more:
            return True
        made, self._records = ZoneRecords(self._records), []
        if self._fresh is not None:
            self._fresh.set_records(made)
            return True
        self.catalog.set_records(made)
        self.catalog.serial = serial
        self._responder.changed(None)
        return True

    def flush(self, name: str | None, *, is_tree: bool) -> int:
        """Forget upstreams' answers (Responder.flush). Raises WireError."""
        return self._responder.flush(name, is_tree=is_tree)

    def _believed(self) -> tuple[ProviderState, ...]:
        if not self._silence:
            return self._states
        return tuple(
            state if state.is_stale or not state.has_synced else replace(state, is_stale=True, reason=self._silence)
            for state in self._states
        )
