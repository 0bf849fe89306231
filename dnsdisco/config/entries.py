"""An entry of `providers`, and the questions that this room asks about providers without knowing any."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from dnsdisco.settings.entry import EntryOptions
from dnsdisco.settings.forms import OptionsClass, to_plain
from dnsdisco.written.units import did_you_mean, shown


class ProviderTypes(Protocol):
    """`providers.registry`, as the composition root hands it over."""

    def types(self) -> Collection[str]:
        """Those that are installed."""

    def detect(self, environ: Mapping[str, str], also: Collection[str] = ()) -> list[str]:
        """Those that the surroundings suggest, and *also*, in order of precedence."""

    def options(self, kind: str) -> OptionsClass | None:
        """The class whose annotations declare what may be set; None: it declares nothing, and any key is passed on."""

    def of_services_file(self) -> tuple[str, str]:
        """The type and the option that `--services` sets."""


class _NoProviders:
    """Takes every type for a plug-in's, for callers that read the configuration alone."""

    def types(self) -> Collection[str]:
        return ()

    def detect(self, environ: Mapping[str, str], also: Collection[str] = ()) -> list[str]:
        return list(also)

    def options(self, kind: str) -> OptionsClass | None:
        return None

    def of_services_file(self) -> tuple[str, str]:
        raise ValueError("no provider of those that are installed reads a services file")


NO_PROVIDERS = _NoProviders()


def whole_entry(entry: object) -> object:
    """`providers: [env]` for short."""
    return {"type": entry} if isinstance(entry, str) else entry


def fault_of_type(entry: Mapping[str, Any], types: Collection[str]) -> tuple[str, str]:
    """The key that is to blame, "" for the entry itself, and what is wrong with its type; two empty texts: nothing."""
    kind = entry.get("type")
    if "type" not in entry:
        misspelt = next((key for key in entry if did_you_mean(key, ["type"])), None)
        hint = f"; did you mean type where {shown(misspelt)} is written?" if misspelt else ""
        return "", f"type is missing: {', '.join([*sorted(types), ''])}or a plug-in's name{hint}"
    if isinstance(kind, str) and types and kind not in types:
        known = f"Known here: {', '.join(sorted(types))}. A plug-in is found once its package is installed in this environment"
        return "type", f"there is no provider {shown(kind)}{did_you_mean(kind, types) or '.'} {known}"
    return "", ""


def plain_entry(values: Mapping[str, Any]) -> dict[str, Any]:
    """The common options whole, and those of its own that were given: its environment variables fill the others."""
    common = {key: value for key, value in values.items() if key in EntryOptions._fields}
    own = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items() if key not in common}
    return to_plain(EntryOptions(**common)) | own


def contradiction(options: OptionsClass | None, values: Mapping[str, Any]) -> str:
    """Why the options of a provider, each of them sound, do not go together; "": they do. The class itself is asked, with a ValueError."""
    try:
        if options is not None:
            options(**{key: value for key, value in values.items() if key not in EntryOptions._fields})
    except (TypeError, ValueError) as error:
        return str(error)
    return ""
