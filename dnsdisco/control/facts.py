"""What the control process knows, as values that do not change: for probes, metrics and pages. Read-only; nothing here can act.

`Control.view()`, `Control.services()` and `Control.service(name)` make them, in the loop's thread alone; what they return may go
to any thread. Ages are seconds, instants are unix time.
"""

from __future__ import annotations

from dataclasses import dataclass

from dnsdisco.model.entry import Entry

UP = "up"  # in contact
DOWN = "down"  # out of contact; its services are there and not stale yet, or were given up (`max_stale`)
STALE = "stale"  # out of contact for `stale_after`, or known only from the disk
DENIED = "denied"  # the backend refuses us (401, 403, ACLs): a person has to mend it; services that it gave before are there
NEVER_SYNCED = "never_synced"  # it has not answered yet, and nothing is known of an earlier time
STATES = (UP, DOWN, STALE, DENIED, NEVER_SYNCED)


@dataclass(frozen=True, slots=True)
class ProviderView:
    """One provider of the chain."""

    name: str  # unique in the chain: "consul", "consul-2"
    type: str
    state: str  # one of STATES
    is_optional: bool
    contact_age_s: float | None  # since it was last known to be there: 0 while it is; None: never, not even before a restart
    view_age_s: float | None  # since its services last came or were last confirmed; None: never in this process
    last_error: str  # "": none in this process. No secrets: it has been in the log as well
    last_error_age_s: float | None
    errors: int  # failed attempts since this process started
    services: int  # in its last good view, before include and exclude and before the chain
    instances: int
    rejected: int  # objects of that view that cannot be used, each named in the log
    held: int  # services kept though its last view lacks them: a mass disappearance that is not confirmed yet
    index: str  # what the backend calls the state that was read (an index, a resourceVersion); "": it has none
    is_restored: bool  # its services are those of the disk: it has not answered since this process started


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One published service, and where it came from."""

    name: str  # canonical, left of the zone: "web", "web.default"
    names: tuple[str, ...]  # all that it is found under, the canonical one first
    provider: str  # that owns it
    merged: tuple[str, ...]  # `chain: merge`: providers that gave instances beside it
    shadows: tuple[str, ...]  # `chain: first`: providers that have it too and were not asked
    since: float  # when that provider was first seen to have it; not before this process started
    changed: float  # when anything of it last changed
    is_stale: bool  # answers carry EDE 3
    entry: Entry  # the service with its instances, their labels and health


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """The whole at one moment."""

    serial: int  # of the SOA
    started: float
    is_ready: bool  # has been said once; it stays so
    missing: tuple[
        str, ...
    ]  # what is not as it should be now, in words: "provider consul: never_synced", "worker 1: no catalog yet"
    providers: tuple[ProviderView, ...]  # in the order of precedence
    services: int  # published
    instances: int
    workers: int
    checked: int  # what the health checks ask: an instance each, and equal ones once
    failing: int  # of those
