"""A change of the data becomes a change of the text, and nothing else in the text changes.

YAML: where an instance comes or goes, its lines do (items.py). Else the lines of the one service are read and written by
ruamel.yaml, which keeps comments; all other lines stay as they are, octet for octet. Where those lines do not stand for themselves
(anchors of other services, a file that is one `{...}`), the whole file goes through it (ADR 0061). JSON is written anew with its own
indentation. Either way the new text is read back, and unless it has the data of the old
one, with the one change, the edit is refused: a file is never made worse.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml
from yaml import events

from dnsdisco.model.service_data import service_from_data
from dnsdisco.providers.static.change import Change
from dnsdisco.providers.static.items import edit_items
from dnsdisco.providers.static.text import is_json, parse
from dnsdisco.written.syntax import Unreadable

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unchangeable(Exception):
    """The text cannot be edited without a risk to what else is in it; a person has to."""


class _Lines(NamedTuple):
    """The lines of one service: from its key to the end of its value."""

    start: int
    end: int


def edit(text: str, file: str, name: str, change: Change) -> str | None:
    """*text* with *change* made to the service *name*; None: there was nothing to change. Raises Unreadable and Unchangeable."""
    old = parse(text, file)
    wanted = {key: _unfolded(value) if key == name else value for key, value in old.items()}
    if not change(wanted):
        return None
    if _has_data(old, wanted, name):
        return text  # as it is written

    def by_items(text: str, name: str, _change: Change) -> str:
        lines = _lines_of(text, name)
        part = edit_items(text[lines.start : lines.end], name, old.get(name), wanted.get(name), _rendered)
        return text[: lines.start] + part + text[lines.end :]

    writers = [_edit_json] if is_json(text, file) else [by_items, _edit_lines, _edit_whole]
    for write in writers:
        try:
            new_text = write(text, name, change)
            new = parse(new_text, file)
        except Unreadable:
            continue
        except Exception:  # noqa: BLE001, S112  whatever ruamel.yaml raises for a text that it cannot write: the next way, else refused
            continue
        if _has_data(new, wanted, name):
            return new_text
    raise Unchangeable(
        f"{name} cannot be changed without a risk to the rest of the file (are there anchors?); please edit it by hand"
    )


def _unfolded(value: Any) -> Any:
    """A copy in which nothing is shared: what an alias stands for is not to change with it."""
    if isinstance(value, dict):
        return {key: _unfolded(each) for key, each in value.items()}
    return [_unfolded(each) for each in value] if isinstance(value, list) else value


def _has_data(new: dict[str, Any], wanted: dict[str, Any], name: str) -> bool:
    if list(new) != list(wanted) or any(new[key] != wanted[key] for key in new if key != name):
        return False
    return name not in new or service_from_data(name, new[name])[0] == service_from_data(name, wanted[name])[0]


def _edit_json(text: str, _name: str, change: Change) -> str:
    # A float comes back as it was written: 1.10 is not 1.1 to a reader that takes it as text. NUL cannot be in the file itself.
    services = json.loads(text, parse_float="\0{}\0".format) if text.strip() else {}
    change(services)
    indented = re.search(r"\n([ \t]+)\S", text)
    is_long = "\n" in text.strip() or not text.strip()
    indent: Any = (indented[1] if indented else 2) if is_long else None
    separators = None if is_long or '": ' in text or not text.strip() else (",", ":")
    new = json.dumps(services, indent=indent, separators=separators, ensure_ascii=text.isascii())
    new = re.sub(r'"\\u0000([^"\\]*)\\u0000"', r"\1", new)
    new += "\n" if text.endswith("\n") or not text.strip() else ""
    return new.replace("\n", "\r\n") if "\r\n" in text else new


def _edit_lines(text: str, name: str, change: Change) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = _lines_of(text, name)
    before, its, after = text[: lines.start], text[lines.start : lines.end], text[lines.end :]
    if before and not before.endswith("\n"):
        before += newline
    return before + _by_ruamel(its, change, text).replace("\n", newline) + after


def _edit_whole(text: str, _name: str, change: Change) -> str:
    return _by_ruamel(text, change, text).replace("\n", "\r\n" if "\r\n" in text else "\n")


def _rendered(entries: Sequence[Any], is_flow: bool) -> str:  # noqa: FBT001  one of two styles, decided once
    """Entries of a list, as lines that begin with a dash."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq  # noqa: PLC0415

    neighbour = CommentedMap()
    neighbour.fa.set_flow_style()
    data = CommentedSeq([neighbour, *entries] if is_flow else entries)
    _dress(data, {})
    if is_flow:
        del data[0]
    stream = io.StringIO()
    _ruamel(2, 0).dump(data, stream)
    return stream.getvalue()


def _ruamel(mapping: int, offset: int) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415  60 ms that only a registration should pay

    ruamel = YAML()
    ruamel.preserve_quotes = True
    ruamel.width = 1_000_000  # its habit of folding long lines would change other lines
    ruamel.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    return ruamel


def _by_ruamel(part: str, change: Change, whole: str) -> str:
    """*part*, a YAML document, after *change*; "" when nothing is left. New values look like their neighbours in *whole*."""
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415

    ruamel = _ruamel(*_indents(part, whole))
    ruamel.explicit_start = part.startswith("---")
    data = ruamel.load(part.replace("\r\n", "\n"))
    if data is None:
        data = CommentedMap()
    before = dict(_containers(data))
    change(data)
    _dress(data, before)
    if not data:
        return ""
    stream = io.StringIO()
    ruamel.dump(data, stream)
    return stream.getvalue()


