"""Facts that were said in several rooms, and had begun to differ, are said in one file; a second copy is a fault of this test."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.rooms import modules

# What a copy would have in it, and the only files, as modules below `dnsdisco`, that may have it.
HOMES = {
    "YAML's events are read": (r"^(?:import|from) yaml\b", {"written.yaml", "written.syntax", "providers.kubernetes.kubeconfig", "providers.static.edit", "providers.static.items"}),  # kubectl's own rules
    "YAML's comments are kept": (r"^\s*(?:import|from) ruamel\b", {"providers.static.edit"}),
    "characters that cannot stand in a text": (r"\\ue000-\\ufffd", {"written.syntax"}),
    "a second key": (r"given already on line", {"written.yaml"}),
    "a likely slip": (r"get_close_matches", {"written.units"}),
    "the system's words within a sentence": (r"strerror\([^)]*\)\.lower\(\)|text\[:1\]\.lower\(\)", {"errors", "control.probing"}),  # asyncio's errors have addresses in them
    "whether it is the loopback": (r"startswith\(\"127\.\"\)", {"sockaddr"}),
    "where a wildcard is reached": (r"\"0\.0\.0\.0\": ", {"sockaddr"}),
    "what a child is to know": (r"memfd_create\(\"dnsdisco-parameters\"", {"supervisor.document"}),
    "units of durations": (r"\"ms\": 1e-3", {"written.units"}),
}  # fmt: skip


def copies(pattern: str, sources: dict[str, str]) -> set[str]:
    return {module for module, source in sources.items() if re.search(pattern, source, re.MULTILINE)}


@pytest.mark.parametrize("fact", HOMES)
def test_a_fact_stands_in_its_home_alone(fact):
    pattern, homes = HOMES[fact]
    sources = {module.removeprefix("dnsdisco."): path.read_text() for module, path in modules()}
    assert copies(pattern, sources) == homes


def test_a_copy_is_caught():
    for pattern, homes in HOMES.values():
        sources = {module.removeprefix("dnsdisco."): path.read_text() for module, path in modules()}
        sources["attic"] = sources[min(homes)]
        assert "attic" in copies(pattern, sources)


def given_twice(source: str) -> list[str]:
    """The constants of a module that are given a value twice, where the second one takes the place of the first."""
    names = [
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.isupper()
    ]
    return sorted({name for name in names if names.count(name) > 1})


def test_a_constant_has_one_value():
    found = {name: given_twice(path.read_text()) for name, path in modules()}
    assert {name: twice for name, twice in found.items() if twice} == {}


def test_a_second_value_is_seen():
    assert given_twice("A_MAX = 10_000  # reasons\nB = 1\nA_MAX: int = 100  # lines\n") == ["A_MAX"]
    assert given_twice("A_MAX = 1\nif B:\n    A_MAX = 2\n") == []
