"""Other programs want every processor: the server starts all the same, and changes arrive; `python -m tests.whole.busy` is the long form."""

from __future__ import annotations

from pathlib import Path

from tests.whole.busy import run

READY_S = 30.0  # 3 s on two processors with nothing but the four loops; a control that gives way to everybody needs minutes
CHANGE_S = 0.5  # nine of ten; 40 ms there


def test_control_does_not_starve(tmp_path: Path) -> None:
    busy = run(tmp_path, services=1000, changes=20)
    assert busy.ready_s < READY_S
    assert busy.p(0.9) < CHANGE_S
