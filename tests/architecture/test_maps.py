"""The docstring of each package is the map of its folder: every file in it has one row, and no row names a file that is not there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.architecture.rooms import PACKAGE

# "    name.py   what it does", "    folder/   …" or "  name, name  …": indented by two to four, at least two spaces before the words.
ROW = re.compile(r"^ {2,4}(\w+(?:\.py|/)?(?:, \w+(?:\.py|/)?)*) {2,}[^\s#]", re.MULTILINE)
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))


def files(folder: Path) -> set[str]:
    """The modules and packages of *folder*, without their endings."""
    return {path.stem for path in folder.glob("*.py")} - {"__init__"} | {path.parent.name for path in folder.glob("*/__init__.py")}


def faults(docstring: str, present: set[str]) -> dict[str, int]:
    """How many rows each name has that should have one, or none."""
    rows = Counter(name.removesuffix(".py").removesuffix("/") for row in ROW.findall(docstring) for name in row.split(", "))
    return {name: rows[name] for name in sorted(present | set(rows)) if rows[name] != (name in present)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PACKAGE.parent)))
def test_every_file_of_a_package_has_one_row_in_its_docstring(folder):
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()), clean=False) or ""
    assert faults(docstring, files(folder)) == {}, f"rows in the docstring of {folder.name}/__init__.py, by file; each wants one"


def test_a_file_without_a_row_a_row_without_a_file_and_two_rows_are_caught():
    docstring = "x.\n\n    a.py     one\n    gone.py  two\n  b, sub/  three\n    a.py     again\n        deeper.py  no row\n    word of text, single.\n"
    assert faults(docstring, {"a", "b", "sub", "new"}) == {"a": 2, "gone": 1, "new": 0}
    assert faults(docstring.replace("    a.py     again\n", ""), {"a", "b", "sub", "gone"}) == {}
