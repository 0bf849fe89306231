"""The text of a services file, YAML or JSON, becomes plain data: mappings with text keys, lists, text; numbers where JSON has them.

A plain YAML scalar stays the text that was written (null and nothing are None): a service may be called `no`, and a meta value 1.10
is not 1.1. What reads the data takes numbers from text. One pass over libyaml's events, about 13 µs an instance; PyYAML's own
composer and constructor take six times as long. No tag can build anything.

A file that cannot be read is refused whole, with the place. Bounds: FILE_OCTETS_MAX, DEPTH_MAX, VALUES_MAX.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import yaml
from yaml import events

from dnsdisco.errors import Problem, reason, shortened

FILE_OCTETS_MAX = 32 * 1024 * 1024  # three times a file of 10,000 services and 100,000 instances; more belongs into Consul
DEPTH_MAX = 32  # service data are 5 deep; no person writes 32 levels by hand
VALUES_MAX = 5_000_000  # each alias counts as all that it stands for; three times the file above

_TOO_DEEP = f"more than {DEPTH_MAX} levels of lists and mappings in each other"

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_YAML = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({"!", *(_YAML + kind for kind in ("str", "int", "float", "bool", "null", "timestamp"))})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2 §5.1

_PLAIN = bytes(each for each in range(128) if not _FORBIDDEN.match(chr(each)))


class Unreadable(Exception):
    """Nothing in the file can be used."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Wrong(Exception):
    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.mark, self.message = mark, message


def text_of(octets: bytes, file: str) -> str:
    """The octets as text. Raises Unreadable for what is no UTF-8, and for a size beyond FILE_OCTETS_MAX."""
    if len(octets) > FILE_OCTETS_MAX:
        raise Unreadable(Problem(file, 0, 0, "", f"the file is larger than {FILE_OCTETS_MAX} octets, the most that is read"))
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = octets[: error.start].decode("utf-8-sig", "replace")
        raise _unreadable(file, before, len(before), f"this is not UTF-8: octet 0x{octets[error.start]:02x}") from None


def parse(text: str, file: str) -> dict[str, Any]:
    """The services in *text*; {} for an empty one. *file* is how problems call it, and `.json` decides for JSON. Raises Unreadable."""
    is_plain = text.isascii() and not text.encode().translate(None, _PLAIN)  # a fifth of the time that the expression takes
    forbidden = None if is_plain else _FORBIDDEN.search(text)
    if forbidden:
        message = f"the character U+{ord(forbidden[0]):04X} cannot stand in a services file"
        raise _unreadable(file, text, forbidden.start(), message)
    data = _from_json(text, file) if is_json(text, file) else _from_yaml(text, file)
    if data is None:
        return {}
    if not isinstance(data, dict):
        at = len(text) - len(text.lstrip())
        raise _unreadable(file, text, at, "expected a mapping of service names to their data, such as `auth: {address: 10.0.0.11}`")
    return data


