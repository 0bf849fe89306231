"""A reply as lines for a person: its rcode, its records in columns, and the reasons that it carries."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from dnsdisco.cli import report
from dnsdisco.presentation.message import EDE_WORDS, PrintedRecord


def styled(text: str, **how: Any) -> str:
    """*text* for stdout: in colour on a terminal alone."""
    return click.style(text, **how) if report.wants_colour(sys.stdout) else text


def rcode_word(rcode: str, *, is_positive: bool) -> str:
    return styled(rcode, fg="green" if is_positive else "yellow" if rcode in {"NOERROR", "NXDOMAIN"} else "red", bold=True)


def record_lines(sections: Mapping[str, Sequence[PrintedRecord]]) -> list[str]:
    """*sections* by their titles; those that are empty are left out."""
    width = max((len(record.name) for section in sections.values() for record in section), default=0)
    lines: list[str] = []
    for title, records in sections.items():
        if records and title:
            lines.append(styled(f";; {title}", dim=True))
        lines += [_line(record, width) for record in records]
    return lines


def reason_lines(ede: Iterable[tuple[int, str]]) -> list[str]:
    return [
        styled(f";; EDE {code} ({EDE_WORDS.get(code, 'unknown')}){': ' + text if text else ''}", fg="yellow") for code, text in ede
    ]


def _line(record: PrintedRecord, width: int) -> str:
    rclass = "" if record.rclass == "IN" else f"{record.rclass} "
    return f"{styled(record.name, bold=True)}{' ' * (width - len(record.name))}  {record.ttl:>6}  {rclass}{record.type:<6} {record.data}"
