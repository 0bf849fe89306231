"""The README has two commands that do all set-up on a bare machine: one runs the server, one passes the tests. The gate runs the second as it stands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(readme: str) -> list[str]:
    """The lines that begin with an environment of their own, as a person copies them and as the gate finds them."""
    return re.findall(r"^    (python3 -m venv .*)$", readme, re.MULTILINE)


def test_the_two_commands_are_there() -> None:
    run, tests = commands((ROOT / "README.md").read_text())
    assert "dnsdisco serve" in run
    assert "-e '.[dev]'" in tests
    assert tests.endswith("pytest")


def test_a_command_that_a_prompt_stands_before_is_missed() -> None:
    assert commands("```\n$ python3 -m venv .venv && pytest\n```\n") == []
