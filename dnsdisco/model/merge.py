"""The chain: the views of several providers become one catalog, with the reason for every name kept.

Each name (a path) is decided alone. Claims on it are ranked: a raw name beats a made-up label, either beats an alias, then the first
provider, then the first in its own order. The winner's name decides which service this is; other providers' claims under the same raw name
are the same service (shadowed, or merged into it), all others have lost a collision, which is logged. An alias leads where the name of its
service leads.

Merging is incremental: what one change costs depends on the services that changed, not on how many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from dnsdisco.model.claims import ChainPolicy, ChainSource, Claim, claims_of, Collision, FAIL_OPEN, shown, wanted_by
from dnsdisco.model.diff import Change, changed_keys, Key
from dnsdisco.model.entry import Entry, ExtraRecord, Path
from dnsdisco.model.names import label_instances
from dnsdisco.model.readings import lost_below
from dnsdisco.model.service import Instance, LeftOut, Service, Snapshot

Members = tuple[tuple[int, Key], ...]  # services (by source index and key) that together are one entry; the first one owns it


class _Decision(NamedTuple):
    """The services that are found at a path. `members[0]` is the owner; the others are merged into it."""

    members: Members
    shadows: tuple[int, ...]
    losers: tuple[Claim, ...]


Records = Callable[[Service], tuple[ExtraRecord, ...]]


def no_records(_service: Service) -> tuple[ExtraRecord, ...]:
    return ()


class Merger:
    """The catalog of one chain. Not thread-safe: a single owner calls update() and reads `entries` between two calls."""

    def __init__(self, sources: Sequence[ChainSource], policy: ChainPolicy, records: Records = no_records) -> None:
        """*records* compiles a service's `records:`; it is called once for every new state of a service."""
        self.entries: dict[str, Entry] = {}
        self._sources = tuple(sources)
        self._policy = policy
        self._records = records
        self._filters = [wanted_by(source) for source in self._sources]
        self._views: list[Mapping[Key, Service]] = [{} for _ in self._sources]
        self._claims: dict[Path, list[Claim]] = {}
        self._paths: dict[tuple[int, Key], tuple[Path, ...]] = {}  # claimed by each service, best first
        self._decisions: dict[Path, _Decision] = {}
        self._contested: list[set[Path]] = [set() for _ in self._sources]  # by two services of that source
        self._losers: dict[Path, tuple[Claim, ...]] = {}
        self._keys: dict[Members, str] = {}  # of the entries that they have
        self._nameless: set[tuple[int, Key]] = set()
        self._aliases: dict[Path, Counter[Path]] = {}  # by the name of their service: how many services claim each
        self._within: dict[str, set[str]] = {}  # by namespace: the labels of the services that are found in it

    def update(self, source: int, snapshot: Snapshot | None) -> Change:
        """Take in the new view of the source with that index; None: it has no view. Returns what this changes.

        O(changed services), and one pass of identity comparisons where the snapshot does not list what it changed.
        """
        new = snapshot or Snapshot()
        is_wanted = self._filters[source]
        differing = [key for key in changed_keys(self._views[source], new) if is_wanted(key)]
        self._views[source] = new.services
        touched = dict.fromkeys(self._release(source, differing))
        for key in differing:
            if (service := new.services.get(key)) is not None:
                touched.update(dict.fromkeys(self._claim(source, key, service)))
        touched.update(dict.fromkeys(sorted(self._contested[source])))  # the order of its services may have changed
        return self._settle(touched)

    def at(self, path: Path) -> Members:
        """The services (by source index and key) that together are found at *path*, its owner first; () where none is."""
        decision = self._decisions.get(path)
        return decision.members if decision else ()

    def shadowed(self, entry: Entry) -> dict[str, Service]:
        """The services that *entry* shadows, by the name of their provider."""
        found: dict[int, Service] = {}
        for path in entry.paths:
            decision, claims = self._decisions[path], self._claims[path]
            winner = next(claim for claim in claims if claim[:2] == decision.members[0])
            for claim in claims:
                if claim.source in decision.shadows and claim.same == winner.same:
                    found.setdefault(claim.source, self._views[claim.source][claim.key])
        return {self._sources[source].name: found[source] for source in sorted(found)}

    def collisions(self) -> list[Collision]:
        """Every service that lost a name, each once per winner, in the order of the names. O(losses)."""
        lost = [Collision(self._sources[source].name, shown(key), ()) for source, key in sorted(self._nameless)]
        seen: set[object] = set()
        for path in sorted(self._losers):
            winner = self._decisions[path].members[0]
            for loser in self._losers[path]:
                if (loser[:2], winner) in seen:
                    continue
                seen.add((loser[:2], winner))
                who, by_whom = self._sources[loser.source].name, self._sources[winner[0]].name
                lost.append(Collision(who, shown(loser.key), path, by_whom, shown(winner[1])))
        return lost + list(self._lost_readings())

    def _lost_readings(self) -> Iterator[Collision]:
        """The names below a service that are lost, because a service in a namespace of that name has them. O(those services' instances)."""
        for namespace, taken in self._within.items():
            decision = self._decisions.get((namespace,))
            if decision is None or not taken:
                continue
            source, key = decision.members[0]
            for label, what in lost_below(self.entries[self._keys[decision.members]].service, taken):
                winner_source, winner = self._decisions[label, namespace].members[0]
                if (winner_source, winner) != (source, key):
                    names = self._sources[source].name, self._sources[winner_source].name
                    yield Collision(names[0], shown(key), (label, namespace), names[1], shown(winner), what)

    def _release(self, source: int, keys: Sequence[Key]) -> Iterable[Path]:
        """Drop what the services at *keys* claim; returns the paths. Each is walked through once, however many of them claim it."""
        gone = frozenset(keys)
        paths = dict.fromkeys(path for key in keys for path in self._paths.pop((source, key), ()))
        for path in paths:
            claims = []
            for claim in self._claims[path]:
                if claim.source != source or claim.key not in gone:
                    claims.append(claim)
                elif claim.home is not None:
                    self._note_alias(claim.home, path, -1)
            if claims:
                self._claims[path] = claims
            else:
                del self._claims[path]
        self._nameless.difference_update((source, key) for key in gone)
        return paths

    def _claim(self, source: int, key: Key, service: Service) -> Iterable[Path]:
        """Take in what the service at *key* claims; returns the paths."""
        owner = source, key
        claimed = claims_of(source, key, service)
        for path, claim in claimed.items():
            self._claims.setdefault(path, []).append(claim)
            if claim.home is not None:
                self._note_alias(claim.home, path, 1)
        if claimed:
            self._paths[owner] = tuple(claimed)
        else:
            self._nameless.add(owner)
        return claimed

    def _settle(self, touched: Iterable[Path]) -> Change:
        """Decide the touched paths anew and rebuild the entries whose owner, paths or services that changes."""
        affected: dict[Members, None] = {}  # ordered, so that the same input gives the same delta
        order = _Order(self._views)
        for path in self._names_first(touched) if self._aliases else touched:
            before = self._decisions.pop(path, None)
            if before is not None:
                affected[before.members] = None
                if len(path) == 2:
                    self._within[path[1]].discard(path[0])
            self._losers.pop(path, None)
            claims = self._claims.get(path)
            if claims:
                decision = self._decide(claims, order)
                affected[decision.members] = None
                self._decisions[path] = decision
                if len(path) == 2:
                    self._within.setdefault(path[1], set()).add(path[0])
                if decision.losers:
                    self._losers[path] = decision.losers
            self._note_contest(path, claims or [])
        return self._rebuild(affected)

    def _names_first(self, touched: Iterable[Path]) -> list[Path]:
        """*touched*, and the aliases that lead there, behind the names that they follow."""
        paths = dict.fromkeys(touched)
        for path in list(paths):
            paths.update(dict.fromkeys(self._aliases.get(path, ())))
        return sorted(paths, key=self._is_alias)

    def _is_alias(self, path: Path) -> bool:
        """No service has it as its name. (The name of a service is never won by an alias, so that no alias follows another one.)"""
        return all(claim.home is not None for claim in self._claims.get(path, ()))

    def _note_alias(self, home: Path, path: Path, number: int) -> None:
        aliases = self._aliases.setdefault(home, Counter())
        aliases[path] += number
        if not aliases[path]:
            del aliases[path]
        if not aliases:
            del self._aliases[home]

    def _rebuild(self, affected: Iterable[Members]) -> Change:
        members_of = list(affected)
        old = {key: self.entries[key] for members in members_of if (key := self._keys.pop(members, None)) is not None}
        new: dict[str, Entry] = {}
        for members in members_of:
            entry = self._entry(members)
            if entry is not None:
                new[entry.key] = entry
                self._keys[members] = entry.key
        put = tuple(entry for key, entry in new.items() if old.get(key) != entry)
        drop = tuple(key for key in old if key not in new)
        for key in drop:
            del self.entries[key]
        for entry in put:
            self.entries[entry.key] = entry
        return Change(put, drop)

    def _decide(self, claims: list[Claim], order: _Order) -> _Decision:
        if len(claims) == 1 and claims[0].home is None:  # nearly every name
            return _Decision((claims[0][:2],), (), ())
        ranked = sorted(claims, key=lambda claim: (claim.home is not None, claim.is_made_up, claim.source, order.of(claim)))
        winner = ranked[0]
        home = self._decisions.get(winner.home) if winner.home is not None else None
        if home is not None and (winner[:2] in home.members or winner.source in home.shadows):
            return _Decision(home.members, home.shadows, tuple(claim for claim in ranked if claim.same != winner.same))
        same: dict[int, Claim] = {}  # by source: in one source, only one service can be the same
        for claim in ranked:
            if claim.same == winner.same:
                same.setdefault(claim.source, claim)
        losers = tuple(claim for claim in ranked if same.get(claim.source) is not claim)
        if self._policy.is_merging:
            return _Decision(tuple(claim[:2] for claim in same.values()), (), losers)
        return _Decision((winner[:2],), tuple(source for source in same if source != winner.source), losers)

    def _note_contest(self, path: Path, claims: list[Claim]) -> None:
        counts: dict[int, int] = {}
        for claim in claims:
            counts[claim.source] = counts.get(claim.source, 0) + 1
        for source, contested in enumerate(self._contested):
            if counts.get(source, 0) > 1:
                contested.add(path)
            else:
                contested.discard(path)

    def _entry(self, members: Members) -> Entry | None:
        """The entry of these members; None: no path is theirs (any more)."""
        owner_source, owner_key = members[0]
        claimed = self._paths.get(members[0], ())
        if self._aliases:  # those that another member brings, too
            claimed = tuple(
                dict.fromkeys((*claimed, *(alias for path in claimed for alias in sorted(self._aliases.get(path, ())))))
            )
        paths = tuple(path for path in claimed if (decision := self._decisions.get(path)) and decision.members == members)
        if not paths:
            return None
        service = self._views[owner_source][owner_key]
        if len(members) > 1:
            service = _union(service, [self._views[source][key] for source, key in members[1:]])
        service = label_instances(service)
        shadows = sorted({source for path in paths for source in self._decisions[path].shadows})
        rule = service.when_all_unhealthy or self._sources[owner_source].when_all_unhealthy or self._policy.when_all_unhealthy
        return Entry(
            key=".".join(paths[0]),
            paths=paths,
            provider=self._sources[owner_source].name,
            service=service,
            records=self._records(service) if service.records else (),
            fails_open=rule == FAIL_OPEN,
            shadows=tuple(self._sources[source].name for source in shadows),
            merged=tuple(self._sources[source].name for source, _ in members[1:]),
        )


