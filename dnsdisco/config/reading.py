"""Checks written values, from a file or flags, against the declarations (`settings`): canonical values, and every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from dnsdisco.config.entries import contradiction, fault_of_type, NO_PROVIDERS, plain_entry, ProviderTypes, whole_entry
from dnsdisco.config.faults import Fault, not_a_list, not_a_mapping, unknown_key
from dnsdisco.config.values import machine
from dnsdisco.errors import ConfigError, Problem
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import declared, entry_options, sections
from dnsdisco.settings.kinds import Machine, ValueKind
from dnsdisco.settings.lists import ByDomain, DOMAIN, ListOf, ProviderEntries
from dnsdisco.settings.setting import Section, Setting
from dnsdisco.written.places import dotted, KeyPath
from dnsdisco.written.units import shown

Values = dict[str, Any]  # canonical, by key; those of a section in a dictionary of their own


class ReadingContext(NamedTuple):
    """*folder*: where relative paths start, with its slash."""

    folder: str
    environ: Mapping[str, str]
    providers: ProviderTypes = NO_PROVIDERS

    @property
    def machine(self) -> Machine:
        return machine(self.folder, self.environ)


def values_of(written: Mapping[str, Any], context: ReadingContext) -> tuple[Values, list[Fault]]:
    """The sound values for Settings, and the faults of the others, in the order in which settings are declared."""
    reader = _SettingsReader(context)
    return reader.section(Settings, written, ()), reader.faults


def made(values: Values) -> Settings:
    """The settings of sound *values*; the others have their defaults."""
    classes = sections()
    whole: dict[str, Any] = {key: classes[key](**value) if key in classes else value for key, value in values.items()}
    return Settings(**whole)


def over(values: Values, stronger: Values) -> Values:
    """*values*, but where *stronger* has a value too, that one."""
    merged = {**values, **stronger}
    return merged | {key: {**values[key], **stronger[key]} for key in sections() if key in values and key in stronger}


def checked(written: Mapping[str, Any], context: ReadingContext | None = None) -> Settings:
    """The settings that *written* stands for. Raises ConfigError with every fault."""
    values, faults = values_of(written, context or ReadingContext("", {}))
    if faults:
        raise ConfigError(tuple(Problem("", 0, 0, dotted(fault.path), fault.message) for fault in faults))
    return made(values)


class _SettingsReader:
    def __init__(self, context: ReadingContext) -> None:
        self.faults: list[Fault] = []
        self._types: Collection[str] | None = None  # of providers, once they are asked for
        self._context = context
        self._machine = context.machine

    def section(self, section: type[tuple[Any, ...]], written: Mapping[str, Any], path: KeyPath) -> Values:
        before = len(self.faults)
        values = self._known(declared(section), written, path)
        self._refuse_others(declared(section), written, path)
        whole = section(**values) if len(self.faults) == before else None
        if whole is not None and hasattr(whole, "contradiction") and (message := whole.contradiction()):
            self._refuse(path, message, dict(written))
        return values

    def _known(self, known: Mapping[str, Setting | Section], written: Mapping[str, Any], path: KeyPath) -> Values:
        """The values of the keys that are *known*, as far as they are sound."""
        values: Values = {}
        for key, of in known.items():
            if key not in written:
                continue
            value, at, earlier = written[key], (*path, key), len(self.faults)
            if not isinstance(of, Section):
                read = self._value(of.kind, value, at)
            elif isinstance(value, dict):
                read = self.section(sections()[key], value, at)
            else:
                read = None
                self._refuse(at, not_a_mapping(value), value)
            if len(self.faults) == earlier:
                values[key] = read
        return values

    def _refuse_others(self, known: Iterable[str], written: Mapping[str, Any], path: KeyPath) -> None:
        for key, value in written.items():
            if key not in known:
                self._refuse((*path, key), unknown_key(key, list(known), path), value, is_key=True)

    def _value(self, kind: ValueKind, value: object, path: KeyPath) -> Any:
        before = len(self.faults)
        match kind:
            case ListOf() | ProviderEntries():
                if not isinstance(value, (list, tuple)):
                    self._refuse(path, not_a_list(kind.example, value), value)
                    return None
                item = self._item(kind)
                value = [item(each, (*path, at)) for at, each in enumerate(value)]
            case ByDomain():
                if not isinstance(value, dict):
                    self._refuse(path, not_a_mapping(value), value)
                    return None
                value = {
                    self._leaf(DOMAIN, key, (*path, key), is_key=True): self._value(kind.lists, each, (*path, key))
                    for key, each in value.items()
                }
        return self._leaf(kind, value, path) if len(self.faults) == before else None

    def _item(self, kind: ListOf | ProviderEntries) -> Callable[[Any, KeyPath], Any]:
        return self._entry if isinstance(kind, ProviderEntries) else lambda each, path: self._value(kind.item, each, path)

    def _leaf(self, kind: ValueKind, value: object, path: KeyPath, *, is_key: bool = False) -> Any:
        try:
            return kind.read(value, self._machine)
        except ValueError as error:
            self._refuse(path, str(error), value, is_key=is_key)
            return None

    def _entry(self, entry: object, path: KeyPath) -> Values | None:
        """The plain form of an entry of `providers`."""
        entry, providers = whole_entry(entry), self._context.providers
        if not isinstance(entry, dict):
            self._refuse(path, f"expected a provider such as env or {{type: env}}, found {shown(entry)}", entry)
            return None
        before = len(self.faults)
        self._types = providers.types() if self._types is None else self._types
        key, message = fault_of_type(entry, self._types)
        if message:
            self._refuse((*path, key) if key else path, message, entry)
        kind = entry.get("type")
        options = providers.options(kind) if isinstance(kind, str) and not message else None
        values = self._known(entry_options(options), entry, path)
        if options is not None:
            self._refuse_others(entry_options(options), entry, path)
        elif "type" in entry:
            values |= {key: value for key, value in entry.items() if key not in entry_options(None)}
        if len(self.faults) == before and (message := contradiction(options, values)):
            self._refuse(path, message, entry)
        return plain_entry(values) if len(self.faults) == before else None

    def _refuse(self, path: KeyPath, message: str, found: object, *, is_key: bool = False) -> None:
        self.faults.append(Fault(path, message, found, is_key))
