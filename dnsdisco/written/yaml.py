"""YAML text becomes plain data: mappings with text keys, lists, and what the caller makes of a plain scalar. The only reader of YAML.

`load` is for what is usually good and may be large: it keeps no places, and refuses the text at its first fault. `survey` reads the
same in the same loop, and keeps the place of each value and every fault that can be seen at once. So a text is good for both, or for
none. One pass over libyaml's events; PyYAML's own composer and constructor take six times as long.

No tag can build anything. Bounds: DEPTH_MAX levels and the caller's number of values; an alias counts as all that it stands for.
What an alias brings has no places of its own: a fault in it is one of the alias.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import yaml
from yaml import events

from dnsdisco.errors import Problem, shortened
from dnsdisco.written.places import EnoughFaults, KeyPath, Place, Point, Track
from dnsdisco.written.syntax import DEPTH_MAX, explain, LOADER, place, refuse_forbidden, TOO_DEEP, Unreadable

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
FAULTS_MAX = 100  # more than anybody mends at once

Plain = Callable[[str], Any]  # what a scalar without quotes means

_YAML = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_YAML + kind for kind in ("int", "float", "bool", "null", "timestamp"))
_SCALAR_TAGS = _PLAIN_TAGS | {"!", f"{_YAML}str"}
_COLLECTION_TAGS = {events.MappingStartEvent: ("!", f"{_YAML}map"), events.SequenceStartEvent: ("!", f"{_YAML}seq")}

_NO_TEXT = "a key must be a text"
_MERGE: Any = object()  # the key `<<` (https://yaml.org/type/merge.html), until its mapping is complete
_SKIPPED: Any = object()  # a key that is a fault, until its mapping is complete


class Survey(NamedTuple):
    data: Any  # None: the text is empty, or cannot be read to its end
    problems: list[Problem]
    places: dict[KeyPath, Place]
    is_whole: bool  # the text was read to its end


def load(text: str, file: str, plain: Plain, values_max: int) -> Any:
    """The data in *text*; None for an empty one. Raises Unreadable, with the first fault. *file* is how problems call it."""
    refuse_forbidden(text, file)
    try:
        return _Reader(text, plain, values_max).read()
    except (_Wrong, yaml.YAMLError):
        raise Unreadable(survey(text, file, plain, values_max, (), faults_max=1).problems[0]) from None


def survey(
    text: str,
    file: str,
    plain: Plain,
    values_max: int,
    wanted: Collection[str] | None = None,
    *,
    faults_max: int = FAULTS_MAX,
) -> Survey:
    """Like load(), with every fault and every place; never raises. *wanted*: the keys at the top whose places are kept; None: all."""
    track = Track(file, wanted, faults_max)
    try:
        refuse_forbidden(text, file)
        return Survey(_Reader(text, plain, values_max, track).read(), track.problems, track.places, is_whole=True)
    except Unreadable as error:
        track.problems.append(error.problem)
    except EnoughFaults:
        pass
    except _Wrong as wrong:
        track.problems.append(Problem(file, *place(wrong.mark), "", wrong.message))
    except yaml.YAMLError as error:
        track.problems.append(explain(error, text, file))
    return Survey(None, track.problems, track.places, is_whole=False)


class _Wrong(Exception):
    """Raised at a bound, or at the first fault if the caller wants no more."""

    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.mark, self.message = mark, message


class _Anchored(NamedTuple):
    value: Any
    text: str | None  # as it was written; None: it is a list or a mapping
    size: int  # values
    height: int  # levels of lists and mappings


class _Reader:
    """Events in, data out. Without a track it raises _Wrong at the first fault; with one only where a bound is met."""

    def __init__(self, text: str, plain: Plain, values_max: int, track: Track | None = None) -> None:
        self._loader = LOADER(text)
        self._plain = plain
        self._values_max = values_max
        self._track = track
        self._anchors: dict[str, _Anchored | None] = {}  # None: not complete yet

    def read(self) -> Any:
        try:
            return self._document()
        finally:
            self._loader.dispose()

    def _document(self) -> Any:  # noqa: C901, PLR0912, PLR0915  one loop, run a million times: more calls would double its cost
        get_event, plain, track, anchors = self._loader.get_event, self._plain, self._track, self._anchors
        # What is around the container: its parent, its key there, its anchor, the number of values and the deepest level before it.
        stack: list[tuple[Any, Any, str | None, int, int]] = []
        container: Any = None
        key: Any = None
        root: Any = None
        value: Any
        has_root = False
        values = deepest = 0
        while True:
            event = get_event()
            kind = event.__class__
            is_key = key is None and container.__class__ is dict
            size = 1
            if kind is events.ScalarEvent:
                value = event.value
                if event.tag and event.tag not in _SCALAR_TAGS:
                    self._refuse_tag(event, is_key=is_key)
                    value = value if is_key else None
                elif is_key:
                    if value == "<<" and event.implicit[0]:
                        value = _MERGE
                elif event.implicit[0] or event.tag in _PLAIN_TAGS:
                    value = plain(value)
                if event.anchor:
                    anchors[event.anchor] = _Anchored(value, event.value, 1, 0)
            elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
                is_usable = not event.tag or event.tag in _COLLECTION_TAGS[kind]
                if not is_usable:
                    self._refuse_tag(event, is_key=is_key)
                if is_key:
                    self._refuse(event, _NO_TEXT)
                if len(stack) >= DEPTH_MAX:
                    raise _Wrong(event.start_mark, TOO_DEEP)
                if event.anchor:
                    anchors[event.anchor] = None
                if track is not None:
                    track.enter(place(event.start_mark), is_mapping=kind is events.MappingStartEvent, is_usable=is_usable)
                stack.append((container, key, event.anchor, values, deepest))
                container, key = {} if kind is events.MappingStartEvent else [], None
                deepest = len(stack)
                continue
            elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                value = container
                if value.__class__ is dict and (_MERGE in value or _SKIPPED in value):
                    self._complete(value, event)
                if track is not None and not track.leave():
                    value = None
                container, key, anchor, values_before, deepest_before = stack.pop()
                if anchor:
                    anchors[anchor] = _Anchored(value, None, values - values_before + 1, deepest - len(stack))
                deepest = max(deepest, deepest_before)
                is_key = key is None and container.__class__ is dict
                if is_key:  # it is a fault already
                    value = _SKIPPED
            elif kind is events.AliasEvent:
                value, _, size, height = self._alias(event, len(stack), is_key=is_key)
                deepest = max(deepest, len(stack) + height)
            elif kind is events.StreamEndEvent:
                return root
            elif kind is events.DocumentStartEvent and has_root:
                raise _Wrong(event.start_mark, "another document begins here; one is expected")
            else:
                continue
            values += size
            if values > self._values_max:
                raise _Wrong(event.start_mark, f"with its aliases unfolded this file holds more than {self._values_max} values")
            if is_key:
                if value in container:
                    value = self._given_twice(event, value)
                key = value
                if track is not None:
                    track.key(value if value.__class__ is str else getattr(event, "value", ""), place(event.start_mark))
                continue
            if track is not None and kind is not events.MappingEndEvent and kind is not events.SequenceEndEvent:
                track.value(place(event.start_mark))
            if container.__class__ is dict:
                container[key] = value
                key = None
            elif container.__class__ is list:
                container.append(value)
            else:
                root, has_root = value, True

    def _alias(self, event: Any, depth: int, *, is_key: bool) -> _Anchored:
        """The value that an alias stands for, in a container at this *depth*."""
        known = self._anchors.get(event.anchor, False)
        if isinstance(known, _Anchored):
            if depth + known.height > DEPTH_MAX:
                raise _Wrong(event.start_mark, f"with its aliases unfolded this file is more than {DEPTH_MAX} levels deep")
            if not is_key:
                return known
            if known.text is not None:
                return known._replace(value=known.text)
            self._refuse(event, _NO_TEXT)
        elif known is None:
            self._refuse(event, f"an alias inside what it stands for: *{shortened(event.anchor)}", is_key=is_key)
        else:
            name = shortened(event.anchor)
            self._refuse(event, f"undefined alias: *{name} has no anchor &{name} before it", is_key=is_key)
        return _Anchored(_SKIPPED if is_key else None, None, 1, 0)

    def _complete(self, mapping: dict[Any, Any], event: Any) -> None:
        """Puts what `<<` brings in its place, below the keys that the mapping has itself."""
        mapping.pop(_SKIPPED, None)
        brought = mapping.pop(_MERGE, [])
        where = self._track.merge if self._track is not None else None
        for source in brought if isinstance(brought, list) else [brought]:
            if not isinstance(source, dict):
                self._refuse(event, "<< takes an alias of a mapping, or a list of them", point=where.value if where else None)
                continue
            if self._track is not None and where:
                self._track.brought(source.keys() - mapping.keys(), where.key)
            for key, value in source.items():
                mapping.setdefault(key, value)

    def _given_twice(self, event: Any, key: Any) -> Any:
        if key is not _SKIPPED:
            name = "<<" if key is _MERGE else key
            line = self._track.first(name)[0] if self._track is not None else 0
            self._refuse(event, f"this key was given already on line {line}; which of the two is meant?", name)
        return _SKIPPED

    def _refuse_tag(self, event: Any, *, is_key: bool) -> None:
        self._refuse(event, f"the tag {shortened(event.tag.replace(_YAML, '!!'))} cannot be used here; leave it out", is_key=is_key)

    def _refuse(self, event: Any, message: str, *key: str, is_key: bool = True, point: Point | None = None) -> None:
        """*is_key*: it is a fault of the mapping, or of its *key*, and not of the value that is to come."""
        if self._track is None:
            raise _Wrong(event.start_mark, message)
        path = self._track.path(*key) if is_key else self._track.path_of_value()
        self._track.refuse(point or place(event.start_mark), message, path)
