"""One entry of `providers`, read by the options that its type has, and pydantic's errors in the words of the file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from dnsdisco.config.faults import elsewhere, Fault, not_a_list, not_a_mapping
from dnsdisco.config.schema import AnyProvider, BUILT_IN, Provider
from dnsdisco.written.places import KeyPath
from dnsdisco.written.units import did_you_mean, shown

_ADAPTER: TypeAdapter[Provider] = TypeAdapter(AnyProvider)


class EntryContext(Protocol):
    @property
    def folder(self) -> str: ...
    @property
    def environ(self) -> Mapping[str, str]: ...
    @property
    def known_types(self) -> Collection[str] | None: ...


def read(entry: object, path: KeyPath, context: EntryContext) -> tuple[dict[str, Any] | None, list[Fault]]:
    """*entry* in its plain form, or what is wrong with it. *path*: where it stands."""
    known = {"folder": context.folder, "environ": context.environ, "known_types": context.known_types}
    try:
        return _ADAPTER.validate_python(entry, context=known).plain(), []
    except ValidationError as error:
        return None, list(_faults(error, entry, path))


def _faults(error: ValidationError, entry: Any, at: KeyPath) -> Iterator[Fault]:
    for detail in error.errors(include_url=False):
        path = (*at, *detail["loc"][1:])  # without the name of the union's member
        found = detail["input"]
        match detail["type"]:
            case "value_error":
                yield Fault(path, str(detail["ctx"]["error"]), found)
            case "extra_forbidden":
                known = list(BUILT_IN.get(entry["type"], Provider).model_fields) if isinstance(entry, dict) else []
                yield Fault(path, _unknown_option(str(path[-1]), known, at), found, is_of_key=True)
            case "union_tag_not_found" if isinstance(found, dict):
                message = f"type is missing: {', '.join(BUILT_IN)}, or a plug-in's name{_misspelt_type(found)}"
                yield Fault(path, message, found)
            case "union_tag_not_found":
                yield Fault(path, f"expected a provider such as env or {{type: env}}, found {shown(found)}", found)
            case "tuple_type":
                yield Fault(path, not_a_list("[…]", found), found)
            case "model_type" | "dict_type" | "model_attributes_type":
                yield Fault(path, not_a_mapping(found), found)
            case _:
                yield Fault(path, f"{detail['msg']}, found {shown(found)}", found)


def _unknown_option(key: str, known: list[str], at: KeyPath) -> str:
    if hint := did_you_mean(key, known):
        return f"unknown key{hint}"
    return elsewhere(key, at) or f"unknown key; known here: {', '.join(known)}"


def _misspelt_type(entry: dict[str, Any]) -> str:
    key = next((key for key in entry if did_you_mean(key, ["type"])), None)
    return f"; did you mean type where {shown(key)} is written?" if key else ""
