"""All the facts of one cluster as they are known now, and the Snapshot that they make. One owner: no locks.

A change costs what its Service costs, and one copy of a dict of references; Services that have not changed keep their identity.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from dnsdisco.model.diff import Key
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.providers.kubernetes.compose import compose, Rules
from dnsdisco.providers.kubernetes.endpoints import SliceObject
from dnsdisco.providers.kubernetes.objects import NodeObject, ServiceObject
from dnsdisco.providers.kubernetes.resources import Resource


class ClusterView:
    """Facts go in one by one, or all of one resource at a time."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._services: dict[Key, ServiceObject] = {}
        self._slices: dict[Key, SliceObject] = {}
        self._nodes: dict[Key, NodeObject] = {}
        self._slices_of: dict[Key, dict[Key, SliceObject]] = {}  # by Service, by their own keys
        self._refused: dict[str, set[Key]] = {}  # by resource: objects that are there, and cannot be used
        self._left_out = 0  # endpoints, of slices that can
        self._dirty: set[Key] = set()
        self._snapshot = Snapshot()

    @property
    def size(self) -> int:
        """Objects that a new list would bring."""
        return len(self._services) + len(self._slices) + len(self._nodes)

    @property
    def rejected(self) -> int:
        """Objects that cannot be used, and endpoints of others that cannot."""
        return sum(map(len, self._refused.values())) + self._left_out

    def put(self, resource: Resource, fact: Any) -> None:
        """O(1)."""
        facts = self._facts(resource)
        self._refused_of(resource).discard(fact.key)
        if facts.get(fact.key) != fact:
            self._change(facts, fact.key, fact)

    def drop(self, resource: Resource, key: Key) -> None:
        """O(1). What is not there need not be dropped."""
        facts = self._facts(resource)
        self._refused_of(resource).discard(key)
        if key in facts:
            self._change(facts, key, None)

    def refuse(self, resource: Resource, key: Key) -> None:
        """It is there and cannot be used: what is known of it stays. O(1)."""
        self._refused_of(resource).add(key)

    def replace(self, resource: Resource, namespace: str | None, facts: dict[Key, Any], kept: Collection[Key]) -> None:
        """All facts of *resource* in that namespace (None: everywhere). Those of *kept* stay as they were, for want of better ones."""
        known = self._facts(resource)
        gone = [key for key in known if key not in facts and key not in kept and (namespace is None or key[0] == namespace)]
        for key in gone:
            self._change(known, key, None)
        refused = self._refused_of(resource)
        refused.difference_update([key for key in refused if namespace is None or key[0] == namespace])
        refused.update(kept)
        for fact in facts.values():
            self.put(resource, fact)

    def snapshot(self) -> Snapshot:
        """The snapshot of the cluster; the same object as before if nothing in it has changed."""
        if not self._dirty:
            return self._snapshot
        old = self._snapshot.services
        new: dict[Key, Service] = dict(old)
        changed: set[Key] = set()
        for key in sorted(self._dirty):
            service = self._compose(key)
            if service == old.get(key):
                continue
            changed.add(key)
            if service is None:
                del new[key]
            else:
                new[key] = service
        self._dirty.clear()
        if changed:
            self._snapshot = Snapshot(new, frozenset(changed))
        return self._snapshot

    def _compose(self, key: Key) -> Service | None:
        service = self._services.get(key)
        if service is None:
            return None
        slices = self._slices_of.get(key, {})
        return compose(service, [slices[each] for each in sorted(slices)], self._nodes, self.rules)

    def _refused_of(self, resource: Resource) -> set[Key]:
        return self._refused.setdefault(resource.plural, set())

    def _facts(self, resource: Resource) -> dict[Key, Any]:
        match resource.plural:
            case "services":
                return self._services
            case "nodes":
                return self._nodes
        return self._slices

    def _change(self, facts: dict[Key, Any], key: Key, fact: Any) -> None:
        before = facts.pop(key, None)
        if fact is not None:
            facts[key] = fact
        if facts is self._slices:
            self._file(key, before, fact)
        self._dirty.update(self._touched(facts, key, (before, fact)))

    def _touched(self, facts: dict[Key, Any], key: Key, states: Iterable[Any]) -> Iterable[Key]:
        """The Services that one change of facts may change."""
        if facts is self._services:
            return [key]
        if facts is self._slices:
            return [state.service for state in states if state is not None]
        return [each.key for each in self._services.values() if each.node_ports]

    def _file(self, key: Key, before: SliceObject | None, after: SliceObject | None) -> None:
        """Under the Service whose slice it is, which its label may change."""
        self._left_out += (after.rejected if after else 0) - (before.rejected if before else 0)
        if before is not None:
            slices = self._slices_of[before.service]
            del slices[key]
            if not slices:
                del self._slices_of[before.service]
        if after is not None:
            self._slices_of.setdefault(after.service, {})[key] = after
