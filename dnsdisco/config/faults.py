"""A fault of what was written, in the words of the file: the key path, what was expected, what was found, and the likely slip."""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import declared, sections
from dnsdisco.written.places import KeyPath
from dnsdisco.written.units import did_you_mean, shown


class Fault(NamedTuple):
    path: KeyPath
    message: str
    found: object = None
    is_of_key: bool = False  # the key itself is wrong, not what it holds


def not_a_list(example: str, found: object) -> str:
    return f"expected a list such as {example}, found {shown(found)}"


def not_a_mapping(found: object) -> str:
    return f"expected a mapping of keys to values, found {shown(found)}"


def unknown_key(key: str, known: list[str], path: KeyPath) -> str:
    """*key* is none of those that are *known* at *path*."""
    if hint := did_you_mean(key, known):
        return f"unknown key{hint}"
    return elsewhere(key, path) or f"unknown key; known here: {', '.join(known)}"


def elsewhere(key: str, path: KeyPath) -> str:
    """The place where *key*, which has no meaning at *path*, would have one; "": there is no such place."""
    home = next((name for name, section in sections().items() if key in declared(section)), "")
    if home:
        return f"unknown key here; it belongs under {home}"
    return "unknown key here; it belongs at the top of the file" if path and key in Settings._fields else ""
