"""Which instances a client is sent to, in which order, and how often: DNS, library and command line alike (RFC 2782 "Usage rules").

Critical instances are left out, unless no other is left and the service fails open. Of the others those of the lowest priority come
first; among equals each comes first with a chance in proportion to its weight.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from math import log1p
from typing import NamedTuple

from dnsdisco.model.service import Health, Instance
from dnsdisco.model.turns import PART, Turns

Draw = Callable[[], float]  # uniform in [0, 1)

# One choice in so many goes to the instances of weight 0 that stand beside others, all of them together. RFC 2782 wants a very small
# chance and not none: a weight of 0 is how people write "use it last".
SELDOM = 128

_FEW = 4  # up to one part in so many is drawn one by one; beyond it too many draws would hit what was drawn before
_ROUNDING = 1e-9  # a share that is a whole number but for what floating point loses


class Rank(NamedTuple):
    """The priority and weight of an instance, or of a record that stands for several. `weight`: the one that its health leaves it."""

    priority: int = 0  # the lowest comes first
    weight: int = 1


_rank = lru_cache(maxsize=1024)(Rank)  # instances without number share a few


def usable(instances: tuple[Instance, ...], *, fails_open: bool) -> tuple[Instance, ...]:
    """The instances that clients may be sent to: not the critical ones; when all are critical, all of them or none."""
    alive = tuple([instance for instance in instances if instance.health is not Health.CRITICAL])
    return alive or (instances if fails_open else ())


def weight_of(instance: Instance) -> int:
    return instance.warning_weight if instance.health is Health.WARNING else instance.weight


def rank_of(instance: Instance) -> Rank:
    return _rank(instance.priority, weight_of(instance))


def together(one: Rank | None, other: Rank) -> Rank:
    """The rank of a record that stands for both: the better priority, with the weights that belong to it."""
    if one is None or other.priority < one.priority:
        return other
    return one if one.priority < other.priority else Rank(one.priority, one.weight + other.weight)


def best(instances: Iterable[Instance]) -> Instance:
    """The choice without randomness: of the lowest priority the first with the highest weight. Never called with nothing."""
    return min(instances, key=lambda instance: (instance.priority, -weight_of(instance)))


def drawn(instances: Sequence[Instance], draw: Draw) -> Instance:
    """The first instance of a drawn order. Never called with nothing."""
    return instances[Ranking([rank_of(instance) for instance in instances]).order(draw, 1)[0]]


class Ranking:
    """Things with ranks, to be put in order again and again; an order is a list of their indices. Made in O(n)."""

    __slots__ = ("_tiers",)

    def __init__(self, ranks: Iterable[tuple[int, int]]) -> None:
        ranks = list(ranks)
        if len({priority for priority, _ in ranks}) == 1:  # nearly every service
            self._tiers = [_Tier(range(len(ranks)), [weight for _, weight in ranks])]
            return
        by_priority: dict[int, tuple[list[int], list[int]]] = {}
        for index, (priority, weight) in enumerate(ranks):
            tier = by_priority.get(priority)
            if tier is None:
                tier = by_priority[priority] = ([], [])
            tier[0].append(index)
            tier[1].append(weight)
        self._tiers = [_Tier(*by_priority[priority]) for priority in sorted(by_priority)]

    def order(self, draw: Draw, most: int) -> list[int]:
        """The first *most* of a drawn order. O(most) where that is few of them, else O(n log n)."""
        return self._behind([], 0, draw, most)

    def orders(self, count: int, draw: Draw, most: int) -> Turns[Counter[tuple[int, ...]]]:
        """Orders that one is to be picked from at random, and how often each is among them. As often as *count* allows to the nearest
        whole, each thing comes first by its weight; what is left over is drawn.

        Exact shares here are what keeps a pair of 10 and 1 at 10 to 1. There are *count*, a power of two; SELDOM, where things of
        weight 0 stand beside others.
        """
        made: Counter[tuple[int, ...]] = Counter()
        if not self._tiers:
            return made
        tier, is_fixed = self._tiers[0], self._is_fixed()

        def behind(first: int) -> tuple[int, ...]:
            front = [tier.members[first], *tier.order(draw, most - 1, first)]
            return tuple(self._behind(front, 1, draw, most))

        for first, times in tier.firsts(count, draw):
            if is_fixed:
                made[behind(first)] += times
                continue
            for _ in range(times):
                made[behind(first)] += 1
                if most > PART:
                    yield
        if tier.idle:
            for order in made:
                made[order] *= max(1, SELDOM // count)
            made[made.most_common(1)[0][0]] -= 1
            made[behind(tier.idle[int(draw() * len(tier.idle))])] += 1
        return made

    def is_settled(self, count: int) -> bool:
        """True if chance decides nothing in orders() with this *count*: another drawing would be the same."""
        return self._is_fixed() and (not self._tiers or self._tiers[0].is_even(count))

    def _is_fixed(self) -> bool:
        """The instance that comes first decides the places of all others."""
        return all(len(tier.members) <= (1 if at else 2) for at, tier in enumerate(self._tiers))

    def _behind(self, front: list[int], tier: int, draw: Draw, most: int) -> list[int]:
        """*front*, and behind it the members of each tier from *tier* on, until there are *most*."""
        for each in self._tiers[tier:]:
            if len(front) >= most:
                break
            front += each.order(draw, most - len(front))
        return front


class _Tier:
    """Things of one priority. `idle`: those of weight 0, where others have more."""

    __slots__ = ("_sums", "_weights", "idle", "members")

    def __init__(self, members: Sequence[int], weights: Sequence[float]) -> None:
        total = sum(weights)
        self.members = members
        self.idle: list[int] = []
        if not total:
            weights = [1] * len(members)
        elif 0 in weights:
            self.idle = [at for at, weight in enumerate(weights) if not weight]
            seldom = total / (SELDOM - 1) / len(self.idle)
            weights = [weight or seldom for weight in weights]
        self._weights = weights
        self._sums = list(accumulate(weights))

    def order(self, draw: Draw, most: int, without: int | None = None) -> list[int]:
        """The first *most* members in an order drawn without replacement, each next one with a chance in proportion to its weight."""
        found: dict[int, None] = {} if without is None else {without: None}
        wanted = min(most + len(found), len(self.members))
        if wanted * _FEW <= len(self.members):
            sums, total = self._sums, self._sums[-1]
            for _ in range(2 * wanted):
                if len(found) == wanted:
                    break
                found[min(bisect(sums, draw() * total), len(sums) - 1)] = None
        if len(found) < wanted:
            # Each rings after a random time with its weight as its rate: the first to ring is drawn by weight.
            times = {at: -log1p(-draw()) / weight for at, weight in enumerate(self._weights) if at not in found}
            found |= dict.fromkeys(sorted(times, key=times.__getitem__)[: wanted - len(found)])
        members = self.members
        return [members[at] for at in found if at != without]

    def firsts(self, count: int, draw: Draw) -> list[tuple[int, int]]:
        """How many of *count* orders each record is first in, those of weight 0 apart."""
        idle = set(self.idle)
        busy = [(at, weight) for at, weight in enumerate(self._weights) if at not in idle]
        scale = count / sum(weight for _, weight in busy)
        times = {at: int(weight * scale + _ROUNDING) for at, weight in busy}
        left = count - sum(times.values())
        if left:
            lacking = [(at, weight * scale - times[at]) for at, weight in busy if weight * scale - times[at] > _ROUNDING]
            for at in _Tier([at for at, _ in lacking], [lack for _, lack in lacking]).order(draw, left):
                times[at] += 1
        return [(at, each) for at, each in times.items() if each]

    def is_even(self, count: int) -> bool:
        total = sum(self._weights)
        return bool(self.idle) or all(weight * count % total == 0 for weight in self._weights)
