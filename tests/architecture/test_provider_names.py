"""No room knows a built-in provider by its name: what others should know of one, it declares (docs/adding-a-provider.md)."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from tests.architecture.rooms import modules, PACKAGE

PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAMES = frozenset(PROJECT["entry-points"]["dnsdisco.providers"])
ORDINARY = frozenset({"env", "static"})  # words of English, too: in a sentence they mean no provider
HOMES = tuple(f"dnsdisco.providers.{name}." for name in NAMES)  # each with its own words
# Where the names are meant, not the providers.
KNOWN = {"dnsdisco.cli.options": "the help of --provider lists them"}

_IN_A_SENTENCE = re.compile(rf"\b(?:{'|'.join(sorted(NAMES - ORDINARY))})\b")


def named(source: str, module: str) -> list[str]:
    """Each string in *source* that is the name of a built-in provider, or has it as a word, outside the provider's own folder. No docstrings."""
    if f"{module}.".startswith(HOMES):
        return []
    tree = ast.parse(source)
    owners = [
        node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    docstrings = {id(node.body[0].value) for node in owners if node.body and isinstance(node.body[0], ast.Expr)}
    return [
        f"{module}:{node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
        and (node.value in NAMES or _IN_A_SENTENCE.search(node.value))
    ]


@pytest.mark.slow
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
        "reason = \"pip install 'dnsdisco[consul]'\"",
        'path = f"/var/run/secrets/kubernetes.io/{name}"',
    ],
)
def test_a_name_in_another_room_is_caught(planted: str) -> None:
    assert len(named(planted, "dnsdisco.control.view_store")) == 1
    assert len(named(planted, "dnsdisco.providers.registry")) == 1
    assert named(planted, "dnsdisco.providers.consul.watch") == []


@pytest.mark.parametrize("innocent", ['"""The consul provider."""', 'message = "the env provider"', "static = 1"])
def test_prose_and_identifiers_are_no_names(innocent: str) -> None:
    assert named(innocent, "dnsdisco.cli.check") == []
