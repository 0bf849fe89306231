"""Finds providers by name in the entry-point group `dnsdisco.providers`, and builds them from their settings.

Only what is asked for is imported, and what might be detected where no provider is named: a broken plug-in does no harm where it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from importlib.metadata import entry_points, EntryPoint, EntryPoints
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from dnsdisco.errors import ConfigError, Problem
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.forked import importing
from dnsdisco.providers.log import logger
from dnsdisco.providers.traits import ProviderTraits
from dnsdisco.settings.entry import EntryOptions
from dnsdisco.settings.forms import OptionsClass
from dnsdisco.written.units import did_you_mean

GROUP = "dnsdisco.providers"

_OURS = "dnsdisco"  # the distribution whose names no plug-in can take


def types() -> list[str]:
    """The names of all providers that are installed, whether or not their own requirements are. Raises ConfigError where none is."""
    return sorted({entry.name for entry in _entries()})


def detect(environ: Mapping[str, str], also: Collection[str] = (), folder: Path = Path()) -> list[str]:
    """The types that the surroundings suggest, and *also*, in order of precedence. What cannot be used is logged and passed over.

    *folder*: the working directory.
    """
    found = ((kind, traits(kind) if kind in also else _suggested(kind, environ, folder)) for kind in types())
    suggested = [(declared.precedence, kind) for kind, declared in found if declared]
    return [kind for _, kind in sorted(suggested)]


def _suggested(kind: str, environ: Mapping[str, str], folder: Path) -> type[ProviderTraits] | None:
    try:
        declared = traits(kind)
        reason = _missing(declared) if (is_suggested := declared.is_suggested(environ, folder)) else ""
    except Exception as error:  # noqa: BLE001  a plug-in's code
        reason = error.problems[0].message if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
        logger().warning(f"{kind} cannot be detected: {reason}")
        return None
    if reason:
        logger().warning(f"{kind} was detected and is passed over: {reason}")
    return declared if is_suggested and not reason else None


def traits(kind: str) -> type[ProviderTraits]:
    """The declarations of the provider of that type. Raises ConfigError like load(), but not for missing packages."""
    entry = _entry(kind)
    declared = _imported(kind, entry, lambda: getattr(import_module(entry.module), "Traits", None))
    return declared if isinstance(declared, type) and issubclass(declared, ProviderTraits) else _class(kind, entry)


def options(kind: str) -> OptionsClass | None:
    """The options of an entry of that type. None: it declares none, or the provider cannot be imported, which create() reports."""
    try:
        return traits(kind).Options
    except ConfigError:
        return None


def of_services_file() -> tuple[str, str]:
    """The built-in type that reads a services file, and the option that names the file."""
    for entry in _entries():
        if _is_ours(entry) and (option := traits(entry.name).services_option):
            return entry.name, option
    return _refuse("", "no provider of those that are installed reads a services file")


def load(kind: str) -> type[ServiceDiscovery]:
    """The class of that type. Raises ConfigError with what is wrong and the way out."""
    if reason := _missing(traits(kind)):
        _refuse(kind, reason)
    entry = _entry(kind)
    loaded = _class(kind, entry)
    if not _is_ours(entry):
        logger().info(f"the provider {kind} is {_origin(entry)}")
    return loaded


def create(entry: Mapping[str, Any], environ: Mapping[str, str]) -> ServiceDiscovery:
    """The provider that one entry of `providers:` describes. Raises ConfigError."""
    kind = entry.get("type")
    if not isinstance(kind, str) or not kind:
        _refuse("", "expected the `type` of a provider")
    provider_class = load(kind)
    settings = {key: value for key, value in entry.items() if key not in EntryOptions._fields}
    try:
        provider = provider_class.from_settings(settings, environ)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001  a plug-in's constructor may raise anything
        reason = str(error) if isinstance(error, (TypeError, ValueError)) else f"{type(error).__name__}: {error}"
        _refuse(
            kind,
            reason.replace(f"{provider_class.__name__}.__init__() got an unexpected keyword argument", "unknown setting"),
            error,
        )
    if entry.get("poll_interval") is not None:
        provider.poll_interval = float(entry["poll_interval"])
    if provider.when_all_unhealthy and entry.get("when_all_unhealthy"):
        provider.when_all_unhealthy = str(entry["when_all_unhealthy"])
    return provider


def _entries() -> EntryPoints:
    found = entry_points(group=GROUP)
    if not found:
        _refuse(
            "", "dnsdisco is not installed here, so it cannot find its providers; `pip install .` or `pip install -e .` does it"
        )
    return found


def _entry(kind: str) -> EntryPoint:
    """Ours, if two packages use one name."""
    named = sorted((entry for entry in _entries() if entry.name == kind), key=lambda entry: not _is_ours(entry))
    if not named:
        installed = types()
        hint = did_you_mean(kind, installed) or "."
        _refuse(kind, f"there is no provider {kind!r}{hint} Installed here: {', '.join(installed)}")
    for other in named[1:]:
        if other.value != named[0].value:
            logger().warning(f"{_origin(other)} also calls itself {kind}; {_origin(named[0])} is used")
    return named[0]


def _class(kind: str, entry: EntryPoint) -> type[ServiceDiscovery]:
    loaded = _imported(kind, entry, entry.load)
    if not (isinstance(loaded, type) and issubclass(loaded, ServiceDiscovery)):
        _refuse(kind, f"{_origin(entry)} is no subclass of dnsdisco.ServiceDiscovery")
    return loaded


def _imported(kind: str, entry: EntryPoint, load: Callable[[], Any]) -> Any:
    try:
        with importing:
            return load()
    except ModuleNotFoundError as error:
        _refuse(kind, f"{_origin(entry)} needs the module {error.name}, which is not installed here", error)
    except Exception as error:  # noqa: BLE001  a plug-in's code
        _refuse(kind, f"{_origin(entry)} cannot be imported: {type(error).__name__}: {error}", error)


def _missing(declared: type[ProviderTraits]) -> str:
    """The message that a package is missing, with the command that installs it; "" if none is."""
    if all(map(_is_there, declared.needs)):
        return ""
    return f"its client library is not installed; `pip install '{declared.package}'` does it"


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _is_ours(entry: EntryPoint) -> bool:
    return entry.dist is None or entry.dist.name == _OURS


def _origin(entry: EntryPoint) -> str:
    return f"{entry.value} of {entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _refuse(kind: str, reason: str, cause: BaseException | None = None) -> NoReturn:
    path = f"provider {kind}" if kind else "provider"
    raise ConfigError((Problem("", 0, 0, path, reason),)) from cause
