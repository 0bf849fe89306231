"""Active health checks and the views: which instances are asked, and what their services are with the results laid over them.

A provider's view goes in; out comes a view in which every checked instance has the worse of its written health and the
checked one. Providers, the removal guard and the disk know nothing of checks, so a result is never taken for the backend's data.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dnsdisco.control.log import Logger, SHOWN_MAX
from dnsdisco.control.prober import Flip, Prober
from dnsdisco.model.diff import Key
from dnsdisco.model.probe_target import Probe, probe
from dnsdisco.model.public import reason_from
from dnsdisco.model.service import Health, Instance, Service, Snapshot

NOT_YET = "no check of it has passed yet"  # the reason of an instance whose check has `initial: critical`
PROBES_MAX = 20_000  # at the usual interval of 10 s 2,000 a second, a core's work; more is a task for agents beside the instances

Call = Callable[..., None]


class _Checked(NamedTuple):
    """A service with a check. `probes` go with its instances; None: it is not asked."""

    raw: Service
    probes: tuple[Probe | None, ...]
    made: Service


@dataclass(slots=True)
class _ProbeUse:
    """One probe and its users. `number`: that of the want() call that began it; results with an earlier number are late."""

    number: int
    health: Health
    reason: str  # why it is not passing
    users: set[tuple[str, Key]] = field(default_factory=set)  # provider and service


class Checks:
    """Health results over the providers' views. The loop's thread only. *changed* is called there when overlay() has new results to return."""

    def __init__(self, call: Call, changed: Callable[[], None], log: Logger) -> None:
        """*call* runs a function in the loop's thread, from any thread."""
        self._call, self._changed, self._log = call, changed, log
        self._prober: Prober | None = None
        self._number = 0
        self._asked: dict[Probe, _ProbeUse] = {}
        self._checked: dict[str, dict[Key, _Checked]] = {}  # by provider
        self._laid: set[str] = set()  # providers with a view that overlay() has seen whole
        self._dirty: dict[str, set[Key]] = {}  # services whose `made` is newer than what overlay() gave out
        self._is_full = False

    @property
    def checked(self) -> int:
        return len(self._asked)

    @property
    def failing(self) -> int:
        return sum(asked.health is Health.CRITICAL for asked in self._asked.values())

    def is_dirty(self, provider: str) -> bool:
        return provider in self._dirty

    def overlay(self, provider: str, view: Snapshot, is_wanted: Callable[[Key], bool] = lambda _key: True) -> Snapshot:
        """*view* of *provider* with the results; its instances are asked from now on, and those of its last view no longer.

        Services that are not wanted (`include`, `exclude`) are not asked. The same object where nothing is checked. O(changed services)
        where the view lists what has changed since the one that was laid over last and nothing is checked, else O(services).
        """
        before = self._checked.get(provider, {})
        looked_at: Iterable[Key] = view.services
        after: dict[Key, _Checked] = {}
        if view.changed is not None and provider in self._laid:
            looked_at, after = view.changed, {key: checked for key, checked in before.items() if key not in view.changed}
        self._laid.add(provider)
        fresh: list[Key] = []
        for key in looked_at:
            service = view.services.get(key)
            if service is not None and service.check is not None and is_wanted(key):
                known = before.get(key)
                if known is None or known.raw is not service:
                    known = _Checked(service, tuple(_probe(service, each) for each in service.instances), service)
                    fresh.append(key)
                after[key] = known
        self._ask(provider, before, after)
        after.update({key: self._laid_over(after[key]) for key in fresh})
        self._checked[provider] = after
        dirty = self._dirty.pop(provider, set())
        if not after:
            del self._checked[provider]
            return view
        changed = None if view.changed is None else view.changed | dirty
        return Snapshot({**view.services, **{key: checked.made for key, checked in after.items()}}, changed)

    def forget(self, provider: str) -> None:
        """Stop all checks of the provider."""
        self.overlay(provider, Snapshot())
        self._laid.discard(provider)

    def keep_only(self, providers: Iterable[str]) -> None:
        for provider in self._laid - set(providers):
            self.forget(provider)

    def close(self) -> None:
        if self._prober is not None:
            self._prober.close()

    def _ask(self, provider: str, before: dict[Key, _Checked], after: dict[Key, _Checked]) -> None:
        """Ask what is new, and no longer what is not needed. What both need goes on: its results stay."""
        gone = [key for key, checked in before.items() if after.get(key) is not checked]
        come = [key for key, checked in after.items() if before.get(key) is not checked]
        if not gone and not come:
            return
        self._number += 1
        add: list[Probe] = []
        needed = {(each, (provider, key)): None for key in come for each in after[key].probes if each is not None}
        for each, user in needed:
            asked = self._asked.get(each)
            if asked is None:
                if len(self._asked) >= PROBES_MAX:
                    continue
                asked = self._asked[each] = _ProbeUse(self._number, each.initial, NOT_YET)
                add.append(each)
            asked.users.add(user)
        drop = [
            each
            for key in gone
            for each in set(before[key].probes)
            if each is not None and self._leave(each, (provider, key), needed)
        ]
        self._log_bound(sum(each not in self._asked for each, _ in needed))
        if self._prober is None:
            self._prober = Prober(lambda flips: self._call(self._take, flips), lambda text: self._call(self._log.warning, text))
        self._prober.want(self._number, add, drop)

    def _leave(self, each: Probe, user: tuple[str, Key], needed: Container[object]) -> bool:
        """*user* has had *each* asked, and needs it no longer unless it is *needed*. True: no user needs it."""
        asked = self._asked.get(each)
        if asked is None or (each, user) in needed:
            return False
        asked.users.discard(user)
        if asked.users:
            return False
        del self._asked[each]
        return True

    def _log_bound(self, left_out: int) -> None:
        if left_out and not self._is_full:
            self._log.warning("not every instance is checked", left_out=left_out, checked=PROBES_MAX)
        self._is_full = bool(left_out)

    def _laid_over(self, checked: _Checked) -> _Checked:
        instances = tuple(map(self._with_result, checked.raw.instances, checked.probes))
        is_same = all(map(operator.is_, instances, checked.raw.instances))
        return checked._replace(made=checked.raw if is_same else replace(checked.raw, instances=instances))

    def _with_result(self, instance: Instance, each: Probe | None) -> Instance:
        asked = None if each is None else self._asked.get(each)
        if asked is None or asked.health <= instance.health:
            return instance
        return replace(instance, health=asked.health, reason=asked.reason if asked.health is Health.CRITICAL else "")

    def _take(self, flips: list[Flip]) -> None:
        users: dict[tuple[str, Key], None] = {}
        reasons: dict[Probe, str] = {}
        for flip in flips:
            asked = self._asked.get(flip.probe)
            if asked is not None and asked.number == flip.number:
                asked.health, asked.reason, reasons[flip.probe] = flip.health, reason_from(flip.reason), flip.reason
                users.update(dict.fromkeys(sorted(asked.users)))
        news: list[dict[str, str]] = []
        for provider, key in users:
            before = self._checked[provider][key]
            after = self._checked[provider][key] = self._laid_over(before)
            self._dirty.setdefault(provider, set()).add(key)
            news += _news(provider, before, after, reasons)
        for line in news[:SHOWN_MAX]:
            log = self._log.warning if line["health"] == Health.CRITICAL.word else self._log.info
            log("health", **line)
        if len(news) > SHOWN_MAX:
            self._log.warning("health", more=len(news) - SHOWN_MAX)
        if users:
            self._changed()


def _probe(service: Service, instance: Instance) -> Probe | None:
    """The probe of an instance; None if the check may not ask it (the data's faults give the reason), or if no answer could change its health."""
    assert service.check is not None
    if instance.health is Health.CRITICAL:
        return None
    try:
        return probe(service.check, instance)
    except ValueError:
        return None


def _news(provider: str, before: _Checked, after: _Checked, reasons: Mapping[Probe, str]) -> Iterable[dict[str, str]]:
    for old, new, each in zip(before.made.instances, after.made.instances, after.probes, strict=True):
        if each is not None and each in reasons and old.health is not new.health:
            line = {"provider": provider, "service": after.raw.name, "instance": new.id, "health": new.health.word}
            yield {**line, "reason": reasons[each]} if reasons[each] else line
