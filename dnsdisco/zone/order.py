"""Weighted random order: who comes first is drawn by weight, over A, AAAA and SRV alike (RFC 2782 "Usage rules")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle, islice

Draw = Callable[[], float]  # uniform in [0, 1)

# A weight of 0 should have a very small chance of coming first (RFC 2782), not none: it is what "use it last" is written as.
ZERO_WEIGHT = 0.001


def weighted_order(weights: Sequence[float], draw: Draw) -> list[int]:
    """The indices of *weights* in an order drawn without replacement, each next one with a chance in proportion to its weight.

    Efraimidis and Spirakis: sort by u^(1/w). O(n log n).
    """
    if len(weights) < 2:
        return list(range(len(weights)))
    keys = [draw() ** (1.0 / (weight or ZERO_WEIGHT)) for weight in weights]
    return sorted(range(len(weights)), key=keys.__getitem__, reverse=True)


def orders(weights: Sequence[int], count: int, draw: Draw) -> Counter[tuple[int, ...]]:
    """*count* orders, and how often each is among them: each index comes first as often as its weight says, to the nearest whole; the
    rest is drawn.

    Prepared answers are picked at random from these, so exact shares here are what keeps a pair of 10 and 1 at 10 to 1.
    """
    total = sum(weights)
    if not total or len(weights) < 2:
        return Counter(tuple(weighted_order(weights, draw)) for _ in range(count))
    exact = [weight * count / total for weight in weights]
    firsts = [int(share) for share in exact]
    # What is left over is drawn by what each lacks: with more instances than orders, each of them has its turn in some drawing.
    left = count - sum(firsts)
    if left:
        by_remainder = weighted_order([share - first for share, first in zip(exact, firsts, strict=True)], draw)
        for index in islice(cycle(by_remainder), left):
            firsts[index] += 1
    result: Counter[tuple[int, ...]] = Counter()
    exponents = [1.0 / (weight or ZERO_WEIGHT) for weight in weights]
    for first, times in enumerate(firsts):
        rest = [index for index in range(len(weights)) if index != first]
        if len(rest) == 1 and times:
            result[first, *rest] = times
            continue
        for _ in range(times):
            keys = [draw() ** exponent for exponent in exponents]  # as weighted_order()
            result[first, *sorted(rest, key=keys.__getitem__, reverse=True)] += 1
    return result
