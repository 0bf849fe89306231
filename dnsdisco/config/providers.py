"""Which providers are asked, in which order: --provider, else SERVICE_DISCOVERY_PROVIDER, else the file, else what is detected.

Choosing a provider by name does not throw its settings away: a name stands for the file's entries of that type, if it has any.
`--services FILE` is the static provider's file, and brings that provider in where it is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from dnsdisco.config import entries, values
from dnsdisco.config.reading import ReadingContext, Values
from dnsdisco.errors import Problem
from dnsdisco.written.units import did_you_mean, shown

PROVIDER_VARIABLE = "SERVICE_DISCOVERY_PROVIDER"

Entry = Mapping[str, Any]


def wanted(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    known_types: Collection[str] | None,
) -> tuple[list[str] | None, list[Problem]]:
    """The names that a flag or the environment gives, and what is wrong with them; None: neither gives any."""
    if "provider" in flags:
        where, written = "--provider", list(flags["provider"])
    elif environ.get(PROVIDER_VARIABLE, "").strip():
        where, written = PROVIDER_VARIABLE, [environ[PROVIDER_VARIABLE]]
    else:
        return None, []
    names = [name.strip() for text in written for name in text.split(",")]
    problems = []
    for at, name in enumerate(names):
        if not name:
            problems.append(Problem("", 0, 0, where, "expected names of providers with commas between them, found an empty one"))
        elif known_types is not None and name not in known_types:
            hint = did_you_mean(name, known_types)
            problems.append(
                Problem(
                    "", 0, 0, where, f"there is no provider {shown(name)}{hint or '.'} Known here: {', '.join(sorted(known_types))}"
                ),
            )
        elif name in names[:at]:
            problems.append(Problem("", 0, 0, where, f"{name} is given twice"))
    return names, problems


def origin(flags: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """What chooses the providers before the file does; "": nothing."""
    if "provider" in flags or "services" in flags:
        return "flag"
    return f"environment:{PROVIDER_VARIABLE}" if environ.get(PROVIDER_VARIABLE, "").strip() else ""


def choose(
    in_file: Values,
    names: list[str] | None,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    detect: Callable[[Mapping[str, str]], list[str]] | None,
) -> tuple[Entry, ...]:
    """The entries to use, in order of precedence. Raises ValueError for a path in `--services` that means nothing."""
    is_detected = False
    written: Sequence[Entry] = in_file.get("providers", ())
    if names is not None:
        chosen = [entry for name in names for entry in _entries_of(written, name)]
    elif "providers" in in_file:
        chosen = list(written)
    else:
        chosen = [_bare(name) for name in (detect(environ) if detect else ["env"])]
        is_detected = True
    if "services" in flags:
        path = values.absolute(flags["services"], "", environ)
        chosen = _with_services(chosen, path, is_detected=is_detected)
    return tuple(chosen)


def _entries_of(written: Sequence[Entry], name: str) -> list[Entry]:
    return [entry for entry in written if entry["type"] == name] or [_bare(name)]


def _bare(name: str) -> Entry:
    plain, _ = entries.read(name, (), ReadingContext("", {}))
    assert plain is not None  # a name alone is sound
    return plain


def _with_services(chosen: list[Entry], path: str, *, is_detected: bool) -> list[Entry]:
    """The first static entry gets *path*, and others go. Where there is none, one comes in: first in a chain that was written,
    before env in one that was detected."""
    static = next((entry for entry in chosen if entry["type"] == "static"), None)
    named = {**(static or _bare("static")), "path": path}
    rest = [entry for entry in chosen if entry["type"] != "static"]
    if static is not None:
        at = chosen.index(static)
    elif is_detected:
        at = next((at for at, entry in enumerate(rest) if entry["type"] == "env"), len(rest))
    else:
        at = 0
    return [*rest[:at], named, *rest[at:]]
