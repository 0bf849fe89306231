"""Options that a program gives to a provider's class, read as those in the file are: a frozen dataclass whose annotations declare them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from dnsdisco.settings.forms import declared, OptionsClass
from dnsdisco.settings.kinds import Machine, ValueKind
from dnsdisco.settings.lists import ListOf
from dnsdisco.settings.setting import Setting
from dnsdisco.written.units import unexpected

AS_GIVEN = Machine(absolute=str, is_installed=bool)  # a program's relative paths are its own


def read_options(options: Any) -> None:
    """Puts the canonical value in the place of each that is not the default. Raises ValueError naming the option."""
    kind: OptionsClass = type(options)
    of = declared(kind)
    for each in fields(options):
        setting, value = of.get(each.name), getattr(options, each.name)
        if not isinstance(setting, Setting) or (type(value) is type(each.default) and value == each.default):
            continue
        try:
            object.__setattr__(options, each.name, _read(setting.kind, value))  # frozen
        except ValueError as error:
            raise ValueError(f"{each.name}: {error}") from None


def _read(kind: ValueKind, value: object) -> Any:
    if isinstance(kind, ListOf):
        if not isinstance(value, (list, tuple)):
            raise unexpected(f"a list such as {kind.example}", value)
        value = [_read(kind.item, each) for each in value]
    return kind.read(value, AS_GIVEN)
