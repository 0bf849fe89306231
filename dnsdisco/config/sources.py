"""Where a setting comes from: flags over environment over the file over defaults; a list that is given replaces the list.

Of a provider the environment gives only its name here: CONSUL_*, KUBERNETES_NAMESPACE, KUBECONFIG and the path in
SERVICE_DISCOVERY_CONFIG_FILE are read by the providers themselves, below their entry in the file.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import ValidationError

from dnsdisco.config import encrypted, providers, values
from dnsdisco.config.faults import Fault, faults
from dnsdisco.config.load import Document, find, read
from dnsdisco.config.schema import Settings
from dnsdisco.errors import ConfigError, Problem

STATE_FOLDER = "~/.local/state/dnsdisco"
RUNTIME_FOLDER = "/run"  # of the system; a user's own is XDG_RUNTIME_DIR
CONTROL_SOCKET = "control.sock"

FLAG_OF = {  # the key path of the file that a flag replaces
    "zones": "--zone",
    "listen": "--listen",
    "providers": "--provider",
    "forward.upstreams": "--upstream",
    "workers": "--workers",
    "http": "--http",
    "state_dir": "--state-dir",
    "control": "--control",
    "log_level": "--log-level",
    "log_format": "--log-format",
}

_SAME_NAME = ("listen", "workers", "http", "state_dir", "control", "log_level", "log_format")  # as flag and as key

Detect = Callable[[Mapping[str, str]], list[str]]


@dataclass(frozen=True, slots=True)
class Given:
    """What a person gave. `config`: a path; None: search for one. `flags`: by flag name without dashes, only those that were given:
    listen, zone, provider, upstream (lists of text), services, http, state_dir, control, log_level, log_format (text), workers (number)."""

    config: str | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    is_found: bool = False  # `config` is what a search has found: it was not named

    def plain(self) -> dict[str, Any]:
        """As JSON; the environment is not among it."""
        return {"config": self.config, "flags": dict(self.flags), "is_found": self.is_found}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        return cls(plain.get("config"), plain.get("flags") or {}, environ, bool(plain.get("is_found")))


@dataclass(frozen=True, slots=True)
class Inspection:
    """`settings` is None where there are faults; `remains` is then the file without its faulty top-level keys, so that
    a search for more faults can go on. `document` has the place of each value."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    document: Document
    remains: Settings | None = None


def resolve(
    source: Given, detect: Detect | None = None, known_types: Collection[str] | None = None, *, is_to_serve: bool = False
) -> Settings:
    """The settings of *source*, whole. Raises ConfigError with every problem of the file, the flags and the environment.

    *detect* names the providers when nothing else does (without it: env). *known_types* are the provider types that can be built
    here; without it any type is taken for a plug-in's. *is_to_serve*: what only a server needs is looked at, too: certificates.
    Reads one file; blocks only for that.
    """
    inspection = inspect(source, detect, known_types, is_to_serve=is_to_serve)
    if inspection.settings is None:
        raise ConfigError(inspection.problems)
    return inspection.settings


def inspect(
    source: Given, detect: Detect | None = None, known_types: Collection[str] | None = None, *, is_to_serve: bool = False
) -> Inspection:
    """As resolve(), but problems are a result, beside the document that they are in; warnings may be among them."""
    path = source.config or find()
    document = read(path, is_found=source.is_found or source.config is None) if path else Document("")
    context = {"folder": "", "environ": source.environ, "known_types": known_types}
    in_file, problems = _file_settings(document, context)
    in_flags, flag_problems = _flag_settings(source.flags, context)
    names, name_problems = providers.wanted(source.flags, source.environ, known_types)
    problems += flag_problems + name_problems
    if in_file is None or in_flags is None or problems:
        return Inspection(None, tuple(problems), document, _remains(document, context))
    merged = _over(in_file, in_flags)
    try:
        chosen: dict[str, Any] = {"providers": providers.choose(in_file, names, source.flags, source.environ, detect)}
    except ValueError as error:
        return Inspection(None, (Problem("", 0, 0, "--services", str(error)),), document, in_file)
    if "listen" not in merged.model_fields_set and _has_ipv6():
        chosen["listen"] = (*merged.listen, "[::1]:53")
    if "state_dir" not in merged.model_fields_set:
        chosen["state_dir"] = _state_folder(source.environ)
    if "control" not in merged.model_fields_set:
        chosen["control"] = _control_socket(chosen.get("state_dir", merged.state_dir), source.environ)
    settings = merged.model_copy(update=chosen)
    problems += encrypted.clashes(settings, source.flags, document)
    if is_to_serve:
        problems += encrypted.problems(settings, source.flags, document)
    is_sound = all(problem.is_warning for problem in problems)
    return Inspection(settings if is_sound else None, tuple(problems), document, None if is_sound else settings)


