"""The Extended DNS Errors beside the records of a service: stale data, and instances that are all critical (RFC 8914)."""

from __future__ import annotations

from dnsdisco.answer.reasons import all_critical
from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.wire.constants import EDE_OTHER, EDE_STALE
from dnsdisco.wire.envelope import Ede
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.lookup import Found

STALE_SHOWN_MAX = 2  # providers of one service that are reported as away: each reason takes up to 200 octets from the answer


def is_stale(catalog: Catalog, entry: Entry) -> bool:
    return bool(_states(catalog, entry))


def of(catalog: Catalog, entry: Entry) -> tuple[Ede, ...]:
    """EDE 3 for each provider of the service that is away."""
    away = _states(catalog, entry)[:STALE_SHOWN_MAX]
    return tuple(Ede(EDE_STALE, f"{state.name}: {state.reason or 'last known data'}") for state in away)


def reasons(catalog: Catalog, found: Found) -> tuple[Ede, ...]:
    """Why the answer is not what one would expect: stale data, or no healthy instance."""
    if found.entry is None:
        return ()
    stale = of(catalog, found.entry)
    critical = all_critical(found)
    return (*stale, Ede(EDE_OTHER, critical)) if critical else stale


def _states(catalog: Catalog, entry: Entry) -> list[ProviderState]:
    """The states of those providers of its instances that are away."""
    states = (catalog.states.get(name) for name in (entry.provider, *entry.merged))
    return [state for state in states if state is not None and (state.is_stale or not state.has_synced)]
