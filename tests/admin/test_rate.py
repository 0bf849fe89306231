"""The token bucket: a burst at once, then one after the other, and no waiting without end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.admin.rate import RequestRate


def test_a_burst_goes_at_once_and_what_follows_waits_its_turn():
    pace = RequestRate(rate=10, burst=3, wait_s_max=0.25)
    assert [pace.wait_s(100.0) for _ in range(4)] == [0, 0, 0, 0]  # what was saved up, and its own
    assert [round(wait, 6) for wait in (pace.wait_s(100.0), pace.wait_s(100.0)) if wait is not None] == [0.1, 0.2]
    assert pace.wait_s(100.0) is None
    assert pace.wait_s(100.0) is None  # those who were sent away have taken nothing
    assert pace.wait_s(101.0) == 0


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=200))
def test_never_more_than_the_rate_and_the_burst(gaps):
    pace, now, served = RequestRate(rate=50, burst=5, wait_s_max=1), 0.0, []
    for gap in gaps:
        now += gap
        wait = pace.wait_s(now)
        if wait is not None:
            assert 0 <= wait <= 1
            served.append(now + wait)
    assert served == sorted(served)
    for first in range(len(served)):
        in_a_second = sum(at < served[first] + 1 - 1e-9 for at in served[first:])
        assert in_a_second <= 50 + 5 + 1
