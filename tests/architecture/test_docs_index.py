"""docs/index.md lists every page of docs/ once, and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def faults(index: str, pages: set[str]) -> set[str]:
    """Pages that are not listed, are listed twice, or are not there."""
    listed = Counter(re.findall(r"^\| \[[^]]+\]\(([^)]+)\) \| \S", index, re.MULTILINE))
    return {name for name in pages | set(listed) if listed[name] != 1 or name not in pages}


def pages() -> set[str]:
    return {path.name for path in DOCS.glob("*.md")} - {"index.md"} | {"adr/"}


def test_every_page_is_listed_once():
    assert faults((DOCS / "index.md").read_text(), pages()) == set(), "docs/index.md wants one row for each page of docs/"


def test_a_page_that_is_not_listed_would_be_noticed():
    index = (DOCS / "index.md").read_text()
    assert faults(index, pages() | {"new.md"}) == {"new.md"}
    assert faults(index + "| [gone.md](gone.md) | x |\n| [cache.md](cache.md) | x |\n", pages()) == {"gone.md", "cache.md"}
