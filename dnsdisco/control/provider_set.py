"""The providers in their order: the last view of each, whether it is there, and the catalog that they make together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from dnsdisco.control.checks import Checks
from dnsdisco.control.contact import Contact
from dnsdisco.control.guard import RemovalGuard
from dnsdisco.control.log import log_faults, LoggedReasons, Logger, SHOWN_MAX
from dnsdisco.control.provenance import Provenance
from dnsdisco.control.records import Compiler
from dnsdisco.control.watcher import Event, ViewSeen, Watcher, WatchFailed
from dnsdisco.model.claims import ChainPolicy, ChainSource, Collision, wanted_by
from dnsdisco.model.diff import catalog_change, Change, Key
from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.model.merge import merge, Merger
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.entry import OF_THE_CHAIN

REJECTED_SHOWN_MAX = 100  # services of one provider whose denial says why; `dnsdisco check` and the count have them all


@dataclass(slots=True)
class Member:
    """One provider of the chain."""

    name: str
    entry: Mapping[str, Any]  # of `providers:`
    watcher: Watcher
    contact: Contact
    guard: RemovalGuard = field(default_factory=RemovalGuard)
    view: Snapshot | None = None  # what the catalog was made from; None: nothing yet, or given up
    pending: Snapshot | None = None  # newer, not merged yet
    has_gap: bool = False  # a view was not used: what the next one lists as changed is relative to that one
    has_spoken: bool = False  # `view` is its own word in this process, not the disk's or that of another backend before a reload
    has_asked_memory: bool = False  # whether there is a view of an earlier process
    logged: LoggedReasons = field(default_factory=LoggedReasons)
    rejected: int = 0  # objects left out of its last view by us

    is_wanted: Callable[[Key], bool] = field(init=False)  # by `include` and `exclude`

    def __post_init__(self) -> None:
        self.is_wanted = wanted_by(_source(self))

    @property
    def ends_a_start(self) -> bool:
        """Without contact: its source has to be there when a server starts, and nothing is known of an earlier time."""
        is_unknown = not self.contact.has_synced and self.contact.restored_at is None
        return is_unknown and self.watcher.provider.must_exist_at_start and not self.entry.get("optional")

    @property
    def own_options(self) -> dict[str, Any]:
        """Those that the provider was built with: it is built anew where one has changed."""
        has_own_rule = bool(self.watcher.provider.when_all_unhealthy)  # then the registry has given it the entry's
        ours = OF_THE_CHAIN - {"when_all_unhealthy"} if has_own_rule else OF_THE_CHAIN
        return {key: value for key, value in self.entry.items() if key not in ours}


class Chain:
    """Not thread-safe: all methods belong to the loop's thread. Times are monotonic seconds."""

    def __init__(self, log: Logger, when: Callable[[], str], checks: Checks) -> None:
        """*when*: the time of day, for people. *checks*: the health checks, whose results are laid over the views."""
        self.members: list[Member] = []
        self._log, self._when, self._checks = log, when, checks
        self._compiler = Compiler()
        self._policy = ChainPolicy()
        self._merger = Merger((), self._policy, self._compiler)
        self._collisions: frozenset[Collision] = frozenset()
        self._record_faults = LoggedReasons()
        self.provenance = Provenance()

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self._merger.entries

    def shadowed(self, key: str) -> dict[str, Service]:
        """The services that the one of that key shadows, by the name of their provider."""
        entry = self.entries.get(key)
        return self._merger.shadowed(entry) if entry is not None else {}

    def states(self, now: float) -> tuple[ProviderState, ...]:
        return tuple(_with_rejected(member, member.contact.state(member.name, now)) for member in self.members)

    def inherited_states(self, now: float, synced_before: Collection[str]) -> tuple[ProviderState, ...]:
        """The same for workers that still hold the views of the providers in *synced_before*, which an earlier process had."""
        return tuple(
            (member.contact.inherited_state if member.name in synced_before else member.contact.state)(member.name, now)
            for member in self.members
        )

    def member_of(self, watcher: Watcher) -> Member | None:
        """The member for a provider; None if a reload has taken it out of the chain."""
        return next((member for member in self.members if member.watcher is watcher), None)

    def take_event(self, member: Member, event: Event, now: float) -> None:
        """Take an event of a provider's thread. Nothing is merged yet."""
        if isinstance(event, WatchFailed):
            if member.contact.lost(now, event.reason, self._when(), is_denied=event.is_denied):
                log = self._log.error if event.is_denied else self._log.warning
                kept = {"services_kept": len(member.view.services)} if member.view is not None else {}
                log(
                    "provider lost" if member.contact.has_synced else "provider not reached",
                    provider=member.name,
                    reason=event.reason,
                    **kept,
                )
            return
        had_synced = member.contact.has_synced
        is_news = member.contact.heard(now)
        if is_news:
            news = "provider back" if had_synced else "provider synced"
            self._log.info(news, provider=member.name, services=len(event.view.services))
        member.rejected = event.rejected
        self._take_view(member, event, now, is_return=is_news and had_synced)

    @property
    def is_settled(self) -> bool:
        """True if all views of the providers are merged, and nothing is held back."""
        return all(member.pending is None and member.guard.held_since is None for member in self.members)

    def merge_pending(self) -> Change:
        """Merge what has come in since the last time. O(what changed) for each provider with a new view."""
        put: dict[str, Entry] = {}
        drop: dict[str, None] = {}
        for source, member in enumerate(self.members):
            view, member.pending = member.pending, None
            is_new = view is not None
            if view is None and member.view is not None and self._checks.is_dirty(member.name):
                view = replace(member.view, changed=frozenset())  # nothing but the health of instances
            if view is None:
                continue
            try:
                _add(put, drop, self._merger.update(source, self._checks.overlay(member.name, view, member.is_wanted)))
                if is_new:
                    member.view, member.has_spoken = view, True
            except Exception as error:  # noqa: BLE001  a plug-in's own Snapshot can hold anything
                self._log.error("the view cannot be used", provider=member.name, reason=f"{type(error).__name__}: {error}")
                member.has_gap = True
                _add(put, drop, self._merge_anew())
        self._log_losses()
        return Change(tuple(put.values()), tuple(drop))

    def give_up_stale(self, now: float) -> Change:
        """Drop the services of providers that have been away for longer than their `max_stale`."""
        put: dict[str, Entry] = {}
        drop: dict[str, None] = {}
        for source, member in enumerate(self.members):
            if member.view is not None and member.contact.is_given_up(now):
                self._log.warning(
                    "services given up: max_stale has passed", provider=member.name, services=len(member.view.services)
                )
                member.view, member.pending, member.guard = None, None, RemovalGuard()
                self._checks.forget(member.name)
                _add(put, drop, self._merger.update(source, None))
        return Change(tuple(put.values()), tuple(drop))

    def notice_hangs(self, now: float) -> None:
        """A polled provider whose answer is overdue counts as lost, though its thread has reported no failure."""
        for member in self.members:
            due_s, heard_at = member.watcher.answer_due_s, member.contact.heard_at
            if due_s is None or heard_at is None or member.contact.lost_at is not None or now - heard_at <= due_s:
                continue
            self.take_event(member, WatchFailed(f"no answer for {due_s:.0f} s", is_denied=False, retry_in_s=0.0), now)

    def rebuild(self, members: list[Member], settings: Settings) -> Change:
        """Another chain or another policy: what is known is merged anew. Nothing may be pending. O(services)."""
        self.members = members
        self._policy = ChainPolicy(settings.chain == "merge", settings.when_all_unhealthy)
        change = self._merge_anew()
        self._log_losses()
        return change

    def _merge_anew(self) -> Change:
        before = self._merger.entries
        self._checks.keep_only(member.name for member in self.members if member.view is not None)
        views = [None if member.view is None else self._overlaid(member, member.view) for member in self.members]
        self._merger = merge([_source(member) for member in self.members], self._policy, views, self._compiler)
        return catalog_change(before, self._merger.entries)

    def _overlaid(self, member: Member, view: Snapshot) -> Snapshot:
        """Whole, to be merged from scratch."""
        return self._checks.overlay(member.name, replace(view, changed=None), member.is_wanted)

    def _take_view(self, member: Member, event: ViewSeen, now: float, *, is_return: bool) -> None:
        log_faults(self._log, member.logged, "left out", event.faults, provider=member.name)
        has_it = member.view is not None or member.pending is not None
        if event.is_repeated and has_it and member.guard.held_since is None:
            return
        was_held = member.guard.held_since is not None
        view = replace(event.view, changed=None) if member.has_gap else event.view
        member.has_gap = False
        admitted = member.guard.admit(view, now, is_return=is_return)
        if member.guard.held_since is not None and not was_held:
            self._log.warning(
                "mass disappearance held back", provider=member.name, held=member.guard.held, of=len(admitted.services)
            )
        elif was_held and member.guard.held_since is None:
            self._log.warning("mass disappearance over", provider=member.name, services=len(admitted.services))
        member.pending = _following(member.pending, admitted)

    def _log_losses(self) -> None:
        """Names lost to another service, and records left out: each once."""
        log_faults(self._log, self._record_faults, "left out", self._compiler.faults)
        self._compiler.faults = []
        collisions = frozenset(self._merger.collisions())
        fresh = sorted(collisions - self._collisions)
        for lost in fresh[:SHOWN_MAX]:
            self._log.warning("name collision", provider=lost.provider, service=lost.service, reason=str(lost))
        if len(fresh) > SHOWN_MAX:
            self._log.warning("name collision", more=len(fresh) - SHOWN_MAX)
        self._collisions = collisions


