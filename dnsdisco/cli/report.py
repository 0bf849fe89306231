"""Messages on stderr, and the decision about colour."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import IO

import click

from dnsdisco.errors import ConfigError, DnsdiscoError, Problem


def wants_colour(stream: IO[str]) -> bool:
    """True if output is coloured: only on a terminal, and not with NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def complain(message: str) -> None:
    """One line to stderr: what is wrong, and the way out."""
    _echo(f"{click.style('dnsdisco:', fg='red', bold=True)} {message}")


def note(message: str) -> None:
    _echo(f"dnsdisco: {message}")


def fault(error: DnsdiscoError) -> None:
    if isinstance(error, ConfigError):
        show(error.problems)
        count = sum(not problem.is_warning for problem in error.problems)
        complain(f"{count} fault{'s' if count != 1 else ''} in the configuration; nothing was done")
    else:
        complain(str(error))


def show(problems: Iterable[Problem], stream: IO[str] | None = None) -> None:
    """Each problem on a line of its own, as compilers write them, so that editors find the place. On stderr, by default."""
    for problem in problems:
        kind = click.style("warning", fg="yellow") if problem.is_warning else click.style("fault", fg="red")
        place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
        parts = (click.style(place, bold=True) if place else "", kind, problem.path, problem.message)
        _echo(": ".join(part for part in parts if part), stream)


def _echo(line: str, stream: IO[str] | None = None) -> None:
    stream = stream or sys.stderr
    click.echo(line, file=stream, color=wants_colour(stream))
