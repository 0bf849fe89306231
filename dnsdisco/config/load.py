"""The configuration file: its values with the line and the column of each, and every fault that the syntax allows to see at once.

Only what JSON can say comes out: mappings with text keys, lists, text, numbers, true, false, null.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from dnsdisco.config.octets import FileRefused, octets_of
from dnsdisco.errors import Problem
from dnsdisco.written.places import dotted, KeyPath, Place
from dnsdisco.written.syntax import text_of, Unreadable
from dnsdisco.written.units import shown
from dnsdisco.written.yaml import NULLS, survey

SEARCHED = ("dnsdisco.yaml", "/etc/dnsdisco/dnsdisco.yaml")  # the working directory first

VALUES_MAX = 50_000  # each alias counts as all that it stands for; a quarter of a second to read

_BOOLEANS = {
    spelled: word in ("yes", "on", "true")
    for word in ("yes", "on", "true", "no", "off", "false")
    for spelled in (word, word.title(), word.upper())
}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Document:
    """`values` is what was written ({} for an empty file, and for one that cannot be read to its end)."""

    file: str  # as the user named it; "": there is none
    values: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    places: dict[KeyPath, Place] = field(default_factory=dict)
    is_distrusted: bool = False  # it was only found, and belongs to another user

    def problem(self, path: KeyPath, message: str, *, at_key: bool = False) -> Problem:
        """A fault at *path*, placed at the nearest thing that was written: the value, else the key, else what encloses it."""
        for length in range(len(path), -1, -1):
            if place := self.places.get(path[:length]):
                return Problem(self.file, *(place.key if at_key else place.value), dotted(path), message)
        return Problem(self.file, 0, 0, dotted(path), message)


def find() -> str | None:
    """The configuration file that is used when none is named; None: there is none. One that cannot be read is found, too."""
    return next((path for path in SEARCHED if os.path.lexists(path)), None)


def is_here(path: str) -> bool:
    """A file that was found in the working directory, where another user may have put it."""
    return not path.startswith("/")


def read(path: str, *, is_found: bool = False) -> Document:
    """The document in the file *path*. Never raises for what is in the file or for a file that cannot be read: see `problems`.

    *is_found*: it was not named. One in the working directory is then refused where it belongs to another user, or others may write it.
    """
    try:
        octets = octets_of(path, is_to_be_ours=is_found and is_here(path))
    except FileRefused as refused:
        return Document(path, problems=(Problem(path, 0, 0, "", str(refused)),), is_distrusted=refused.is_distrusted)
    try:
        return parse(text_of(octets, path), path)
    except Unreadable as error:
        return Document(path, problems=(error.problem,))


def parse(text: str, path: str) -> Document:
    """The document in *text*; *path* is only how problems call it."""
    values, problems, places, is_whole = survey(text, path, _plain, VALUES_MAX)
    if is_whole and values is not None and not isinstance(values, dict):
        message = f"expected a mapping of keys to values such as `ttl: 5`, found {shown(values)}"
        problems.append(Problem(path, *places[()].value, "", message))
    return Document(path, values if isinstance(values, dict) else {}, tuple(problems), places)


def _plain(text: str) -> Any:
    """The value of a scalar without quotes: a boolean as in YAML 1.1 (`off` is false), and a number as in a services file.

    There a number is decimal digits (written/units.py). `0x10`, `020`, `1_000`, `1e3` and `.5`, which YAML's versions read in
    different ways, are texts, and so is `1:53`, which is no base-60 number here, and 2026-01-02, which is no date.
    """
    if text in NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    try:
        return int(text) if _INTEGER.fullmatch(text) else float(text) if _FLOAT.fullmatch(text) else text
    except ValueError:  # more digits than Python makes a number of
        return text