class _Order:
    """The place of a service in its own provider's view, counted only when two services of one provider want one name."""

    def __init__(self, views: Sequence[Mapping[Key, Service]]) -> None:
        self._views = views
        self._places: dict[int, dict[Key, int]] = {}

    def of(self, claim: Claim) -> int:
        places = self._places.get(claim.source)
        if places is None:
            places = self._places[claim.source] = {key: place for place, key in enumerate(self._views[claim.source])}
        return places[claim.key]


def merge(
    sources: Sequence[ChainSource], policy: ChainPolicy, snapshots: Sequence[Snapshot | None], records: Records = no_records
) -> Merger:
    """All at once: a merger that has taken in one snapshot of every source."""
    merger = Merger(sources, policy, records)
    for source, snapshot in enumerate(snapshots):
        merger.update(source, snapshot)
    return merger


def _union(first: Service, others: Sequence[Service]) -> Service:
    """*first* with the instances of the others beside its own. The same address with the same ports is the same instance."""
    instances: dict[tuple[object, ...], Instance] = {}
    for service in (first, *others):
        for instance in service.instances:
            instances.setdefault((instance.address, instance.ports), instance)
    left_out = [service.left_out for service in (first, *others) if service.left_out is not None]
    return replace(
        first,
        instances=tuple(instances.values()),
        aliases=tuple(dict.fromkeys(alias for service in (first, *others) for alias in service.aliases)),
        alias_of="" if instances else first.alias_of,
        left_out=LeftOut(sum(each.number for each in left_out), max(left_out, key=_has_number).reason) if left_out else None,
    )


def _has_number(left_out: LeftOut) -> bool:
    return left_out.number > 0
