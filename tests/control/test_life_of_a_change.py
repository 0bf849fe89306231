"""docs/life-of-a-change.md names files that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def missing(page: str) -> list[str]:
    named = re.findall(r"`((?:dnsdisco|tests|docs)/[\w/.-]+\.\w+)`", page)
    assert len(named) > 0
    return [name for name in named if not (ROOT / name).is_file()]


def test_every_file_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "life-of-a-change.md").read_text()
    assert missing(page) == []
    assert missing(page + "`dnsdisco/control/nowhere.py`") == ["dnsdisco/control/nowhere.py"]
