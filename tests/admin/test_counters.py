"""Totals over all workers do not fall, whoever is started anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.control.counters import Counters, NAMES_MAX, OTHER


def told(life: int, **counters: int) -> dict[str, Any]:
    return {"op": "counters", "life": life, "counters": {name.replace("__", "."): count for name, count in counters.items()}}


def test_a_worker_that_begins_at_0_again_takes_nothing_away():
    counters = Counters(2, {}, lambda _: None)
    counters.take(0, told(1, questions=10, tcp__open=3, serial=7))
    counters.take(1, told(2, questions=5, tcp__open=1, serial=7))
    assert counters.totals().counts["questions"] == 15
    counters.take(0, told(3, questions=2, tcp__open=1, serial=8))
    after = counters.totals()
    assert (after.counts["questions"], after.levels["tcp.open"], after.restarts) == (17, 2, 1)
    assert [(worker.number, worker.serial, worker.started) for worker in after.workers] == [(0, 8, 3e-9), (1, 7, 2e-9)]


def test_a_life_that_has_counted_more_within_its_first_second_is_another_one_all_the_same():
    counters = Counters(1, {}, lambda _: None)
    counters.take(0, told(1, questions=10))
    counters.take(0, told(2, questions=4000))
    assert counters.totals().counts["questions"] == 4010


def test_the_successor_of_control_goes_on_from_the_same_past():
    kept: list[dict[str, Any]] = []
    first = Counters(2, {}, kept.append)
    first.take(0, told(1, questions=10))
    first.take(1, told(2, questions=1))
    first.take(0, told(3, questions=2))
    assert len(kept) == 3  # each life's beginning, and no more
    second = Counters(2, kept[-1], kept.append)
    assert second.totals().restarts == 1
    assert [worker.started for worker in second.totals().workers] == [None, None]
    second.take(0, told(3, questions=4))
    second.take(1, told(2, questions=3))
    assert len(kept) == 3
    assert (second.totals().counts["questions"], second.totals().restarts) == (17, 1)
    second.take(1, told(9, questions=1))
    assert (second.totals().counts["questions"], second.totals().restarts) == (18, 2)


def test_answers_are_told_by_mnemonics_and_the_rest_together():
    counters = Counters(1, {}, lambda _: None)
    counters.take(0, told(1, answers__1__0=5, answers__28__3=2, answers__0__3=7, answers__65280__3=1, answers__1__99=4))
    totals = counters.totals()
    assert totals.answers == {("A", "NOERROR"): 5, ("AAAA", "NXDOMAIN"): 2, (OTHER, "NXDOMAIN"): 8, ("A", OTHER): 4}
    assert not [name for name in totals.counts if name.startswith("answers")]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"life": 1},
        {"life": "1", "counters": {"questions": 99}},
        {"life": 1, "counters": [1]},
        {"life": 1, "counters": {f"n{number}": 1 for number in range(NAMES_MAX + 1)}},
        {"life": 1, "counters": {"questions": "99", "serial": None, "other": -5}},
    ],
)
def test_what_makes_no_sense_is_passed_over(message):
    counters = Counters(1, {}, lambda _: None)
    counters.take(0, told(1, questions=10))
    counters.take(0, message)
    assert counters.totals().counts == {"questions": 10}
    assert counters.totals().restarts == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 100)), max_size=40), st.integers(0, 40))
def test_totals_never_fall(steps, control_dies_at):
    """Workers count on or begin anew; control begins anew once."""
    kept: list[dict[str, Any]] = [{}]
    counters = Counters(3, {}, kept.append)
    lives, counts, life = [0, 0, 0], [0, 0, 0], 0
    expected = before = 0
    for number, (worker, is_new, more) in enumerate(steps):
        if number == control_dies_at:
            counters = Counters(3, kept[-1], kept.append)
            for each in range(3):  # a second later, all have been heard again
                if lives[each]:
                    counters.take(each, told(lives[each], questions=counts[each]))
        if is_new or not lives[worker]:
            life += 1
            lives[worker], counts[worker] = life, 0
        counts[worker] += more
        expected += more
        counters.take(worker, told(lives[worker], questions=counts[worker]))
        total = counters.totals().counts.get("questions", 0)
        assert before <= total == expected
        before = total
