"""The knowledge of the control process as immutable values: for probes, metrics and pages.

`Control.view()`, `Control.services()` and `Control.service(name)` make them, in the loop's thread alone; what they return may go
to any thread. Ages are seconds, instants are unix time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dnsdisco.model.diff import Change
from dnsdisco.model.entry import Entry

UP = "up"  # in contact; of a worker: it answers
DOWN = "down"  # out of contact; its services are there and not stale yet, or were given up (`max_stale`)
STALE = "stale"  # out of contact for `stale_after`, or known only from the disk
DENIED = "denied"  # the backend refuses us (401, 403, ACLs): a person has to mend it; services that it gave before are there
NEVER_SYNCED = "never_synced"  # it has not answered yet, and nothing is known of an earlier time
UPSTREAM_STATES = ("up", "loop", "own", "dead")  # the better first; where workers differ, the worst counts
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
    problems: tuple[ProblemView, ...] = ()  # everything that the server lacks


PROBLEMS = ("provider", "worker", "upstream", "address", "file", "state", "certificate")  # codes of what the server can lack
CHANGE_NAMES_MAX = 2_000  # services of one published change that are named to those who follow; a larger one is a new catalog


class PublishedChange(NamedTuple):
    """The change of the catalog with *serial*. Services are given by their canonical names."""

    serial: int
    changed: tuple[str, ...] = ()  # new or different
    removed: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()  # all that the changed and the removed ones are found under
    is_large: bool = False  # too many to name

    @classmethod
    def of(cls, serial: int, change: Change) -> PublishedChange:
        """O(change), and nothing for one that is large."""
        if len(change.put) + len(change.drop) > CHANGE_NAMES_MAX:
            return cls(serial, is_large=True)
        changed = tuple(entry.key for entry in change.put)
        gone = set(change.drop).difference(changed)
        names = {".".join(path) for entry in change.put for path in entry.paths}
        return cls(serial, changed, tuple(sorted(gone)), frozenset(names.union(gone)))


class ProblemView(NamedTuple):
    """Something that the server lacks."""

    code: str  # one of PROBLEMS
    subject: str  # which one
    text: str
    since: float = 0.0


class WorkerView(NamedTuple):
    number: int
    pid: int | None  # None: not heard of yet
    state: str  # up; starting: it has no catalog yet; silent: no message from it for a while; behind: its catalog is an old one
    serial: int  # of the catalog that it answers from; 0: none yet
    queries: int  # answered since it started


class UpstreamView(NamedTuple):
    """One upstream of one zone, as all workers together see it."""

    address: str
    zone: str  # whose names it is asked for: "." for all that no other zone is for
    state: str  # up; dead: it does not answer; own: it is this server itself; loop: it leads back to this server
    rtt_ms: float | None  # smoothed; None: never measured
    asked: int  # questions sent to it, also those that look whether it is there
    failed: int  # of these: without an answer that could be used
    last_error: str  # "": none


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The state of the whole server."""

    facts: ControlFacts
    config: str | None  # the file that was read
    is_config_found: bool  # by a search: it was not named
    listening: Sequence[str]
    zones: Sequence[str]
    workers: tuple[WorkerView, ...]
    upstreams: tuple[UpstreamView, ...]


class ConfigView(NamedTuple):
    """The settings in use."""

    file: str | None
    settings: Mapping[str, Any]  # as JSON, with their secrets
    origins: Mapping[str, str]  # by the path of each setting: flag, environment:NAME, file:LINE, detected, default


class ExplanationStep(NamedTuple):
    code: str
    subject: str
    text: str


class Explained(NamedTuple):
    """Why a name gets its answer."""

    name: str  # whole, with the last dot
    rtype: str
    reply: bytes  # the message that the client gets over TCP
    steps: tuple[ExplanationStep, ...]
    did_you_mean: tuple[str, ...]  # whole names
    serial: int  # of the catalog that the worker answers from
    worker: int


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The outcome of a reload. If it has *problems*, nothing was changed."""

    changed: tuple[str, ...] = ()  # keys of the settings that are other ones now
    problems: Sequence[Mapping[str, str | int]] = field(default=())  # as `dnsdisco check --json` has them
