"""A plug-in's options: those that it declares are checked like those of our own providers, and one that declares none gets any key."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from dnsdisco.config import sources
from dnsdisco.config.sources import Given
from dnsdisco.settings import kinds
from dnsdisco.settings.forms import OptionsClass
from dnsdisco.settings.lists import ListOf
from dnsdisco.settings.options import read_options
from dnsdisco.settings.setting import Setting
from tests.config.known import Known


@dataclass(frozen=True, slots=True)
class NomadOptions:
    address: Annotated[str, Setting(kinds.Text(), "The agent.")] = "http://127.0.0.1:4646"
    wait: Annotated[float, Setting(kinds.Seconds(1, 60), "How long a query may block.")] = 30.0
    tags: Annotated[tuple[str, ...], Setting(ListOf(kinds.Text(), "[v1]"), "Only these.")] = ()
    token: Annotated[str | None, Setting(kinds.Secret(), "Who we are.")] = None
    token_file: Annotated[str | None, Setting(kinds.Path(), "The same from a file.")] = None
    retries: int = 3  # for a program alone

    def __post_init__(self) -> None:
        read_options(self)
        if self.token and self.token_file:
            raise ValueError("token and token_file: one of them is enough")


class WithNomad(Known):
    def types(self) -> Collection[str]:
        return ["env", "nomad", "silent"]

    def options(self, kind: str) -> OptionsClass | None:
        return NomadOptions if kind == "nomad" else super().options(kind)


def inspected(tmp_path: Path, text: str) -> sources.Inspection:
    (tmp_path / "f.yaml").write_text(text)
    return sources.inspect(Given(str(tmp_path / "f.yaml"), environ={"HOME": "/home/someone"}), WithNomad())


@pytest.mark.parametrize(
    ("text", "line", "column", "path", "words"),
    [
        ("providers:\n  - {type: nomad, adress: x}", 2, 19, "providers[0].adress", "unknown key; did you mean address?"),
        ("providers: [{type: nomad, retries: 5}]", 1, 27, "providers[0].retries", "unknown key; known here: type, optional"),
        ("providers: [{type: nomad, wait: 5m}]", 1, 33, "providers[0].wait", "expected a duration from 1 to 60 seconds"),
        ("providers: [{type: nomad, tags: [a, 5]}]", 1, 37, "providers[0].tags[1]", "expected a text, found 5"),
        ("providers: [{type: nomad, tags: a}]", 1, 33, "providers[0].tags", "expected a list such as [v1]"),
        ("providers: [{type: nomad, token: 5}]", 1, 34, "providers[0].token", "found something else; put it in quotes"),
        ("providers: [{type: nomad, token: a, token_file: b}]", 1, 13, "providers[0]", "one of them is enough"),
        ("providers: [{type: nomad, optional: 5}]", 1, 37, "providers[0].optional", "expected true or false"),
        ("providers: [{type: silent, optional: 5, adress: x}]", 1, 38, "providers[0].optional", "expected true or false"),
    ],
)
def test_what_it_declares_is_checked_with_line_and_column(
    tmp_path: Path, text: str, line: int, column: int, path: str, words: str
) -> None:
    (problem,) = inspected(tmp_path, text).problems
    assert (problem.line, problem.column, problem.path) == (line, column, path)
    assert words in problem.message


def test_it_gets_canonical_values_and_only_those_that_were_given(tmp_path: Path) -> None:
    settings = inspected(tmp_path, "providers: [{type: nomad, wait: 1m, token_file: t, exclude: [b]}]").settings
    assert settings is not None
    (entry,) = settings.providers
    common: dict[str, Any] = {
        "optional": False,
        "include": [],
        "max_stale": None,
        "when_all_unhealthy": None,
        "poll_interval": None,
    }
    own = {"wait": 60.0, "token_file": f"{tmp_path}/t"}
    assert entry == {"type": "nomad", **common, "exclude": ["b"], **own}


def test_one_that_declares_none_gets_any_key_as_it_is(tmp_path: Path) -> None:
    settings = inspected(tmp_path, "providers: [{type: silent, adress: x, nested: {a: [1, null]}, max_stale: 1m}]").settings
    assert settings is not None
    (entry,) = settings.providers
    assert {key: entry[key] for key in ("adress", "nested", "max_stale")} == {
        "adress": "x",
        "nested": {"a": [1, None]},
        "max_stale": 60.0,
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"wait": "5m"}, "wait: expected a duration from 1 to 60 seconds"),
        ({"tags": "a"}, "tags: expected a list such as"),
        ({"tags": [None]}, r"tags: expected a text"),
        ({"address": 5}, "address: expected a text"),
        ({"token": "a", "token_file": "b"}, "one of them is enough"),
    ],
)
def test_a_program_gets_the_same_checks(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        NomadOptions(**given)
    made = NomadOptions(wait="45s", token_file="relative")  # type: ignore[arg-type]
    assert (made.wait, made.token_file, made.tags, made.retries) == (45.0, "relative", (), 3)
