"""docs/limits.md: every bound that somebody who asks can meet, with its value, its reason and what counts it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import dnsdisco
from dnsdisco.server.tcp_limits import TcpLimits
from dnsdisco.settings.sections import RateLimits
from dnsdisco.wire.constants import RCODES
from dnsdisco.wire.reply import Limits
from tests.server.limits_page import block, GROUPS, NOT_LISTED, PAGE, page, value
from tests.server.limits_shown import SHOWN_BY

ROOT = Path(__file__).parents[2]
BOUNDS = [bound for bounds in GROUPS.values() for bound in bounds]
METRICS = set(re.findall(r"^\| `(dnsdisco_\w+)`", (ROOT / "docs" / "http.md").read_text(), re.MULTILINE))
SOURCE = "\n".join(path.read_text() for path in (ROOT / "dnsdisco").rglob("*.py"))


def test_the_page_has_the_table():
    assert PAGE.read_text() == page(), "write it anew: python -m tests.server.limits_page"
    assert block() in PAGE.read_text()


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.where)
def test_a_bound_is_in_the_code_and_its_metrics_exist(bound):
    assert isinstance(value(bound.where), int | float)
    assert bound.why
    for metric in bound.metrics:
        name, _, label = metric.partition("=")
        assert name in METRICS
        assert not label or f'"{label}"' in SOURCE or label in RCODES.values() or label.isdecimal() or f"{label}=0" in SOURCE


def names(room: str) -> set[str]:
    """The upper bounds that the modules of a room define."""
    found = set()
    package = importlib.import_module(f"dnsdisco.{room}")
    for info in pkgutil.iter_modules(package.__path__):
        if info.name != "__main__":
            text = (ROOT / "dnsdisco" / room / f"{info.name}.py").read_text()
            found |= {f"{room}.{info.name}:{name}" for name in re.findall(r"^([A-Z][A-Z_]*_MAX)\b[^=\n]* = ", text, re.MULTILINE)}
    return found


@pytest.mark.parametrize("room", ["answer", "wire", "server"])
def test_every_bound_of_the_rooms_that_strangers_reach_is_listed(room):
    found = names(room)
    assert found
    listed = {bound.where for bound in BOUNDS}
    assert found - listed - NOT_LISTED == set()
    assert listed & NOT_LISTED == set()


@pytest.mark.parametrize(
    ("module", "limits"), [("server.tcp_limits", TcpLimits), ("wire.reply", Limits), ("settings.sections", RateLimits)]
)
def test_every_field_of_the_limits_is_listed(module, limits):
    fields = {f"{module}:{limits.__name__}.{field}" for field in limits._fields if field != "exempt"}
    assert fields <= {bound.where for bound in BOUNDS}


def test_nothing_is_passed_over_that_is_gone():
    assert dnsdisco
    for where in NOT_LISTED:
        value(where)


def unshown(places: set[str], shown_by: dict[str, str]) -> set[str]:
    """The bounds of *places* that no test shows, the rows of *shown_by* for bounds that are gone, and those whose test is not there."""
    faults = places ^ shown_by.keys()
    for where, test in shown_by.items():
        file, _, name = test.partition("::")
        path = ROOT / "tests" / file
        tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
        if not any(isinstance(node, ast.FunctionDef) and node.name == name and name.startswith("test_") for node in tree.body):
            faults.add(where)
    return faults


def test_each_bound_has_a_test_that_goes_one_beyond_it():
    assert not unshown({bound.where for bound in BOUNDS} | NOT_LISTED, SHOWN_BY)


def test_a_bound_without_its_test_is_seen():
    kept = dict(list(SHOWN_BY.items())[:5])
    first, second, third, fourth, fifth = kept
    planted = {
        **kept,
        second: "server/test_limits.py::test_nowhere",
        third: "server/test_gone.py::test_x",
        fourth: "server/test_limits.py::names",
    }
    del planted[first]
    assert unshown({*kept}, planted) == {first, second, third, fourth}
    assert unshown({*kept} - {fifth}, kept) == {fifth}
