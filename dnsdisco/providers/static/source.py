"""A services file as `dnsdisco check` looks at it: every fault with its place, its services, and where each one stands."""

from __future__ import annotations

import os
from dataclasses import replace as replaced
from pathlib import Path

from dnsdisco.errors import Problem, system_reason
from dnsdisco.model.service import Snapshot
from dnsdisco.providers.local_source import LocalSource, Verify
from dnsdisco.providers.static.content import collisions, content_of, octets_of, read
from dnsdisco.providers.static.text import places, text_of
from dnsdisco.written.syntax import Unreadable


class ServicesFile(LocalSource):
    def __init__(self, file: str) -> None:
        self.file = file

    def services(self) -> Snapshot | None:
        try:
            return read(Path(self.file).expanduser(), self.file).snapshot if self.file else None
        except (Unreadable, OSError):
            return None

    def faults(self, verify: Verify) -> list[Problem]:
        return check_file(self.file, verify) if self.file else []

    def places(self, names: set[str]) -> dict[str, tuple[int, int]]:
        return places_of(self.file, names) if self.file else {}


def check_file(path: str | os.PathLike[str], verify: Verify = lambda _: ()) -> list[Problem]:
    """Every fault and warning in a services file, with its place; [] for a good one. Never raises for what is in it.

    *verify*: the key path and the message of each fault that only another room can see in a service.
    """
    file = os.fspath(path)
    try:
        state, octets = octets_of(Path(file).expanduser())
        text = text_of(octets, file)
        content = content_of(text, file, state)
    except Unreadable as error:
        return [error.problem._replace(file=file)]
    except OSError as error:
        return [Problem(file, 0, 0, "", system_reason(error))]
    faults = dict(content.faults)
    for at, key in content.named.items():
        seen = [(path, message, False) for path, message in verify(content.snapshot.services[key])]
        if seen:
            faults[at] = [*faults.get(at, []), *seen]
    problems = replaced(content, faults=faults, text=text).problems(file) + collisions(content, text, file)
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def places_of(path: str | os.PathLike[str], names: set[str]) -> dict[str, tuple[int, int]]:
    """Line and column (1-based) of the services that are called so; of one that is not there, or cannot be read any more, nothing."""
    try:
        state, octets = octets_of(Path(path).expanduser())
        text = text_of(octets, os.fspath(path))
        keys = content_of(text, os.fspath(path), state).keys_of(names)
    except (Unreadable, OSError):
        return {}
    found = places(text, set(keys.values()))
    return {name: found[at].key for name, at in keys.items() if at in found}
