"""docs/command-line.md and the commands say the same: every command, every option, and the usage lines."""

from __future__ import annotations

import importlib
import pathlib
import re

import click
import pytest

from dnsdisco.cli import COMMANDS

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
SOURCE = {"--config", "--provider", "--services"}  # in the page's own section
SERVER = {"--config", "--state-dir", "--control"}  # likewise


def command(name) -> click.Command:
    return importlib.import_module(f"dnsdisco.cli.{name}").command


def section(name):
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"no section {name}"
    return found[1]


def options(name):
    return {option for param in command(name).params if isinstance(param, click.Option) for option in param.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_usage_and_explained(name):
    text = section(name)
    usage = text.split("```")[1]
    usage = re.sub(r"\B\|(?=-)", " ", usage)
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage)) == options(name)
    of_server = SERVER if options(name) >= SERVER and name != "serve" else set()
    for option in options(name) - SOURCE - of_server - {"--json"}:
        assert re.search(rf"^\| (`-[a-z][^|]*, )?`{option}[ `]", text, re.MULTILINE), f"{option} has no row"


@pytest.mark.parametrize(
    ("title", "option"),
    [("Source options", each) for each in sorted(SOURCE)] + [("Server options", each) for each in sorted(SERVER)],
)
def test_the_shared_options_are_explained(title, option):
    assert re.search(rf"^\| `{option} ", section(title), re.MULTILINE)


@pytest.mark.parametrize("name", ["serve", "services", "url", "register", "deregister"])
def test_who_asks_providers_takes_the_source_options(name):
    assert options(name) >= SOURCE


def test_who_asks_the_server_is_listed():
    """Each command that takes the server's options, and no other."""
    listed = set(re.findall(r"`([a-z]+)`", section("Server options").strip().partition(" ask the running server")[0]))
    assert listed == {name for name in COMMANDS if options(name) >= SERVER and name != "serve"}


def test_the_list_of_commands_is_whole():
    listed = re.findall(r"^dnsdisco ([a-z]+) ", PAGE.split("```")[1], re.MULTILINE)
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_every_command_is_a_sentence(name):
    assert command(name).name == name
    assert COMMANDS[name].endswith(".")