def _file_settings(document: Document, context: dict[str, Any]) -> tuple[Settings | None, list[Problem]]:
    problems = list(document.problems)
    refused = {problem.path for problem in problems}
    settings, found = _validated(document.values, document, context)
    for fault in found:
        problem = document.problem(fault.path, fault.message, at_key=fault.is_of_key)
        # What could not be read cannot be judged; its key can.
        if problem.path not in refused or fault.found is not None or fault.is_of_key:
            problems.append(problem)
    problems.sort(key=lambda problem: (problem.line, problem.column))
    return (None if problems else settings), problems


def _remains(document: Document, context: dict[str, Any]) -> Settings | None:
    _, found = _validated(document.values, document, context)
    faulty = {fault.path[0] for fault in found if fault.path}
    settings, _ = _validated({key: value for key, value in document.values.items() if key not in faulty}, document, context)
    return settings


def _validated(written: dict[str, Any], document: Document, context: dict[str, Any]) -> tuple[Settings | None, list[Fault]]:
    folder, slash, _ = document.file.rpartition("/")
    try:
        return Settings.model_validate(written, context=context | {"folder": folder + slash}), []
    except ValidationError as error:
        return None, list(faults(error, written))


def _flag_settings(flags: Mapping[str, Any], context: dict[str, Any]) -> tuple[Settings | None, list[Problem]]:
    given = {key: flags[key] for key in _SAME_NAME if key in flags}
    if "zone" in flags:
        given["zones"] = flags["zone"]
    if "upstream" in flags:
        upstreams = list(flags["upstream"])
        given["forward"] = {"upstreams": [] if upstreams in (["none"], ["off"]) else upstreams}
    try:
        return Settings.model_validate(given, context=context), []
    except ValidationError as error:
        problems = []
        for fault in faults(error, given):
            path = ".".join(step for step in fault.path if isinstance(step, str))
            problems.append(Problem("", 0, 0, FLAG_OF.get(path, f"--{path}"), fault.message))
        return None, problems


def _over(settings: Settings, flags: Settings) -> Settings:
    """*settings* with whatever *flags* set."""
    update: dict[str, Any] = {key: getattr(flags, key) for key in flags.model_fields_set}
    if "forward" in update:
        update["forward"] = settings.forward.model_copy(update={"upstreams": flags.forward.upstreams})
    return settings.model_copy(update=update)


def _state_folder(environ: Mapping[str, str]) -> str | None:
    """Beside the user's other state; nowhere for an account without a home."""
    try:
        return values.absolute(STATE_FOLDER, "", environ)
    except ValueError:
        return None


def _control_socket(state_dir: str | None, environ: Mapping[str, str]) -> str:
    """In the server's own folder; without one, where sockets of running programs belong."""
    if state_dir is not None:
        return f"{state_dir}/{CONTROL_SOCKET}"
    folder = environ.get("XDG_RUNTIME_DIR", "")
    return f"{folder if folder.startswith('/') else RUNTIME_FOLDER}/dnsdisco/{CONTROL_SOCKET}"


def _has_ipv6() -> bool:
    """Whether ::1 can be bound: not where the kernel or the container has no IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
