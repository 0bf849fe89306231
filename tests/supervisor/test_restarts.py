"""When a child that died may start again."""

from __future__ import annotations

import pytest

from dnsdisco.supervisor.restarts import AT_ONCE_MAX, BACKOFF_MAX_S, Restarts, WINDOW_S

pytestmark = pytest.mark.slow


def crash_loop(restarts: Restarts, deaths: int, now: float = 0.0, lives_s: float = 0.01) -> list[float]:
    """Each start follows its wait, and each life is short."""
    waits = []
    for _ in range(deaths):
        now += lives_s
        waits.append(restarts.died(now - lives_s, now))
        now += waits[-1]
    return waits


def test_five_at_once_then_doubling_to_five_seconds() -> None:
    assert crash_loop(Restarts(), 13) == [0] * 5 + [0.25, 0.5, 1, 2, 4, 5, 5, 5]


@pytest.mark.parametrize("every_s", [2.1, 3.0, 6.0, 60.0])
def test_who_is_killed_now_and_then_never_waits(every_s: float) -> None:
    restarts = Restarts()
    assert [restarts.died((n - 1) * every_s, n * every_s) for n in range(1, 200)] == [0] * 199


def test_a_long_life_is_a_new_beginning() -> None:
    restarts = Restarts()
    assert crash_loop(restarts, 12)[-1] == BACKOFF_MAX_S
    assert restarts.young == 12
    assert restarts.died(1000.0, 1000.0 + WINDOW_S) == 0
    assert restarts.young == 1
    assert crash_loop(restarts, AT_ONCE_MAX, now=2000.0) == [0] * AT_ONCE_MAX


def test_a_wait_is_no_good_conduct() -> None:
    """While it waits 5 s between its deaths there are few in ten seconds; it dies young all the same."""
    assert crash_loop(Restarts(), 40)[12:] == [BACKOFF_MAX_S] * 28
