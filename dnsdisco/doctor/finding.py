"""A finding: something about this machine that stands between its programs and the names, with what to do about it."""

from __future__ import annotations

from typing import Any, NamedTuple

LEVELS = ("ok", "note", "warning", "error")  # the worse later; an error alone makes the machine not ok


class Finding(NamedTuple):
    """`subject`: which file, address or program. `fix`: what to do, in one sentence or a few."""

    code: str
    level: str
    subject: str
    text: str
    fix: str

    @property
    def weight(self) -> int:
        return LEVELS.index(self.level)

    def plain(self) -> dict[str, Any]:
        return self._asdict()


class Code(NamedTuple):
    """A row of the table (codes.py). Words in braces in `fix` are filled in by the check that finds it.

    `looked_at`, `meaning`: for the page docs/doctor.md.
    """

    code: str
    level: str
    title: str
    looked_at: str
    meaning: str
    fix: str

    def found(self, subject: str, text: str, **words: str) -> Finding:
        return Finding(self.code, self.level, subject, text, self.fix.format(**words))
