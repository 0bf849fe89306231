"""A services file on disk: its state, its content as services, and every fault in it with its place.

Content is immutable and shares with the one before it every service whose data did not change: what one change in a large file costs
is reading the file and building that one service.
"""

from __future__ import annotations

import marshal
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dnsdisco.errors import Problem, shortened
from dnsdisco.model.claims import ChainPolicy, ChainSource, shown
from dnsdisco.model.diff import Key
from dnsdisco.model.identity import said_twice
from dnsdisco.model.merge import merge
from dnsdisco.model.names import label_instances
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.model.service_data import Fault, rejection, service_from_data
from dnsdisco.providers import file_state
from dnsdisco.providers.file_state import FileState, NoContent
from dnsdisco.providers.static.text import FILE_OCTETS_MAX, parse, places, text_of
from dnsdisco.written.places import Place
from dnsdisco.written.syntax import Unreadable
from dnsdisco.written.units import printable


@dataclass(frozen=True, slots=True)
class Content:
    """`state` is None where there is no file. `text` is kept only where there are faults to be placed."""

    state: FileState | None = None
    marks: Mapping[str, int] = field(default_factory=dict)  # of the data of each service: other data have another one
    named: Mapping[str, Key] = field(default_factory=dict)  # what the services are called, by the keys where they stand
    snapshot: Snapshot = field(default_factory=Snapshot)
    faults: Mapping[str, list[Fault]] = field(default_factory=dict)  # by service
    text: str = ""
    doubles: frozenset[str] = frozenset()  # keys of services that are called as one before them

    def keys_of(self, called: Collection[str]) -> dict[str, str]:
        """Where those services stand which collisions (model/claims.py) call so. O(services)."""
        return {name: at for at, key in self.named.items() if (name := shown(key)) in called}

    def problems(self, file: str) -> list[Problem]:
        """Every fault with its place, in the order of the places. One pass over the text, where there are faults."""
        if not self.faults:
            return []
        where = places(self.text, set(self.faults))
        problems = [_problem(file, name, fault, where) for name, faults in self.faults.items() for fault in faults]
        return sorted(problems, key=lambda problem: (problem.line, problem.column))


def octets_of(path: Path) -> tuple[FileState, bytes]:
    """The whole content. Raises OSError, and Unreadable for what is no file."""
    try:
        return file_state.octets_of(path, FILE_OCTETS_MAX)
    except NoContent as error:
        raise Unreadable(Problem(str(path), 0, 0, "", str(error))) from None


def read(path: Path, file: str, last: Content | None = None) -> Content:
    """The content of *path*; *file* is how problems call it. Raises OSError and Unreadable. O(file); shares with *last*."""
    state, octets = octets_of(path)
    return content_of(text_of(octets, file), file, state, last)


def content_of(text: str, file: str, state: FileState, last: Content | None = None) -> Content:
    """Like read(), from a text."""
    data = parse(text, file)
    old = last or Content()
    old_marks, old_services = old.marks, old.snapshot.services
    marks: dict[str, int] = {}
    named: dict[str, Key] = {}
    services: dict[Key, Service] = {}
    faults: dict[str, list[Fault]] = {}
    rejected: list[tuple[str, str]] = []
    doubles: set[str] = set()
    changed: set[Key] = set()
    for name, each in data.items():
        mark = marks[name] = _mark(each)
        if name.startswith("."):
            continue  # anchors live there: `.defaults: &defaults {port: 8080}`
        key = old.named.get(name)
        service = old_services.get(key) if key is not None else None
        if old_marks.get(name) == mark and (service is not None or name in old.faults) and name not in old.doubles:
            its_faults = old.faults.get(name)
        else:
            fresh, its_faults = service_from_data(name, each)
            # With the labels that merging would give them: what has them already is not copied then.
            fresh = fresh and label_instances(fresh)
            if service != fresh:
                service = fresh
                if fresh is not None:
                    changed.add(fresh.key)
        if service is not None and service.key in services:
            doubles.add(name)
            its_faults, service = [*(its_faults or ()), ("", said_twice(service), False)], None
        elif service is None and its_faults:
            rejected.append((name, rejection(its_faults, file.rpartition("/")[2])))
        if its_faults:
            faults[name] = its_faults
        if service is not None:
            services[service.key] = service
            named[name] = service.key
    snapshot = _snapshot(services, changed, tuple(rejected), last)
    return Content(state, marks, named, snapshot, faults, text if faults else "", frozenset(doubles))


def _mark(data: Any) -> int:
    """64 bits of *data*, keyed for this process, in place of the data themselves, which are twice as large as the service that they make."""
    try:
        return hash(marshal.dumps(data, 0))
    except ValueError:  # a date, which YAML has and marshal has not
        return hash(repr(data))


def collisions(content: Content, text: str, file: str) -> list[Problem]:
    """Services that are not found because another service of the file has their name in DNS."""
    lost = [each for each in merge([ChainSource("static")], ChainPolicy(), [content.snapshot]).collisions() if each.path]
    keys = content.keys_of({each.service for each in lost}) if lost else {}
    where = places(text, set(keys.values())) if lost else {}
    problems = []
    for each in lost:
        at = keys.get(each.service, each.service)
        line, column = where[at].key if at in where else (0, 0)
        message = f"is not found as {'.'.join(each.path)}: that name belongs to {each.winner}"
        problems.append(Problem(file, line, column, shortened(printable(at)), message, is_warning=True))
    return problems


def _snapshot(
    services: dict[Key, Service],
    changed: set[Key],
    rejected: tuple[tuple[str, str], ...],
    last: Content | None,
) -> Snapshot:
    """The last snapshot itself, where nothing changed. *changed*: what is new or differs."""
    if last is None:
        return Snapshot(services, rejected=rejected)
    old = last.snapshot.services
    changed.update(old.keys() - services.keys())
    if not changed and list(services) == list(old) and rejected == last.snapshot.rejected:
        return last.snapshot
    return Snapshot(services, frozenset(changed), rejected)


def _problem(file: str, name: str, fault: Fault, where: Mapping[str, Place]) -> Problem:
    path, message, is_warning = fault
    dotted = (f"{name}{path}" if path.startswith("[") else f"{name}.{path}") if path else name
    nearest = dotted
    while nearest not in where and nearest != name:  # what is missing, or came in by `<<`, stands nowhere: what is around it does
        nearest = nearest[: max(nearest.rfind("."), nearest.rfind("["), len(name))]
    place = where.get(nearest)
    if place is None:
        return Problem(file, 0, 0, shortened(printable(dotted)), message, is_warning)
    at_key = is_warning or nearest != dotted  # warnings are about keys
    return Problem(file, *(place.key if at_key else place.value), shortened(printable(dotted)), message, is_warning)
