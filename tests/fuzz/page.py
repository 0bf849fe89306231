"""docs/fuzzing.md: the table of what a whole run found, a row a reader."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

from tests.fuzz.readers import READERS
from tests.fuzz.run import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "fuzzing.md"
HEAD = "| reader | cases | seconds | slowest case | most memory | on |\n|---|---|---|---|---|---|\n"
_TABLE = re.compile(re.escape(HEAD) + r"((?:\|.*\n)*)")


def words(outcome: Outcome) -> str:
    return f"{outcome.cases:,} cases, {outcome.seconds:.0f} s, slowest {_ms(outcome)} ms of {len(outcome.slowest):,} octets, {_mb(outcome)} MB"


def put(name: str, outcome: Outcome) -> None:
    """In place of the reader's last row; rows stand in the order of READERS, and those of readers that are gone go."""
    text = PAGE.read_text()
    found = _TABLE.search(text)
    assert found is not None, "the page has no table"
    rows = {row.split("|")[1].strip(): row for row in found[1].splitlines()}
    rows[name] = _row(name, outcome)
    table = "".join(f"{rows[each]}\n" for each in READERS if each in rows)
    PAGE.write_text(text[: found.start()] + HEAD + table + text[found.end() :])


def _row(name: str, outcome: Outcome) -> str:
    slowest = f"{_ms(outcome)} ms ({len(outcome.slowest):,} octets)"
    today = dt.datetime.now(dt.UTC).date()
    return f"| {name} | {outcome.cases:,} | {outcome.seconds:,.0f} | {slowest} | {_mb(outcome)} MB | {today} |"


def _ms(outcome: Outcome) -> str:
    return f"{outcome.slowest_s * 1e3:.1f}"


def _mb(outcome: Outcome) -> str:
    return f"{outcome.most_octets / 1e6:.1f}"
