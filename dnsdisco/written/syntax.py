"""Turns octets into text, and describes the faults of a YAML text in plain words, with their places. Every function takes linear time."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import yaml
from yaml import events

from dnsdisco.errors import Problem, reason, shortened

DEPTH_MAX = 32  # what is read here is 5 deep; plug-ins may nest further, and no person writes 32 levels by hand
TOO_DEEP = f"more than {DEPTH_MAX} levels of lists and mappings in each other"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2 §5.1
_PLAIN = bytes(each for each in range(128) if not _FORBIDDEN.match(chr(each)))


class Unreadable(Exception):
    """Raised when no part of the text can be used."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def text_of(octets: bytes, file: str) -> str:
    """The octets as text, without a byte order mark. Raises Unreadable for what is no UTF-8. *file* is how problems call it."""
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = octets[: error.start].decode("utf-8-sig", "replace")
        raise unreadable(file, before, len(before), f"this is not UTF-8: octet 0x{octets[error.start]:02x}") from None


def refuse_forbidden(text: str, file: str) -> None:
    """Raises Unreadable for a character, such as NUL, that cannot stand in a text that people write."""
    if text.isascii() and not text.encode().translate(None, _PLAIN):  # a fifth of the time that the expression takes
        return
    if found := _FORBIDDEN.search(text):
        raise unreadable(file, text, found.start(), f"the character U+{ord(found[0]):04X} cannot stand in YAML or JSON")


def unreadable(file: str, text: str, at: int, message: str) -> Unreadable:
    """The error to raise for a fault at the character *at* of *text*."""
    return Unreadable(Problem(file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at), "", message))


def place(mark: Any) -> tuple[int, int]:
    """Line and column, 1-based, of a mark of PyYAML; (0, 0) where there is none."""
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def explain(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """The place where the syntax of *text* is broken, and what to mend."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(file, 0, 0, "", f"this is not YAML: {reason(error)}")
    mark = error.problem_mark or error.context_mark
    why = error.problem or error.context or "it cannot be understood"
    if "nesting depth" in why:  # libyaml's own bound: it reads ahead, and meets that before we see any of it
        return Problem(file, *place(_first_too_deep(text, mark)), "", TOO_DEEP)
    if mark and not text[mark.index :].strip():
        end = len(text.rstrip())
        why = "the text ends too early: a list, a mapping or a quoted text is not closed"
        return unreadable(file, text, end, f"this is not YAML: {why}").problem
    return Problem(
        file, *place(mark), "", f"this is not YAML: {shortened(_plain_words(error, why, text[mark.index] if mark else ''))}"
    )


def _plain_words(error: yaml.MarkedYAMLError, why: str, char: str) -> str:
    """*why*, libyaml's message about the character *char*, turned into what a person has to do."""
    if char == "\t" or "tab character" in why or "\\t" in why:
        return "a tab stands where only spaces may; YAML is indented with spaces"
    if char == ":" and ("node content" in why or "found ':'" in why):
        return 'a value cannot begin with a colon; put an IPv6 address in quotes, as in "[::1]:53"'
    if char and char in "@`%" and "cannot start any token" in why:
        return f"a text that begins with {char} must be in quotes"
    if "mapping values are not allowed" in why:
        return "a second colon on one line; put the text in quotes, or check the indentation"
    began, ended = error.context_mark, error.problem_mark
    if error.context and began and ended and began.line != ended.line:
        return f"{error.context} that began on line {began.line + 1}: {why}"
    return why


def _first_too_deep(text: str, mark: Any) -> Any:
    """The place where the level that is one too many begins. *mark*: the place where libyaml met its bound."""
    depth = 0
    with suppress(yaml.YAMLError):
        for event in yaml.parse(text[: mark.index], Loader=LOADER):
            depth += isinstance(event, events.CollectionStartEvent) - isinstance(event, events.CollectionEndEvent)
            if depth > DEPTH_MAX:
                return event.start_mark
    return mark
