"""YAML text into nodes, bounded in depth and number before they cost anything, and what its syntax errors mean in plain words.

PyYAML's composer runs over the events of libyaml's parser (or of the Python one, where PyYAML was built without). Tags are only
named here; nothing is built from them.
"""

from __future__ import annotations

import re
from typing import Any, TYPE_CHECKING

import yaml
from yaml.composer import Composer
from yaml.nodes import Node
from yaml.resolver import Resolver

from dnsdisco.errors import shortened

if TYPE_CHECKING or yaml.__with_libyaml__:
    from yaml._yaml import CParser as _Parser
else:
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Parser(Reader, Scanner, Parser):
        def __init__(self, stream: str) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)


DEPTH_MAX = 32  # the schema is 4 deep; plug-ins may nest further, and no person writes 32 levels by hand
_TOO_DEEP = f"more than {DEPTH_MAX} levels of lists and mappings in each other"
NODES_MAX = 50_000  # values; each alias counts as all that it stands for; a quarter of a second to read


class BoundMet(yaml.MarkedYAMLError):
    """A bound was met."""


class _Nodes(Composer, _Parser, Resolver):
    def __init__(self, text: str) -> None:
        _Parser.__init__(self, text)
        Composer.__init__(self)
        Resolver.__init__(self)
        self._depth = self._number = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self._depth += 1
        self._number += 1
        if self._depth > DEPTH_MAX:
            raise BoundMet(problem=_TOO_DEEP, problem_mark=self._mark())
        if self._number > NODES_MAX:
            raise BoundMet(problem=f"more than {NODES_MAX} values", problem_mark=self._mark())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _mark(self) -> Any:
        event = self.peek_event()
        return event.start_mark if event else None


# Plain text is read as in YAML 1.1 (`off` is false), but a number is what a services file takes for one (written/units.py): decimal
# digits. `0x10`, `020`, `1_000`, `1e3` and `.5`, which YAML's versions read in different ways, are texts, and so is `1:53`, which is
# no base-60 number here, and 2026-01-02, which is no date.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+$")
_NUMERIC = {"tag:yaml.org,2002:int": _INTEGER, "tag:yaml.org,2002:float": _FLOAT}
_Nodes.yaml_implicit_resolvers = {
    first: [(tag, _NUMERIC.get(tag, pattern)) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in Resolver.yaml_implicit_resolvers.items()
}


def compose(text: str) -> Node | None:
    """The root node of the only document in *text*; None: it is empty. Raises yaml.YAMLError."""
    return _Nodes(text).get_single_node()


def explain(error: yaml.MarkedYAMLError, text: str) -> tuple[int, int, str]:
    """Line and column (1-based; 0: not known) of a syntax error, and what to mend, in words."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return 0, 0, f"this is not YAML: {shortened(str(error.problem or error.context))}"
    place = mark.line + 1, mark.column + 1
    if isinstance(error, BoundMet):
        return *place, str(error.problem)
    if "nesting depth" in (error.problem or ""):  # libyaml's own bound: it reads ahead, and meets that before we see any of it
        return *place, _TOO_DEEP
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    char = line[mark.column : mark.column + 1]
    reason = error.problem or error.context or "it cannot be understood"
    if char == "\t" or "tab character" in reason or "\\t" in reason:
        reason = "a tab stands where only spaces may; YAML is indented with spaces"
    elif char == ":" and ("node content" in reason or "found ':'" in reason):
        reason = 'a value cannot begin with a colon; put an IPv6 address in quotes, as in "[::1]:53"'
    elif char and char in "@`%" and "cannot start any token" in reason:
        reason = f"a text that begins with {char} must be in quotes"
    elif "mapping values are not allowed" in reason:
        reason = "a second colon on one line; put the text in quotes, or check the indentation"
    elif not text[_offset(lines, mark.line, mark.column) :].strip():
        reason = "the text ends too early: a list, a mapping or a quoted text is not closed"
    elif error.context and error.context_mark and error.context_mark.line != mark.line:
        reason = f"{error.context} that began on line {error.context_mark.line + 1}: {reason}"
    return *place, f"this is not YAML: {shortened(reason)}"


def _offset(lines: list[str], line: int, column: int) -> int:
    return sum(len(before) + 1 for before in lines[:line]) + column
