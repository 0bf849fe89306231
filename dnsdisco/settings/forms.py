"""Settings as JSON and back, the part of them that a worker gets, and what is declared of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, get_type_hints, TypeVar

from dnsdisco.settings.declared import Settings
from dnsdisco.settings.entry import EntryOptions
from dnsdisco.settings.lists import ByDomain
from dnsdisco.settings.setting import Section, Setting

OptionsClass = Callable[..., object]  # whose annotations declare what it is made of
T = TypeVar("T")


@cache
def declared(section: OptionsClass = Settings) -> dict[str, Setting | Section]:
    """The declaration of each key of *section*, a class with annotations, in its order. Evaluates the annotations: some milliseconds, once."""
    hints = get_type_hints(section, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}


@cache
def sections() -> dict[str, type[tuple[Any, ...]]]:
    """The keys of Settings that are sections, and their classes."""
    return {key: type(default) for key, default in Settings._field_defaults.items() if isinstance(declared()[key], Section)}


def entry_options(options: OptionsClass | None) -> dict[str, Setting | Section]:
    """The options of an entry of `providers` whose provider declares *options*; None: only those that every entry takes."""
    return {**declared(EntryOptions), **(declared(options) if options else {})}


def leaves() -> Iterator[tuple[str, Setting, Any]]:
    """Every setting by its path, as in `cache.size`, with its default."""
    for key, default in Settings._field_defaults.items():
        inner = declared(sections()[key]) if key in sections() else {}
        yield from ((f"{key}.{name}", of, getattr(default, name)) for name, of in inner.items() if isinstance(of, Setting))
        if isinstance(of := declared()[key], Setting):
            yield key, of, default


def to_plain(values: tuple[Any, ...]) -> dict[str, Any]:
    """The settings as JSON, under the keys of the file: addresses with their port, absolute paths, seconds as numbers, None for off."""
    plain: dict[str, Any] = {}
    for key, of in declared(type(values)).items():
        value = getattr(values, key)
        if isinstance(of, Section):
            plain[key] = to_plain(value)
        elif isinstance(of.kind, ByDomain):
            plain[key] = {name: list(items) for name, items in value}
        else:
            plain[key] = list(value) if isinstance(value, tuple) else value
    return plain


def from_plain(section: Callable[..., T], plain: Mapping[str, Any]) -> T:
    """The settings from the result of to_plain(), or a part of it: missing keys have their defaults. Checks no value; raises TypeError for an unknown key.

    For values that `config` has checked: a worker and control start with them, and need not evaluate the declarations.
    """
    defaults: dict[str, Any] = section._field_defaults  # type: ignore[attr-defined]  # a NamedTuple, whichever
    values: dict[str, Any] = {}
    for key, value in plain.items():
        default = defaults.get(key)
        if isinstance(value, dict):
            is_section = hasattr(default, "_fields")
            values[key] = (
                from_plain(type(default), value) if is_section else tuple((name, tuple(items)) for name, items in value.items())
            )
        else:
            values[key] = tuple(value) if isinstance(value, list) else value
    return section(**values)


def for_workers(settings: Settings) -> dict[str, Any]:
    """The part of *settings* that a worker needs, as JSON. The credentials of providers stay with control."""
    of = declared()
    return {key: value for key, value in to_plain(settings).items() if of[key].is_for_workers}


def needing_restart() -> tuple[str, ...]:
    return tuple(key for key, of in declared().items() if isinstance(of, Setting) and of.needs_restart)


def json_schema(providers: Mapping[str, OptionsClass | None] | None = None) -> dict[str, Any]:
    """The schema of the configuration file (JSON Schema 2020-12). *providers*: by type the class that declares the options of an entry beside the common
    ones; None: it declares none, and takes any key. An entry of another type belongs to a plug-in that is installed elsewhere."""
    whole = _schema(Settings)
    if providers:
        entries = [_entry_schema(kind, options) for kind, options in sorted(providers.items())]
        others = {"type": "object", "required": ["type"], "properties": {"type": {"not": {"enum": sorted(providers)}}}}
        whole["properties"]["providers"]["items"] = {"anyOf": [{"type": "string"}, *entries, others]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "dnsdisco.yaml", **whole}


def _entry_schema(kind: str, options: OptionsClass | None) -> dict[str, Any]:
    """The schema of an entry of `providers` of the type *kind*."""
    properties = {key: _setting_schema(each) for key, each in entry_options(options).items() if isinstance(each, Setting)}
    properties["type"] = {"const": kind}
    return {
        "title": kind,
        "type": "object",
        "required": ["type"],
        "additionalProperties": options is None,
        "properties": properties,
    }


def _setting_schema(of: Setting) -> dict[str, Any]:
    return {"description": of.sentence, **of.kind.schema}


def _schema(section: type[tuple[Any, ...]]) -> dict[str, Any]:
    properties = {}
    for key, of in declared(section).items():
        if isinstance(of, Section):
            properties[key] = _schema(sections()[key])
        else:
            properties[key] = {**_setting_schema(of), **({"default": to_plain(section())[key]} if not of.default else {})}
    return {"type": "object", "additionalProperties": False, "properties": properties}
