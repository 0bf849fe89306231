"""What pydantic found wrong, in the words of the file: the key path, what was expected, what was found, and the likely slip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from dnsdisco.config import schema
from dnsdisco.written.places import KeyPath
from dnsdisco.written.units import did_you_mean, shown


class Fault(NamedTuple):
    path: KeyPath
    message: str
    found: object = None
    is_of_key: bool = False  # the key itself is wrong, not what it holds


_LISTS: dict[KeyPath, str] = {
    ("zones",): "[svc.local]",
    ("listen",): "[127.0.0.1:53]",
    ("providers",): "[env, static]",
    ("zone_files",): "[zones/*.zone]",
    ("forward", "upstreams"): "[192.0.2.1], or [] for none",
    ("http_hosts",): "[dnsdisco.example]",
    ("acl", "allow"): "[127.0.0.0/8, private]",
}


def faults(error: ValidationError, values: dict[str, Any]) -> Iterator[Fault]:
    """Each fault of *values*, which were the input, in the order of the schema."""
    for detail in error.errors(include_url=False):
        path, of_key = _path(detail["loc"])
        found = detail["input"]
        match detail["type"]:
            case "value_error":
                yield Fault(path, str(detail["ctx"]["error"]), found, of_key)
            case "extra_forbidden":
                yield Fault(path, _unknown_key(path, values), found, is_of_key=True)
            case "union_tag_not_found" if isinstance(found, dict):
                yield Fault(
                    path, f"type is missing: {', '.join(schema.BUILT_IN)}, or a plug-in's name{_misspelt_type(found)}", found
                )
            case "union_tag_not_found":
                yield Fault(path, f"expected a provider such as env or {{type: env}}, found {shown(found)}", found)
            case "tuple_type":
                yield Fault(path, f"expected a list such as {_LISTS.get(path, '[…]')}, found {shown(found)}", found)
            case "model_type" | "dict_type" | "model_attributes_type":
                yield Fault(path, f"expected a mapping of keys to values, found {shown(found)}", found)
            case _:
                yield Fault(path, f"{detail['msg']}, found {shown(found)}", found)


def _path(loc: tuple[int | str, ...]) -> tuple[KeyPath, bool]:
    """The path in the file: without the name of the union's member, and without pydantic's mark of a key."""
    path = tuple(loc)
    if len(path) > 2 and path[0] == "providers":
        path = path[:2] + path[3:]
    of_key = bool(path) and path[-1] == "[key]"
    return (path[:-1] if of_key else path), of_key


def _unknown_key(path: KeyPath, values: dict[str, Any]) -> str:
    key = str(path[-1])
    known = _keys_beside(path, values)
    if hint := did_you_mean(key, known):
        return f"unknown key{hint}"
    home = next((section for section, model in schema.SECTIONS.items() if key in model.model_fields), "")
    if home:
        return f"unknown key here; it belongs under {home}"
    if len(path) > 1 and key in schema.Settings.model_fields:
        return "unknown key here; it belongs at the top of the file"
    return f"unknown key; known here: {', '.join(known)}"


def _keys_beside(path: KeyPath, values: dict[str, Any]) -> list[str]:
    if len(path) == 1:
        return list(schema.Settings.model_fields)
    if path[0] == "providers" and isinstance(path[1], int):
        entry = values["providers"][path[1]]
        return list(schema.BUILT_IN.get(entry["type"], schema.Provider).model_fields)
    return list(schema.SECTIONS[str(path[0])].model_fields)


def _misspelt_type(entry: dict[str, Any]) -> str:
    key = next((key for key in entry if did_you_mean(key, ["type"])), None)
    return f"; did you mean type where {shown(key)} is written?" if key else ""
