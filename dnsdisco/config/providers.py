"""Which providers are asked, in which order: --provider, else SERVICE_DISCOVERY_PROVIDER, else the file, else what is detected.

Choosing a provider by name does not throw its settings away: a name stands for the file's entries of that type, if it has any.
`--services FILE` is the file of the provider that reads one, and brings that provider in where it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnsdisco.config import values
from dnsdisco.config.entries import plain_entry, ProviderTypes
from dnsdisco.config.reading import Values
from dnsdisco.errors import Problem
from dnsdisco.written.units import did_you_mean, shown

PROVIDER_VARIABLE = "SERVICE_DISCOVERY_PROVIDER"

Entry = Mapping[str, Any]


def wanted(flags: Mapping[str, Any], environ: Mapping[str, str], known: ProviderTypes) -> tuple[list[str] | None, list[Problem]]:
    """The names that a flag or the environment gives, and what is wrong with them; None: neither gives any."""
    if "provider" in flags:
        where, written = "--provider", list(flags["provider"])
    elif environ.get(PROVIDER_VARIABLE, "").strip():
        where, written = PROVIDER_VARIABLE, [environ[PROVIDER_VARIABLE]]
    else:
        return None, []
    names = [name.strip() for text in written for name in text.split(",")]
    problems, types = [], known.types()
    for at, name in enumerate(names):
        if not name:
            problems.append(Problem("", 0, 0, where, "expected names of providers with commas between them, found an empty one"))
        elif types and name not in types:
            hint = did_you_mean(name, types) or "."
            problems.append(
                Problem("", 0, 0, where, f"there is no provider {shown(name)}{hint} Known here: {', '.join(sorted(types))}")
            )
        elif name in names[:at]:
            problems.append(Problem("", 0, 0, where, f"{name} is given twice"))
    return names, problems


def origin(flags: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The flag or variable that chooses the providers, before the file does; "": none."""
    if "provider" in flags or "services" in flags:
        return "flag"
    return f"environment:{PROVIDER_VARIABLE}" if environ.get(PROVIDER_VARIABLE, "").strip() else ""


def choose(
    in_file: Values, names: list[str] | None, flags: Mapping[str, Any], environ: Mapping[str, str], known: ProviderTypes
) -> tuple[Entry, ...]:
    """The entries to use, in order of precedence. Raises ValueError for a path in `--services` that means nothing."""
    kind, option = known.of_services_file() if "services" in flags else ("", "")
    written: Sequence[Entry] = in_file.get("providers", ())
    if names is not None:
        chosen = [entry for name in names for entry in _entries_of(written, name)]
    elif "providers" in in_file:
        chosen = list(written)
    else:
        chosen = [plain_entry({"type": name}) for name in known.detect(environ, [kind] if kind else [])]
    if kind:
        chosen = _with_services(chosen, kind, {option: values.absolute(flags["services"], "", environ)})
    return tuple(chosen)


def _entries_of(written: Sequence[Entry], name: str) -> list[Entry]:
    return [entry for entry in written if entry["type"] == name] or [plain_entry({"type": name})]


def _with_services(chosen: list[Entry], kind: str, path: Entry) -> list[Entry]:
    """The first entry of *kind* gets *path*, and others of it go. Where there is none, it comes in as the first."""
    own = next((entry for entry in chosen if entry["type"] == kind), None)
    at = 0 if own is None else chosen.index(own)
    before, after = ([entry for entry in part if entry["type"] != kind] for part in (chosen[:at], chosen[at:]))
    return [*before, {**(own or plain_entry({"type": kind})), **path}, *after]