def is_json(text: str, file: str) -> bool:
    """By its name, else by its content: JSON in a file that is called .yaml is still written back as JSON."""
    if file.lower().endswith(".json"):
        return True
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _from_json(text: str, file: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_float=str, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        before = text[: error.pos + 1].rstrip("]} \t\r\n")  # Python 3.13 points at the comma, 3.12 at what comes after it
        if before.endswith(",") and text[len(before) :].lstrip()[:1] in ("]", "}"):
            raise _unreadable(file, text, len(before) - 1, "this is not JSON: it has no comma after the last one") from None
        message = f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise Unreadable(Problem(file, error.lineno, error.colno, "", message)) from None
    except RecursionError:
        raise _unreadable(file, text, 0, _TOO_DEEP) from None
    except ValueError as error:  # a key twice, NaN, a number of thousands of digits
        try:
            _Builder(text).build()  # knows where
        except _Wrong as wrong:
            raise _placed(file, wrong.mark, wrong.message) from None
        except yaml.YAMLError:
            pass
        raise _unreadable(file, text, 0, str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key is given twice")
    return mapping


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _from_yaml(text: str, file: str) -> Any:
    try:
        return _Builder(text).build()
    except _Wrong as wrong:
        raise _placed(file, wrong.mark, wrong.message) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if "nesting depth" in (error.problem or ""):  # libyaml's own bound: it reads ahead, and meets that before we see any of it
            raise _placed(file, _too_deep(text, mark), _TOO_DEEP) from None
        if mark and not text[mark.index :].strip():
            message = "this is not YAML: the text ends too early: a list, a mapping or a quoted text is not closed"
            raise _unreadable(file, text, len(text.rstrip()), message) from None
        raise _placed(file, mark, _explained(error, text)) from None
    except yaml.YAMLError as error:
        raise Unreadable(Problem(file, 0, 0, "", f"this is not YAML: {reason(error)}")) from None


def _too_deep(text: str, mark: Any) -> Any:
    """Where the level begins that is one too many. *mark*: where libyaml met its bound; what is before that it reads."""
    depth = 0
    with suppress(yaml.YAMLError):
        for event in yaml.parse(text[: mark.index], Loader=_LOADER):
            depth += isinstance(event, events.CollectionStartEvent) - isinstance(event, events.CollectionEndEvent)
            if depth > DEPTH_MAX:
                return event.start_mark
    return mark


class _Builder:
    """Events in, data out."""

    def __init__(self, text: str) -> None:
        self._loader = _LOADER(text)
        self._values = 0
        self._anchors: dict[str, tuple[Any, int] | None] = {}  # value and size; None: not complete yet

    def build(self) -> Any:
        try:
            return self._document()
        finally:
            self._loader.dispose()

    def _document(self) -> Any:  # noqa: PLR0912  one loop, run a million times: more calls would double its cost
        get_event = self._loader.get_event
        # What is around the container: its parent, its key there, its anchor, the number of values before it.
        stack: list[tuple[Any, Any, str | None, int]] = []
        container: Any = None
        key: Any = None
        root: Any = None
        value: Any
        has_root = False
        while True:
            event = get_event()
            kind = event.__class__
            is_key = container.__class__ is dict and key is None
            size = 1
            if kind is events.ScalarEvent:
                value = self._scalar(event, is_key=is_key)
            elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
                self._refuse_container(event, is_key=is_key, depth=len(stack))
                stack.append((container, key, event.anchor, self._values))
                container, key = {} if kind is events.MappingStartEvent else [], None
                continue
            elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                value = _merged(container, event.start_mark) if container.__class__ is dict and _MERGE in container else container
                container, key, anchor, values_before = stack.pop()
                if anchor:
                    self._anchors[anchor] = value, self._values - values_before + 1
            elif kind is events.AliasEvent:
                value, size = self._alias(event)
                if is_key and not isinstance(value, str):
                    raise _Wrong(event.start_mark, "a key must be a text")
            elif kind is events.StreamEndEvent:
                return root
            elif kind is events.DocumentStartEvent and has_root:
                raise _Wrong(event.start_mark, "a second document begins here; one is expected")
            else:
                continue
            self._values += size
            if self._values > VALUES_MAX:
                raise _Wrong(event.start_mark, f"with its aliases unfolded this file holds more than {VALUES_MAX} values")
            if is_key and kind is not events.MappingEndEvent and kind is not events.SequenceEndEvent:
                if value in container:
                    raise _Wrong(event.start_mark, f"the key {'<<' if value is _MERGE else value!r} is given twice")
                key = value
            elif container.__class__ is dict:
                container[key] = value
                key = None
            elif container.__class__ is list:
                container.append(value)
            else:
                root, has_root = value, True

    def _scalar(self, event: Any, *, is_key: bool) -> Any:
        value: Any = event.value
        if event.tag and event.tag not in _TEXT_TAGS:
            raise _Wrong(event.start_mark, f"the tag {shortened(event.tag)} is not allowed here; leave it out")
        if event.implicit[0]:  # plain
            if is_key:
                value = _MERGE if value == "<<" else value
            elif value in _NULLS:
                value = None
        if event.anchor:
            self._anchors[event.anchor] = value, 1
        return value

    def _refuse_container(self, event: Any, *, is_key: bool, depth: int) -> None:
        if event.tag and event.tag not in (f"{_YAML}map", f"{_YAML}seq"):
            raise _Wrong(event.start_mark, f"the tag {shortened(event.tag)} is not allowed here; leave it out")
        if is_key:
            raise _Wrong(event.start_mark, "a key must be a text")
        if depth >= DEPTH_MAX:
            raise _Wrong(event.start_mark, _TOO_DEEP)
        if event.anchor:
            self._anchors[event.anchor] = None

    def _alias(self, event: Any) -> tuple[Any, int]:
        known, name = self._anchors.get(event.anchor, False), shortened(event.anchor)
        if known is False:
            raise _Wrong(event.start_mark, f"the alias *{name} has no anchor &{name} before it")
        if known is None:
            raise _Wrong(event.start_mark, f"the alias *{name} stands inside what it stands for")
        assert isinstance(known, tuple)
        return known


_MERGE = object()  # the key `<<` (https://yaml.org/type/merge.html), until its mapping is complete


def _merged(mapping: dict[Any, Any], mark: Any) -> dict[str, Any]:
    """*mapping* with what `<<` brings in, below its own keys."""
    brought = mapping.pop(_MERGE)
    for source in brought if isinstance(brought, list) else [brought]:
        if not isinstance(source, dict):
            raise _Wrong(mark, "`<<` takes a mapping, or a list of mappings")
        for key, value in source.items():
            mapping.setdefault(key, value)
    return mapping


def _explained(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    why = error.problem or error.context or "it cannot be understood"
    char = text[mark.index : mark.index + 1] if mark else ""
    if char == "\t" or "'\\t'" in why:
        why = "a tab stands where only spaces may; YAML is indented with spaces"
    elif char and char in "@`%" and "cannot start any token" in why:
        why = f"a text that begins with {char} must be in quotes"
    elif "mapping values are not allowed" in why:
        why = "a second colon on one line; put the text in quotes, or check the indentation"
    elif error.context and error.context_mark and mark and error.context_mark.line != mark.line:
        why = f"{error.context} that began on line {error.context_mark.line + 1}: {why}"
    return f"this is not YAML: {shortened(why)}"


def _place(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _placed(file: str, mark: Any, message: str) -> Unreadable:
    return Unreadable(Problem(file, *_place(mark), "", message))


def _unreadable(file: str, text: str, at: int, message: str) -> Unreadable:
    before = text[:at]
    return Unreadable(Problem(file, before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1, "", message))
