"""Puts the settings together: flags over environment over the file over defaults; a list that is given replaces the whole list.

From the environment, this file reads only a provider's name: CONSUL_*, KUBERNETES_NAMESPACE, KUBECONFIG and the path in
SERVICE_DISCOVERY_CONFIG_FILE are read by the providers themselves, below their entry in the file.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from dnsdisco.config import encrypted, providers
from dnsdisco.config.entries import NO_PROVIDERS, ProviderTypes
from dnsdisco.config.load import Document, find, read
from dnsdisco.config.places import places
from dnsdisco.config.reading import made, over, ReadingContext, Values, values_of
from dnsdisco.errors import ConfigError, Problem
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import leaves


@dataclass(frozen=True, slots=True)
class Given:
    """The sources that a person gave. `config`: a path; None: search for one. `flags`: by flag name without dashes, only those that were given:
    listen, zone, provider, upstream (lists of text), services, http, state_dir, control, log_level, log_format (text), workers (number)."""

    config: str | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    is_found: bool = False  # `config` is what a search has found: it was not named

    def plain(self) -> dict[str, Any]:
        """The sources as JSON, without the environment."""
        return {"config": self.config, "flags": dict(self.flags), "is_found": self.is_found}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        return cls(plain.get("config"), plain.get("flags") or {}, environ, bool(plain.get("is_found")))


@dataclass(frozen=True, slots=True)
class Inspection:
    """`settings` is None where there are faults; `remains` is then the file without its faulty top-level keys, so that
    a search for more faults can go on. `document` has the place of each value. `origins`: where the value of each setting comes from, by
    its path: "flag", "environment:NAME", "file:LINE", "detected" or "default"."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    document: Document
    remains: Settings | None = None
    origins: Mapping[str, str] = field(default_factory=dict)


def resolve(source: Given, known: ProviderTypes = NO_PROVIDERS, *, is_to_serve: bool = False) -> Settings:
    """The settings of *source*, whole. Raises ConfigError with every problem of the file, the flags and the environment.

    *known*: the providers, for their types, their options and their detection. *is_to_serve*: what only a server needs is looked at, too:
    certificates. Reads one file; blocks only for that.
    """
    inspection = inspect(source, known, is_to_serve=is_to_serve)
    if inspection.settings is None:
        raise ConfigError(inspection.problems)
    return inspection.settings


def inspect(source: Given, known: ProviderTypes = NO_PROVIDERS, *, is_to_serve: bool = False) -> Inspection:
    """Like resolve(), but problems are a result, beside the document that they are in; warnings may be among them."""
    path = source.config or find()
    document = read(path, is_found=source.is_found or source.config is None) if path else Document("")
    folder, slash, _ = document.file.rpartition("/")
    in_file, problems, remains = _file_values(document, ReadingContext(folder + slash, source.environ, known))
    in_flags, flag_problems = _flag_values(source.flags, ReadingContext("", source.environ, known))
    names, name_problems = providers.wanted(source.flags, source.environ, known)
    problems += flag_problems + name_problems
    if problems:
        sound = over(remains, in_flags)
        return Inspection(None, tuple(problems), document, made(sound | places(sound, source.environ)))
    merged = over(in_file, in_flags)
    try:
        chosen: Values = {"providers": providers.choose(in_file, names, source.flags, source.environ, known)}
    except ValueError as error:
        return Inspection(None, (Problem("", 0, 0, "--services", str(error)),), document, made(remains))
    if "listen" not in merged and _has_ipv6():
        chosen["listen"] = (*Settings().listen, "[::1]:53")
    settings = made(merged | places(merged, source.environ) | chosen)
    problems += encrypted.clashes(settings, source.flags, document)
    if is_to_serve:
        problems += encrypted.problems(settings, source.flags, document)
    is_sound = all(problem.is_warning for problem in problems)
    return Inspection(
        settings if is_sound else None,
        tuple(problems),
        document,
        None if is_sound else settings,
        _origins(in_file, in_flags, document, providers.origin(source.flags, source.environ)),
    )


def _origins(in_file: Values, in_flags: Values, document: Document, of_providers: str) -> dict[str, str]:
    """By the path of each setting. *of_providers*: what else than the file decides those."""
    origins = {}
    for path, _, _ in leaves():
        keys = tuple(path.split("."))
        if _has(in_flags, keys):
            origins[path] = "flag"
        elif _has(in_file, keys):
            origins[path] = f"file:{document.problem(keys, '', at_key=True).line}"
        else:
            origins[path] = "default"
    if of_providers or origins["providers"] == "default":
        origins["providers"] = of_providers or "detected"
    return origins


def _has(values: Values, keys: tuple[str, ...]) -> bool:
    first, *rest = keys
    return first in values and (not rest or rest[0] in values[first])


def _file_values(document: Document, context: ReadingContext) -> tuple[Values, list[Problem], Values]:
    """The content of the file, its faults, and the values that remain without the faulty keys."""
    problems = list(document.problems)
    refused = {problem.path for problem in problems}
    found, faults = values_of(document.values, context)
    for fault in faults:
        problem = document.problem(fault.path, fault.message, at_key=fault.is_of_key)
        # What could not be read cannot be judged; its key can.
        if problem.path not in refused or fault.found is not None or fault.is_of_key:
            problems.append(problem)
    problems.sort(key=lambda problem: (problem.line, problem.column))
    faulty = {fault.path[0] for fault in faults if fault.path}
    return found, problems, {key: value for key, value in found.items() if key not in faulty}


def _flag_values(flags: Mapping[str, Any], context: ReadingContext) -> tuple[Values, list[Problem]]:
    written: dict[str, Any] = {}
    flag_of = {path: of.flag for path, of, _ in leaves() if of.flag and path != "providers"}  # providers.wanted() reads that one
    for path, flag in flag_of.items():
        name = flag.removeprefix("--").replace("-", "_")
        if name not in flags:
            continue
        section, _, key = path.rpartition(".")
        given = flags[name]
        if path == "forward.upstreams" and list(given) in (["none"], ["off"]):
            given = []
        (written.setdefault(section, {}) if section else written)[key] = given
    values, faults = values_of(written, context)
    problems = []
    for fault in faults:
        path = ".".join(step for step in fault.path if isinstance(step, str))
        problems.append(Problem("", 0, 0, flag_of.get(path, f"--{path}"), fault.message))
    return values, problems


def _has_ipv6() -> bool:
    """True if ::1 can be bound: a kernel or a container may have no IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
