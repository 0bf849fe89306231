"""Where in the text of a services file each value stands: read only when a fault is to be reported, for it costs a pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from yaml import events

_DOCUMENT = "\n"  # the path of the whole; a key may be empty, but this cannot be one that anybody asks for
_MERGED = "\n<<"  # of what `<<` brings into the document: services whose names stand elsewhere
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_ESCAPED = re.compile(r"\\(?:\\|u[dD]([89a-fA-F]))")  # a backslash that is none, and the beginning of half a character
_HALVES = range(0xD800, 0xE000)
_SHIFT = 0x800  # from the halves to characters that nobody uses (the first of the private ones)


def _shifted(match: re.Match[str]) -> str:
    return f"\\ue{int(match[1], 16) - 8}" if match[1] else match[0]


def _as_halves(name: str) -> str:
    """*name* as its key is read where each character beyond U+FFFF was escaped, and shifted above."""
    octets = name.encode("utf-16-be", "surrogatepass")
    units = [octets[at] << 8 | octets[at + 1] for at in range(0, len(octets), 2)]
    return "".join(chr(unit + _SHIFT if unit in _HALVES else unit) for unit in units)


class Place(NamedTuple):
    """Line and column, 1-based, of a key, and of its value where that is a scalar, else of the key again."""

    key: tuple[int, int]
    value: tuple[int, int]


class _Container:
    __slots__ = ("index", "is_mapping", "key", "key_mark", "path")

    def __init__(self, path: str | None, *, is_mapping: bool) -> None:
        self.path = path  # None: in a service that is not asked for
        self.is_mapping = is_mapping
        self.key: str | None = None
        self.key_mark: Any = None
        self.index = 0


def places(text: str, services: set[str]) -> dict[str, Place]:
    """By key path (`web.instances[1].port`), for everything in these services. Of text that is broken, what stands before the fault."""
    found: dict[str, Place] = {}
    stack: list[_Container] = []
    # JSON is a subset of YAML but for escapes of half characters, which libyaml refuses: here they are others, of the same length.
    text = _ESCAPED.sub(_shifted, text)
    names = {spelled: name for name in services for spelled in (name, _as_halves(name))}
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            _take(event, stack, names, found)
    except yaml.YAMLError:
        pass
    if merged := found.get(_MERGED):
        found |= {name: merged for name in services if name not in found}
    return found


def _take(event: Any, stack: list[_Container], services: Mapping[str, str], found: dict[str, Place]) -> None:
    inner = stack[-1] if stack else None
    if isinstance(event, events.CollectionEndEvent):
        stack.pop()
        return
    if not isinstance(event, events.NodeEvent):
        return
    is_scalar = not isinstance(event, events.CollectionStartEvent)
    if inner and inner.is_mapping and inner.key is None and is_scalar:
        inner.key = event.value if isinstance(event, events.ScalarEvent) else ""
        inner.key_mark = event.start_mark
        return
    path = _path(inner, services)
    if path is not None and inner is not None:
        value = _place(event.start_mark)
        key = _place(inner.key_mark) if inner.is_mapping else value
        found.setdefault(path, Place(key, value if is_scalar else key))
    if inner:
        inner.key = None
        inner.index += 1
    if not is_scalar:
        stack.append(_Container(path, is_mapping=isinstance(event, events.MappingStartEvent)))


def _path(inner: _Container | None, services: Mapping[str, str]) -> str | None:
    """Of the value that begins in *inner*; *services*: names by how their keys are read here."""
    if inner is None:
        return _DOCUMENT
    if inner.path == _DOCUMENT:
        if not inner.is_mapping or inner.key is None:
            return None
        return _MERGED if inner.key == "<<" else services.get(inner.key)
    if inner.path is None:
        return None
    return f"{inner.path}.{inner.key}" if inner.is_mapping else f"{inner.path}[{inner.index}]"


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
