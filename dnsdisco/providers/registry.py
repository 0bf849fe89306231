"""Finds providers by name in the entry-point group `dnsdisco.providers`, and builds them from their settings.

Only what is asked for is imported: a broken plug-in does no harm where it is not used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import entry_points, EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from dnsdisco.errors import ConfigError, Problem
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.forked import importing
from dnsdisco.providers.log import logger
from dnsdisco.providers.surroundings import found_distrusted, SERVICES_PATHS
from dnsdisco.written.units import did_you_mean

GROUP = "dnsdisco.providers"
COMMON_OPTIONS = frozenset({"type", "optional", "include", "exclude", "max_stale", "when_all_unhealthy", "poll_interval"})

_OURS = "dnsdisco"  # the distribution whose names no plug-in can take
_NEEDS = {"consul": "consul", "kubernetes": "kubernetes"}  # type → the module that its extra, of the same name, installs
_KUBERNETES_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105  a path, which every pod has


def types() -> list[str]:
    """The names of all providers that are installed, whether or not their own requirements are."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def detect(environ: Mapping[str, str], cwd: str | os.PathLike[str] | None = None, token: str = _KUBERNETES_TOKEN) -> list[str]:
    """The types that the surroundings suggest, in order of precedence; env is always the last. *token*: see a pod's file system.

    A variable that names a services file suggests static even if there is no such file: that is a mistake to be reported, not passed over.
    """
    folder = Path(cwd) if cwd is not None else Path()
    is_suggested = {
        "kubernetes": bool(environ.get("KUBERNETES_SERVICE_HOST")) and Path(token).is_file(),
        "consul": bool(environ.get("CONSUL_HOST") or environ.get("CONSUL_HTTP_ADDR")),
        "static": bool(environ.get("SERVICE_DISCOVERY_CONFIG_FILE")) or _has_services(folder),
    }
    found = []
    for kind in (kind for kind, is_there in is_suggested.items() if is_there):
        reason = _missing(kind)
        if reason:
            logger().warning(f"{kind} was detected and is passed over: {reason}")
        else:
            found.append(kind)
    return [*found, "env"]


def _has_services(folder: Path) -> bool:
    """A services file that lies here. One that is not to be trusted is passed over, and reported."""
    found = next((path for path in SERVICES_PATHS if (folder / path).is_file()), None)
    reason = found_distrusted(folder / found, found) if found else ""
    if reason:
        logger().warning(f"{found} was detected and is passed over: {reason}")
    return found is not None and not reason


def load(kind: str) -> type[ServiceDiscovery]:
    """The class of that type. Raises ConfigError with what is wrong and the way out."""
    entry = _entry(kind)
    reason = _missing(kind)
    if reason:
        _refuse(kind, reason)
    try:
        with importing:
            loaded = entry.load()
    except ModuleNotFoundError as error:
        _refuse(kind, f"{_origin(entry)} needs the module {error.name}, which is not installed here", error)
    except Exception as error:  # noqa: BLE001  a plug-in's code
        _refuse(kind, f"{_origin(entry)} cannot be imported: {type(error).__name__}: {error}", error)
    if not (isinstance(loaded, type) and issubclass(loaded, ServiceDiscovery)):
        _refuse(kind, f"{_origin(entry)} is no subclass of dnsdisco.ServiceDiscovery")
    if not _is_ours(entry):
        logger().info(f"the provider {kind} is {_origin(entry)}")
    return loaded


def create(entry: Mapping[str, Any], environ: Mapping[str, str]) -> ServiceDiscovery:
    """The provider that one entry of `providers:` describes. Raises ConfigError."""
    kind = entry.get("type")
    if not isinstance(kind, str) or not kind:
        _refuse("", "expected the `type` of a provider")
    provider_class = load(kind)
    settings = {key: value for key, value in entry.items() if key not in COMMON_OPTIONS}
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


def _entry(kind: str) -> EntryPoint:
    """Ours, if two packages use one name."""
    known = entry_points(group=GROUP)
    if not known:
        _refuse(
            kind, "dnsdisco is not installed here, so it cannot find its providers; `pip install .` or `pip install -e .` does it"
        )
    named = sorted((entry for entry in known if entry.name == kind), key=lambda entry: not _is_ours(entry))
    if not named:
        installed = types()
        hint = did_you_mean(kind, installed) or "."
        _refuse(kind, f"there is no provider {kind!r}{hint} Installed here: {', '.join(installed)}")
    for other in named[1:]:
        if other.value != named[0].value:
            logger().warning(f"{_origin(other)} also calls itself {kind}; {_origin(named[0])} is used")
    return named[0]


def _missing(kind: str) -> str:
    """What has to be installed before the type can be used; "" for nothing."""
    if kind not in _NEEDS:
        return ""
    if not any(entry.name == kind and not _is_ours(entry) for entry in entry_points(group=GROUP)) and not _is_there(
        f"dnsdisco.providers.{kind}"
    ):
        return "it is not available in this version of dnsdisco"
    if not _is_there(_NEEDS[kind]):
        return f"its client library is not installed; `pip install 'dnsdisco[{kind}]'` does it"
    return ""


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
