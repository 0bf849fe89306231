"""The table of rooms in docs/design.md is the one that the import checks use."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.rooms import MAY_IMPORT, PURE

DESIGN = Path(__file__).parents[2] / "docs" / "design.md"
ROW = re.compile(r"^\| ([a-z, ]+) \| ([a-z, .]+) \| (yes)? *\|$", re.MULTILINE)


def table(page: str) -> list[tuple[str, frozenset[str], bool]]:
    """Each room of the page's table, what it may import, and whether it is pure."""
    rows = []
    for rooms, allowed, pure in ROW.findall(page[page.index("## The rooms") :]):
        rows += [(room, frozenset(allowed.split(", ")) - {"none"}, bool(pure)) for room in rooms.split(", ")]
    return rows


def decided() -> list[tuple[str, frozenset[str], bool]]:
    return [(room, allowed, room in PURE) for room, allowed in MAY_IMPORT.items()]


def test_the_table_of_rooms_is_the_one_that_is_checked():
    assert sorted(table(DESIGN.read_text()), key=str) == sorted(decided(), key=str), "docs/design.md and rooms.py differ"


def test_a_row_that_differs_is_caught():
    page = DESIGN.read_text()
    for wrong in (
        page.replace("| zone | errors, settings, model, wire |", "| zone | errors, model |"),
        page.replace("| zone | errors, settings, model, wire | yes |", "| zone | errors, model, wire | |"),
        page.replace("| admin |", "| attic |"),
        page + "| zone | errors, settings, model, wire | yes |\n",
    ):
        assert wrong != page
        assert sorted(table(wrong), key=str) != sorted(decided(), key=str)
