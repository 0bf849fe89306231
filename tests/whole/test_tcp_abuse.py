"""C-13 in short: whoever abuses TCP is not felt by others. `python -m tests.whole.tcp_abuse` is the long form."""

from __future__ import annotations

from tests.whole.tcp_abuse import run, Seen


def test_two_hundred_drip_two_hundred_are_idle_and_a_hundred_do_not_read(tmp_path):
    seen = run(tmp_path, drip=220, idle=220, deaf=100, seconds=3.0)
    assert seen.most > 450  # every place was taken
    assert seen.failed == 0
    assert len(seen.newcomers) > 3
    assert seen.udp_lost == 0
    assert seen.udp_sent > 50
    assert abs(seen.after - seen.before) <= 2


def test_what_goes_wrong_would_be_seen():
    good = Seen(newcomers=[0.1], before=10, after=11)
    assert good.is_well
    for what in ({"failed": 1}, {"newcomers": [1.5]}, {"newcomers": []}, {"udp_lost": 1}, {"after": 13}):
        assert not Seen(**{**vars(good), **what}).is_well
