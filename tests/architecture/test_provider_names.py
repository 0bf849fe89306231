"""No room knows a built-in provider by its name: what a server should know of one, its class declares (docs/adding-a-provider.md)."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.rooms import modules

NAMES = frozenset({"env", "static", "consul", "kubernetes"})
HOMES = tuple(f"dnsdisco.providers.{home}" for home in NAMES)  # each with its own words
# Where a name still stands for a provider. The list may become shorter, and never longer.
KNOWN = {
    "dnsdisco.config.schema": "the options of each",
    "dnsdisco.config.providers": "--services FILE brings the static provider in",
}


def named(source: str, module: str) -> list[str]:
    """Each string in *source* that is the name of a built-in provider, outside the providers' own files."""
    if module.startswith(HOMES):
        return []
    return [
        f"{module}:{node.lineno}: {node.value}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES
    ]


def test_no_room_knows_a_built_in_provider_by_name() -> None:
    found = {module: faults for module, path in modules() if (faults := named(path.read_text(), module))}
    assert [fault for module, faults in found.items() if module not in KNOWN for fault in faults] == []
    assert sorted(KNOWN) == sorted(found), "a line of KNOWN that is no longer needed"


@pytest.mark.parametrize(
    "planted",
    [
        'NEVER_KEPT = frozenset({"env"})',
        'if entry.type == "static":\n    pass',
        '_ELSEWHERE = {"kubernetes": ("KUBECONFIG",)}',
        'match kind:\n    case "consul":\n        pass',
    ],
)
def test_a_name_in_another_room_is_caught(planted: str) -> None:
    assert len(named(planted, "dnsdisco.control.view_store")) == 1
    assert named(planted, "dnsdisco.providers.consul.watch") == []


@pytest.mark.parametrize("innocent", ['"""The static provider."""', 'message = "the env provider"', "static = 1"])
def test_prose_and_identifiers_are_no_names(innocent: str) -> None:
    assert named(innocent, "dnsdisco.cli.check") == []
