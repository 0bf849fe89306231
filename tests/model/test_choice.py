"""The choice of instances by itself: who is usable, who comes first, and what an order costs."""

from __future__ import annotations

import random
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.model import choice
from dnsdisco.model.choice import Rank, Ranking, SELDOM
from dnsdisco.model.service import Health, Instance
from dnsdisco.model.turns import at_once

RANKS = st.lists(st.builds(Rank, st.integers(0, 3), st.integers(0, 65535)), min_size=1, max_size=40)


@given(RANKS, st.sampled_from([1, 2, 4, 8, 16, 32]), st.integers(1, 50), st.randoms(use_true_random=False))
@pytest.mark.slow
def test_an_order_is_a_permutation_in_which_the_priorities_rise(ranks, count, most, source):
    ranking = Ranking(ranks)
    whole = ranking.order(source.random, len(ranks))
    assert sorted(whole) == list(range(len(ranks)))
    made = at_once(ranking.orders(count, source.random, most))
    assert made.total() in (count, SELDOM)
    for order in (whole, *made):
        assert len(set(order)) == len(order) == min(len(order), len(ranks))
        priorities = [ranks[index].priority for index in order]
        assert priorities == sorted(ranks[index].priority for index in range(len(ranks)))[: len(order)] == sorted(priorities)
    assert {len(order) for order in made} == {min(most, len(ranks))}


def test_one_of_many_is_one():
    """With as many things as make drawing one by one the cheaper way."""
    for count in (8, 9, 40):
        made = at_once(Ranking([Rank(0, 1)] * count).orders(4, random.Random(count).random, 1))
        assert {len(order) for order in made} == {1}


def firsts(made: Counter[tuple[int, ...]]) -> Counter[int]:
    found: Counter[int] = Counter()
    for order, times in made.items():
        found[order[0]] += times
    return found


def test_prepared_orders_have_exact_shares():
    draw = random.Random(3).random
    assert firsts(at_once(Ranking([Rank(0, 10), Rank(0, 5), Rank(0, 5)]).orders(32, draw, 3))) == {0: 16, 1: 8, 2: 8}
    assert at_once(Ranking([Rank(0, 3), Rank(0, 1)]).orders(32, draw, 2)) == {(0, 1): 24, (1, 0): 8}
    assert at_once(Ranking([Rank(7, 1), Rank(0, 1), Rank(3, 9)]).orders(32, draw, 3)) == {(1, 2, 0): 32}


def test_a_weight_of_0_is_in_every_drawing_of_prepared_orders():
    for seed in range(20):
        draw = random.Random(seed).random
        assert at_once(Ranking([Rank(0, 10), Rank(0, 0)]).orders(32, draw, 2)) == {(0, 1): SELDOM - 1, (1, 0): 1}
        many = firsts(at_once(Ranking([Rank(0, 10), Rank(0, 30), *[Rank(0, 0)] * 5]).orders(32, draw, 7)))
        assert sum(many[index] for index in range(2, 7)) == 1
        assert many[0] + many[1] == SELDOM - 1


@pytest.mark.parametrize(
    ("ranks", "is_settled"),
    [
        ([Rank(0, 1)], True),
        ([Rank(0, 3), Rank(0, 1)], True),
        ([Rank(0, 2), Rank(0, 1)], False),
        ([Rank(0, 0), Rank(0, 1)], True),
        ([Rank(0, 0), Rank(0, 0)], True),
        ([Rank(0, 1), Rank(1, 1), Rank(2, 5)], True),
        ([Rank(0, 1), Rank(0, 1), Rank(2, 5)], True),
        ([Rank(0, 1), Rank(2, 1), Rank(2, 1)], False),
        ([Rank(0, 1)] * 3, False),
    ],
)
def test_what_another_drawing_would_repeat_is_known(ranks, is_settled):
    assert Ranking(ranks).is_settled(32) == is_settled
    drawings = {tuple(sorted(at_once(Ranking(ranks).orders(32, random.Random(seed).random, 9)).items())) for seed in range(30)}
    assert (len(drawings) == 1) == is_settled


@pytest.mark.parametrize("others", [0, 200], ids=["sorted", "drawn one by one"])
def test_later_places_go_by_weight_as_well(others):
    """Three of weights 6, 3, 1: after the 6, the 3 is next three times of four; among many others of weight 0, too."""
    draw = random.Random(5).random
    ranking = Ranking([Rank(0, 6), Rank(0, 3), Rank(0, 1), *[Rank(0, 0)] * others])
    seconds = Counter(order[1] for order in (ranking.order(draw, 2) for _ in range(8000)) if order[0] == 0)
    assert 0.72 < seconds[1] / (seconds[1] + seconds[2]) < 0.78


def test_the_usable_ones():
    well, warned, ill = (Instance(str(health), "10.0.0.1", health=health) for health in Health)
    assert choice.usable((well, warned, ill), fails_open=True) == (well, warned)
    assert choice.usable((ill, ill), fails_open=True) == (ill, ill)
    assert choice.usable((ill,), fails_open=False) == ()
    assert choice.usable((), fails_open=True) == ()


def test_one_record_for_two_instances_has_the_better_priority():
    assert choice.together(None, Rank(1, 2)) == Rank(1, 2)
    assert choice.together(Rank(1, 2), Rank(1, 3)) == Rank(1, 5)
    assert choice.together(Rank(0, 2), Rank(1, 3)) == choice.together(Rank(1, 3), Rank(0, 2)) == Rank(0, 2)


def test_a_service_of_twenty_thousand_costs_twice_one_of_ten_thousand():
    def draws(size: int) -> tuple[int, int]:
        """Steps of the interpreter for the whole way: rank, order a front, prepare orders."""
        instances = [Instance(str(n), "10.0.0.1", weight=n % 7, priority=n % 3) for n in range(size)]
        steps = 0

        def count(_frame: object, event: str, _argument: object) -> object:
            nonlocal steps
            steps += event in ("line", "opcode")
            return count

        source = random.Random(1).random
        sys.settrace(count)
        try:
            ranking = Ranking([choice.rank_of(instance) for instance in instances])
            front = ranking.order(source, 500)
            at_once(ranking.orders(4, source, 3))
        finally:
            sys.settrace(None)
        return steps, len(front)

    (small, _), (large, found) = draws(2_500), draws(5_000)
    assert found == 500
    assert large < 2.2 * small
