"""The text of a services file, YAML or JSON, becomes plain data: mappings with text keys, lists, text; numbers where JSON has them.

A plain YAML scalar stays the text that was written (null and nothing are None): a service may be called `no`, and a meta value 1.10
is not 1.1. What reads the data takes numbers from text.

A file that cannot be read is refused whole, with the place. Bounds: FILE_OCTETS_MAX, DEPTH_MAX, VALUES_MAX.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from dnsdisco.errors import Problem
from dnsdisco.written import syntax
from dnsdisco.written.places import KeyPath, Place
from dnsdisco.written.syntax import DEPTH_MAX, refuse_forbidden, TOO_DEEP, Unreadable, unreadable
from dnsdisco.written.yaml import load, NULLS, Survey, survey

FILE_OCTETS_MAX = 32 * 1024 * 1024  # three times a file of 10,000 services and 100,000 instances; more belongs into Consul
VALUES_MAX = 5_000_000  # each alias counts as all that it stands for; three times the file above
PATH_MAX = 1_000  # characters of a key path below which places are looked for: what is deeper stands where that path does

_NO_BRACKETS = bytes(each for each in range(256) if each not in b'[]{}"')
_ESCAPED = re.compile(r"\\(?:\\|u[dD]([89a-fA-F]))")  # a backslash that is none, and the beginning of half a character
_HALVES = range(0xD800, 0xE000)
_SHIFT = 0x800  # from the halves to characters that nobody uses (the first of the private ones)


def text_of(octets: bytes, file: str) -> str:
    """The octets as text. Raises Unreadable for what is no UTF-8, and for a size beyond FILE_OCTETS_MAX."""
    if len(octets) > FILE_OCTETS_MAX:
        raise Unreadable(Problem(file, 0, 0, "", f"the file is larger than {FILE_OCTETS_MAX} octets, the most that is read"))
    return syntax.text_of(octets, file)


def parse(text: str, file: str) -> dict[str, Any]:
    """The services in *text*; {} for an empty one. *file* is how problems call it, and `.json` decides for JSON. Raises Unreadable."""
    data = _from_json(text, file) if is_json(text, file) else load(text, file, _as_written, VALUES_MAX)
    if data is None:
        return {}
    if not isinstance(data, dict):
        line, column = _survey(text, file).places[()].value
        message = "expected a mapping of service names to their data, such as `auth: {address: 10.0.0.11}`"
        raise Unreadable(Problem(file, line, column, "", message))
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


def places(text: str, services: Collection[str]) -> dict[str, Place]:
    """By key path (`web.instances[1].port`), for everything in these services; a list and a mapping stand where their key does.

    Of a text that is broken, what stands before the fault.
    """
    names = {_as_halves(name): name for name in services if not name.isascii()} | {name: name for name in services}
    texts: dict[KeyPath, str] = {}
    found: dict[str, Place] = {}
    for path, place in _survey(text, "", names).places.items():
        if not path:
            continue
        *around, last = path
        before = texts.get(tuple(around), "")
        if len(before) <= PATH_MAX:
            texts[path] = f"{before}[{last}]" if isinstance(last, int) else f"{before}.{last}" if around else names[last]
            found.setdefault(texts[path], place if place.is_scalar else Place(place.key, place.key))
    return found


def _as_written(text: str) -> str | None:
    return None if text in NULLS else text


def _survey(text: str, file: str, wanted: Collection[str] = ()) -> Survey:
    """JSON is a subset of YAML but for escapes of half characters, which libyaml refuses: here they are others, of the same length."""
    return survey(_ESCAPED.sub(_shifted, text), file, _as_written, VALUES_MAX, wanted)


def _shifted(match: re.Match[str]) -> str:
    return f"\\ue{int(match[1], 16) - 8}" if match[1] else match[0]


def _as_halves(name: str) -> str:
    """*name* as its key is read where each character beyond U+FFFF was escaped, and shifted above."""
    octets = name.encode("utf-16-be", "surrogatepass")
    units = [octets[at] << 8 | octets[at + 1] for at in range(0, len(octets), 2)]
    return "".join(chr(unit + _SHIFT if unit in _HALVES else unit) for unit in units)


def _from_json(text: str, file: str) -> Any:
    refuse_forbidden(text, file)
    if not text.strip():
        return None
    if text.count(",") > VALUES_MAX:
        raise unreadable(file, text, 0, f"this file holds more than {VALUES_MAX} values")
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_float=str, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        before = text[: error.pos + 1].rstrip("]} \t\r\n")  # Python 3.13 points at the comma, 3.12 at what comes after it
        if before.endswith(",") and text[len(before) :].lstrip()[:1] in ("]", "}"):
            raise unreadable(file, text, len(before) - 1, "this is not JSON: it has no comma after the last one") from None
        message = f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise Unreadable(Problem(file, error.lineno, error.colno, "", message)) from None
    except RecursionError:
        raise _as_yaml_has_it(text, file, TOO_DEEP) from None
    except ValueError as error:  # a key twice, NaN, a number of thousands of digits
        raise _as_yaml_has_it(text, file, str(error)) from None
    if _is_too_deep(data, text):
        raise _as_yaml_has_it(text, file, TOO_DEEP)
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key is given twice")
    return mapping


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number of JSON")


def _is_too_deep(data: Any, text: str) -> bool:
    bare = text.replace("\\\\", "").replace('\\"', "") if "\\" in text else text
    shape = bare.encode().translate(None, _NO_BRACKETS)
    for _ in range(DEPTH_MAX // 2):  # each takes one or two levels away, from the inside: 3 % of the time that reading took
        shape = shape.replace(b'""', b"").replace(b"[]", b"").replace(b"{}", b"")
        if not shape:
            return False
    level = [data]  # there are brackets in texts, or many levels
    for _ in range(DEPTH_MAX + 1):
        level = [each for each in level if each.__class__ is dict or each.__class__ is list]
        level = [inner for each in level for inner in (each.values() if each.__class__ is dict else each)]
    return bool(level)


def _as_yaml_has_it(text: str, file: str, message: str) -> Unreadable:
    """The fault of a JSON text, with its place if the reader of YAML finds it, too; else *message* without one."""
    problems = _survey(text, file).problems
    is_same = problems and not problems[0].message.startswith("this is not")
    return Unreadable(problems[0]) if is_same else unreadable(file, text, 0, message)
