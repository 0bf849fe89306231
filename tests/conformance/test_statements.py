"""The table of statements: whole, in order, and every test that it names is there."""

from __future__ import annotations

import ast
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from tests.conformance.statements import GROUPS, PAGE, page, Statement

TESTS = Path(__file__).parents[1]
STATEMENTS = list(chain.from_iterable(GROUPS.values()))
NUMBERS = [*range(1, 17), *range(20, 38), *range(40, 58), *range(60, 74), *range(80, 100)]


@cache
def functions(file: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef))


def missing(statement: Statement) -> list[str]:
    """The tests that it names and that are not there."""
    found = []
    for test in statement.tests:
        file, _, function = test.partition("::")
        if not (TESTS / file).is_file() or function not in functions(file) or not function.startswith("test_"):
            found.append(test)
    return found


def test_every_statement_is_there_once_and_in_order():
    assert [statement.number for statement in STATEMENTS] == NUMBERS


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: f"A-{statement.number:02}")
def test_the_tests_of_a_statement_exist(statement):
    assert statement.tests
    assert len(set(statement.tests)) == len(statement.tests)
    assert missing(statement) == []


@pytest.mark.parametrize("test", ["nosuch/test_x.py::test_y", "conformance/test_statements.py::test_nosuch", "kit.py::section"])
def test_a_test_that_is_gone_would_be_noticed(test):
    assert missing(Statement(1, "", "", (test,))) == [test]


def test_the_page_is_the_table():
    assert PAGE.read_text() == page(), "write it anew: python -m tests.conformance.statements"