def _containers(data: Any) -> Iterator[tuple[int, dict[Any, Any]]]:
    """Every mapping and list in *data*, by identity, with what is in it now."""
    if isinstance(data, (dict, list)):
        items = dict(data.items() if isinstance(data, dict) else enumerate(data))
        yield id(data), items
        for value in items.values():
            yield from _containers(value)


def _dress(data: Any, before: dict[int, dict[Any, Any]]) -> None:
    """Set the style of nodes that are new since *before*: flow style beside neighbours in flow style and for lists of texts, texts in quotes."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq  # noqa: PLC0415

    items: list[tuple[Any, Any]] = list(data.items()) if isinstance(data, dict) else list(enumerate(data))
    neighbours = [value for _, value in items if isinstance(value, (CommentedMap, CommentedSeq))]
    for key, value in items:
        if isinstance(value, (CommentedMap, CommentedSeq)):
            _dress(value, before)
            continue
        if not isinstance(value, (dict, list)):
            if before.get(id(data), {}).get(key) is not value:
                data[key] = _quoted(value)
            continue
        dressed = CommentedMap({_quoted(k): v for k, v in value.items()}) if isinstance(value, dict) else CommentedSeq(value)
        is_beside_flow = isinstance(data, list) and bool(neighbours) and all(each.fa.flow_style() for each in neighbours)
        if is_beside_flow or (isinstance(value, list) and not any(isinstance(each, (dict, list)) for each in value)):
            dressed.fa.set_flow_style()
        data[key] = dressed
        _dress(dressed, before)


def _quoted(value: Any) -> Any:
    """A new text in quotes where some reader of YAML could take it for something else: `::1` in flow style, `yes`, `1.10`."""
    if type(value) is not str or (_PLAIN.fullmatch(value) and not _NO_TEXT.fullmatch(value)):
        return value
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415

    return DoubleQuotedScalarString(value)


_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*")
_NO_TEXT = re.compile(
    r"[0-9_]*+(?:\.[0-9_]*+)?(?:[eE][0-9-]+)?|0[xob].*|[0-9]+-[0-9]+-[0-9]+.*|y|n|yes|no|on|off|true|false|null|\..*", re.IGNORECASE
)
# A line that ends in a colon or a comment behind it, and blank lines and comments. Nothing of it is tried twice, nor a last line without an end.
_KEY = r"[^\s#-](?=[^\n]*\n)(?>[^\n]*:[ \t]*+(?:#[^\n]*)?\r?\n)(?>(?:[ \t]*+(?:#[^\n]*)?\r?\n)*)"
_IN_MAPPING = re.compile(rf"^{_KEY}( +)[^\s#-]", re.MULTILINE)
_IN_LIST = re.compile(rf"^( *){_KEY}( *)- ", re.MULTILINE)


def _indents(part: str, whole: str) -> tuple[int, int]:
    """The indents that the service, else the file, has inside a mapping, and for a list below its key."""
    mapping = _IN_MAPPING.search(part) or _IN_MAPPING.search(whole)
    sequence = _IN_LIST.search(part) or _IN_LIST.search(whole)
    offset = len(sequence[2]) - len(sequence[1]) if sequence else 2
    return (len(mapping[1]) if mapping else 2), max(0, offset)


def _lines_of(text: str, name: str) -> _Lines:
    """The lines of the service *name*, or the end of the file where it is to come. Raises ValueError where lines do not do."""
    depth = 0
    key: Any = None
    end = 0
    flows: list[bool] = []
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, events.CollectionStartEvent):
            if depth == 0 and (event.flow_style or _column(event.start_mark) or not isinstance(event, events.MappingStartEvent)):
                raise ValueError("not a mapping in block style")
            flows.append(bool(event.flow_style))
            depth += 1
            continue
        if isinstance(event, events.CollectionEndEvent):
            depth -= 1
            end = _index(event.end_mark) if flows.pop() else end  # a block ends where the next thing begins
        elif isinstance(event, (events.ScalarEvent, events.AliasEvent)):
            end = _index(event.end_mark)
            if depth == 0 and (not isinstance(event, events.ScalarEvent) or event.value):
                raise ValueError("not a mapping")
            if depth == 1 and key is None:
                key = event
                continue
        else:
            continue
        if depth == 1:
            if isinstance(key, events.ScalarEvent) and key.value == name:
                return _whole_lines(text, key.start_mark, end)
            key = None
    end_mark = re.search(r"^\.\.\.", text, re.MULTILINE)  # what comes after it is not of the document
    end = end_mark.start() if end_mark else len(text)
    return _Lines(end, end)


def _index(mark: Any) -> int:
    return int(mark.index)


def _column(mark: Any) -> int:
    return int(mark.column)


def _whole_lines(text: str, start: Any, end: int) -> _Lines:
    if _column(start):
        raise ValueError("its line begins with something else")
    if text[end - 1 : end] != "\n":
        newline = text.find("\n", end)
        end = len(text) if newline < 0 else newline + 1
    return _Lines(_index(start), end)
