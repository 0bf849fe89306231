"""The repeated output of `-w`: on a terminal one screen that is drawn anew, elsewhere a new block of lines after each change."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from dnsdisco.cli import report

CLEAR = "\x1b[H\x1b[2J\x1b[3J"
GOOD, POOR, BAD = "green", "yellow", "red"


class Screen:
    """*is_json*: nothing is cleared, and nothing stands between two blocks."""

    def __init__(self, *, is_json: bool = False) -> None:
        self._is_redrawn = report.wants_colour(sys.stdout) and not is_json
        self._gap = "" if is_json else "\n"
        self._last: object = None

    def show(self, text: str, news: object) -> None:
        """*news*: what has to be another than last time for *text* to be printed where nothing can be cleared."""
        if self._is_redrawn:
            click.echo(CLEAR + text)
        elif news != self._last:
            click.echo((self._gap if self._last is not None else "") + text)
        self._last = news
        sys.stdout.flush()


def coloured(text: str, colour: str | None) -> str:
    """*text* for stdout; in colour on a terminal."""
    return click.style(text, fg=colour, bold=True) if colour and report.wants_colour(sys.stdout) else text


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Each row as a line, its cells one under the other. Cells may be coloured."""
    rows = [tuple(row) for row in rows]
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def printable(field: object) -> str:
    """A backend's text, without what could steer a terminal or break a row."""
    text = "" if field is None else str(field)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