def _with_rejected(member: Member, state: ProviderState) -> ProviderState:
    if member.view is None or not member.view.rejected:
        return state
    wanted = (each for each in member.view.rejected if member.is_wanted(("", each[0])))
    return replace(state, rejected=tuple(islice(wanted, REJECTED_SHOWN_MAX)))


def named(entries: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The entries of `providers:` by a name of their own: the type, with a number from the second of that type on."""
    by_name: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        kind = str(entry["type"])
        number = 1
        name = kind
        while name in by_name:
            number += 1
            name = f"{kind}-{number}"
        by_name[name] = entry
    return by_name


def members_of(
    settings: Settings, before: Sequence[Member], new_watcher: Callable[[str, Mapping[str, Any]], Watcher]
) -> list[Member]:
    """The chain that *settings* asks for, of the members there are and of new ones. Raises what *new_watcher* raises."""
    there = {member.name: member for member in before}
    members = []
    for name, entry in named(settings.providers).items():
        old = there.get(name)
        contact = Contact(
            stale_after_s=settings.stale_after, max_stale_s=entry.get("max_stale"), is_optional=bool(entry.get("optional"))
        )
        member = Member(name, entry, old.watcher if old is not None else new_watcher(name, entry), contact)
        if old is not None:
            contact.continue_from(old.contact)
            member.view, member.logged = old.view, old.logged
            if old.own_options == member.own_options:
                member.guard, member.has_spoken, member.rejected = old.guard, old.has_spoken, old.rejected
            else:  # its view stays until the new provider has one
                member.watcher = new_watcher(name, entry)
        members.append(member)
    return members


def _source(member: Member) -> ChainSource:
    entry = member.entry
    return ChainSource(
        member.name,
        tuple(entry.get("include") or ()),
        tuple(entry.get("exclude") or ()),
        entry.get("when_all_unhealthy") or "",
    )


def _following(pending: Snapshot | None, new: Snapshot) -> Snapshot:
    """*new*, saying what has changed since before *pending*."""
    if pending is None or new.changed is None:
        return new
    return replace(new, changed=None if pending.changed is None else pending.changed | new.changed)


def _add(put: dict[str, Entry], drop: dict[str, None], change: Change) -> None:
    """*change* after what *put* and *drop* hold already."""
    for key in change.drop:
        put.pop(key, None)
        drop[key] = None
    for entry in change.put:
        drop.pop(entry.key, None)
        put[entry.key] = entry
