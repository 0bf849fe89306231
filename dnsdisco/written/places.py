"""Notes the place of each value in a text, and each fault, for a reader of YAML that asks for them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from dnsdisco.errors import EXCERPT_MAX, Problem
from dnsdisco.written.units import shown

KeyPath = tuple[str | int, ...]
Point = tuple[int, int]  # line and column, 1-based


class Place(NamedTuple):
    """The place of a key, and of its value. An entry of a list, and a value from `<<`, has one point for both."""

    key: Point
    value: Point
    is_scalar: bool = False  # the value is no list and no mapping


def dotted(path: KeyPath) -> str:
    """`providers[1].path`; a key that is more than a short word in quotes, as in `forward.zones['corp.example']`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif len(step) > EXCERPT_MAX or not re.fullmatch(r"[\w-]+", step):
            text += f"[{shown(step)}]"
        else:
            text += f".{step}" if text else step
    return text


class EnoughFaults(Exception):
    """Raised when as many faults as were asked for are known."""


class Track:
    """The way of a reader through a text: it enters and leaves containers, and meets keys and values in their order."""

    def __init__(self, file: str, wanted: Collection[str] | None, faults_max: int) -> None:
        """*wanted*: the keys at the top whose places are kept, and those of all below them; None: all."""
        self._file, self._wanted, self._faults_max = file, wanted, faults_max
        self._open: list[_Open] = []
        self.problems: list[Problem] = []
        self.places: dict[KeyPath, Place] = {}

    def path(self, *below: str | int) -> KeyPath:
        """The path of the open container, or of a value *below* it."""
        return (*self._open[-1].path, *below) if self._open else ()

    def path_of_value(self) -> KeyPath:
        """The path of the next value."""
        return self.path(self._open[-1].step) if self._open else ()

    def refuse(self, point: Point, message: str, path: KeyPath) -> None:
        """Raises EnoughFaults with the last one that is of interest."""
        self.problems.append(Problem(self._file, *point, dotted(path), message))
        if len(self.problems) >= self._faults_max:
            raise EnoughFaults

    def key(self, name: str, point: Point) -> None:
        inner = self._open[-1]
        inner.step, inner.point = name, point
        inner.points.setdefault(name, point)

    def first(self, name: str) -> Point:
        """The place where the open container has this key for the first time."""
        return self._open[-1].points[name]

    @property
    def merge(self) -> Place | None:
        """The place of the `<<` in the open mapping."""
        return self._open[-1].merge

    def value(self, point: Point, *, is_scalar: bool = True) -> None:
        path, inner = self.path_of_value(), self._open[-1] if self._open else None
        if inner is None:
            self.places[path] = Place(point, point, is_scalar)
            return
        place = Place(inner.point or point, point, is_scalar)
        if inner.step == "<<":
            inner.merge = place
        if self._is_wanted(path):
            self.places.setdefault(path, place)
        if isinstance(inner.step, int):
            inner.step += 1

    def enter(self, point: Point, *, is_mapping: bool, is_usable: bool) -> None:
        path = self.path_of_value()
        self.value(point, is_scalar=False)
        self._open.append(_Open(path, "" if is_mapping else 0, is_usable=is_usable))

    def leave(self) -> bool:
        """Close the open container; True if it can be used."""
        return self._open.pop().is_usable

    def brought(self, names: Iterable[str], point: Point) -> None:
        """Keys that the mapping that is open gets from a `<<` at *point*: theirs, where there is nothing around the mapping."""
        if len(self._open) == 1:
            self.places |= {(name,): Place(point, point) for name in names if self._is_wanted((name,))}

    def _is_wanted(self, path: KeyPath) -> bool:
        return self._wanted is None or path[0] in self._wanted


class _Open:
    """A list or a mapping that is being read."""

    __slots__ = ("is_usable", "merge", "path", "point", "points", "step")

    def __init__(self, path: KeyPath, step: str | int, *, is_usable: bool) -> None:
        self.path, self.is_usable = path, is_usable
        self.step = step  # the key, or the number, of the next value
        self.point: Point | None = None  # of that key
        self.points: dict[str, Point] = {}  # of each key
        self.merge: Place | None = None
