"""A YAML file into plain values, with the line and the column of each, and every fault that the syntax allows to see at once.

Only what JSON can say comes out: mappings with text keys, lists, text, numbers, true, false, null. No tag can build anything else.
A tower of brackets, of aliases, or a file of the wrong kind is refused within milliseconds, with the bound named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dnsdisco.config.nodes import compose, DEPTH_MAX, explain, NODES_MAX
from dnsdisco.config.octets import FileRefused, octets_of
from dnsdisco.errors import EXCERPT_MAX, Problem, reason, shortened
from dnsdisco.written.units import shown

SEARCHED = ("dnsdisco.yaml", "/etc/dnsdisco/dnsdisco.yaml")  # the working directory first

KeyPath = tuple[str | int, ...]

_BOOLEANS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


@dataclass(frozen=True, slots=True)
class Document:
    """`values` is what was written ({} for an empty file). Places are 1-based (line, column)."""

    file: str  # as the user named it; "": there is none
    values: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    key_places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    value_places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    is_distrusted: bool = False  # it was only found, and belongs to another user

    def problem(self, path: KeyPath, message: str, *, at_key: bool = False) -> Problem:
        """A fault at *path*, placed at the nearest thing that was written: the value, else the key, else what encloses it."""
        order = (self.key_places, self.value_places) if at_key else (self.value_places, self.key_places)
        for length in range(len(path), -1, -1):
            for places in order:
                if path[:length] in places:
                    return Problem(self.file, *places[path[:length]], dotted(path), message)
        return Problem(self.file, 0, 0, dotted(path), message)


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
    text, problem = _text(octets, path)
    return Document(path, problems=(problem,)) if problem else parse(text, path)


def parse(text: str, path: str) -> Document:
    """The document in *text*; *path* is only how problems call it."""
    if problem := _unprintable(text, path):
        return Document(path, problems=(problem,))
    try:
        node = compose(text)
    except yaml.MarkedYAMLError as error:
        line, column, message = explain(error, text)
        return Document(path, problems=(Problem(path, line, column, "", message),))
    except yaml.YAMLError as error:
        return Document(path, problems=(Problem(path, 0, 0, "", f"this is not YAML: {reason(error)}"),))
    if node is None or (isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"):
        return Document(path)
    reader = _Reader(path)
    values = reader.value(node, ())
    if reader.is_overfull:
        return Document(path, problems=tuple(reader.problems))
    if not isinstance(values, dict):
        problem = Problem(path, *_place(node), "", f"expected a mapping of keys to values such as `ttl: 5`, found {shown(values)}")
        return Document(path, problems=(*reader.problems, problem))
    return reader.document(values)


def _text(octets: bytes, path: str) -> tuple[str, Problem | None]:
    try:
        return octets.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        before = octets[: error.start].decode("utf-8-sig", "replace")
        line, column = _line_and_column(before, len(before))
        return "", Problem(path, line, column, "", f"this is not UTF-8: octet 0x{octets[error.start]:02x}")


def _unprintable(text: str, path: str) -> Problem | None:
    """The first character that YAML 1.2 §5.1 forbids, such as NUL."""
    found = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if not found:
        return None
    return Problem(path, *_line_and_column(text, found.start()), "", f"the character U+{ord(found[0]):04X} cannot stand in YAML")


class _Reader:
    """Nodes to values; collects faults and places as it goes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._left = NODES_MAX
        self._open: set[int] = set()  # the nodes around the one being read
        self.problems: list[Problem] = []
        self._key_places: dict[KeyPath, tuple[int, int]] = {}
        self._value_places: dict[KeyPath, tuple[int, int]] = {}

    @property
    def is_overfull(self) -> bool:
        return self._left < 0

    def document(self, values: dict[str, Any]) -> Document:
        return Document(self._path, values, tuple(self.problems), self._key_places, self._value_places)

    def value(self, node: Node, path: KeyPath) -> Any:
        """The value of *node*; None where it has none, and then there is a problem."""
        self._value_places[path] = _place(node)
        if self._left < 0:
            return None  # reported already
        self._left -= 1
        if self._left < 0:
            self._refuse(node, path, f"with its aliases unfolded this file holds more than {NODES_MAX} values")
            return None
        if len(path) > DEPTH_MAX:
            self._refuse(node, path, f"with its aliases unfolded this file is more than {DEPTH_MAX} levels deep")
            self._left = -1
            return None
        if id(node) in self._open:
            self._refuse(node, path, "an alias inside what it stands for")
            return None
        self._open.add(id(node))
        value = self._value(node, path)
        self._open.discard(id(node))
        return value

    def _value(self, node: Node, path: KeyPath) -> Any:
        match node:
            case ScalarNode():
                return self._scalar(node, path)
            case SequenceNode() if node.tag == "tag:yaml.org,2002:seq":
                return [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
            case MappingNode() if node.tag == "tag:yaml.org,2002:map":
                return self._mapping(node, path)
        self._refuse(node, path, f"the tag {_tag(node)} cannot be used here")
        return None

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        text = node.value
        try:
            match node.tag.removeprefix("tag:yaml.org,2002:"):
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return _BOOLEANS[text.lower()]
                case "int":
                    return int(text)
                case "float":
                    return float(text)
        except (ValueError, KeyError):  # `!!int abc`, or more digits than Python makes a number of
            return text
        self._refuse(node, path, f"the tag {_tag(node)} cannot be used here")
        return None

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in self._pairs(node, path):
            if not isinstance(key_node, ScalarNode):
                self._refuse(key_node, path, "a key must be a text")
                continue
            key = key_node.value
            if key in values:
                first_line = self._key_places[(*path, key)][0]
                self._refuse(key_node, (*path, key), f"this key was given already on line {first_line}; which of the two is meant?")
                continue
            self._key_places[(*path, key)] = _place(key_node)
            values[key] = self.value(value_node, (*path, key))
        return values

    def _pairs(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[Node, Node]]:
        """The pairs of a mapping; those that `<<` brings in come last, and only where the mapping has no such key itself."""
        merged: list[tuple[Node, Node]] = []
        for key_node, value_node in node.value:
            if key_node.tag != "tag:yaml.org,2002:merge":
                yield key_node, value_node
                continue
            for source in value_node.value if isinstance(value_node, SequenceNode) else [value_node]:
                if isinstance(source, MappingNode):
                    merged += source.value
                else:
                    self._refuse(value_node, path, "<< takes an alias of a mapping, or a list of them")
        taken = {key_node.value for key_node, _ in node.value if isinstance(key_node, ScalarNode)}
        for key_node, value_node in merged:
            if isinstance(key_node, ScalarNode) and key_node.value not in taken:
                taken.add(key_node.value)
                yield key_node, value_node

    def _refuse(self, node: Node, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(self._path, *_place(node), dotted(path), message))


def _tag(node: Node) -> str:
    return shortened(str(node.tag).replace("tag:yaml.org,2002:", "!!"))


def _place(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _line_and_column(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
