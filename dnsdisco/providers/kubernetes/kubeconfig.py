"""Reads kubeconfig files as kubectl does: several are merged, and one context of the whole is used, with its cluster and its user.

The first file that has an entry wins; paths are relative to the folder of their file; an empty file, an empty part of KUBECONFIG
and a missing file count as nothing. A context, cluster or user that is named and does not exist is an error.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a tower of brackets takes the other one a second

# What PyYAML raises for a date, number or truth value that is none, as much as for what is no YAML.
FAULTS_OF_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError)
FILE_OCTETS_MAX = 4 * 2**20  # of one kubeconfig, and of each file that it names; kubectl's are some kB


class KubeconfigUnusable(ValueError):
    """A kubeconfig that cannot be used; the message names the place, and shows no secret."""


@dataclass(frozen=True, slots=True)
class KubeconfigEntry:
    """A cluster, a user or a context. The readers raise Unusable."""

    kind: str
    name: str
    said: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()

    def text(self, key: str) -> str:
        """The text under *key*; "" if there is none."""
        value = self.said.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise KubeconfigUnusable(f"{self}: {key}: expected a text, found {type(value).__name__}")
        return value

    def flag(self, key: str) -> bool:
        value = self.said.get(key)
        if value not in (None, True, False):
            raise KubeconfigUnusable(f"{self}: {key}: expected true or false")
        return bool(value)

    def file(self, key: str) -> Path | None:
        path = self.text(key)
        if "\0" in path:
            raise KubeconfigUnusable(f"{self}: {key}: expected a path, found one with a NUL in it")
        return self.folder / path if path else None

    def octets(self, key: str) -> bytes:
        """The octets of `KEY-data`, in base64, else of the file that KEY names; b"" if there is neither."""
        data = self.text(f"{key}-data")
        if data:
            try:
                return base64.b64decode("".join(data.split()), validate=True)
            except ValueError:  # also for what is not ASCII
                raise KubeconfigUnusable(f"{self}: {key}-data: expected base64") from None
        file = self.file(key)
        return b"" if file is None else _octets(file)

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


class Chosen(NamedTuple):
    """The cluster and the user of one context. `user` is empty if the context names none."""

    cluster: KubeconfigEntry
    user: KubeconfigEntry

    def files(self) -> list[Path]:
        """The files that the entries name: a change of one changes our identity."""
        keys = ((self.cluster, "certificate-authority"), (self.user, "client-certificate"), (self.user, "client-key"))
        return [file for entry, key in keys if not entry.text(f"{key}-data") and (file := entry.file(key)) is not None]


def choose(files: Iterable[Path], context: str | None) -> Chosen:
    """Raises Unusable or OSError. *context* None: the current one."""
    current, entries = "", dict[tuple[str, str], KubeconfigEntry]()
    for file in files:
        try:
            config = yaml.load(_octets(file).decode(), Loader=_LOADER)  # noqa: S506  a safe one
        except FileNotFoundError:
            continue
        except FAULTS_OF_YAML:
            raise KubeconfigUnusable(f"{file} is no YAML") from None
        if config is None:
            continue
        if not isinstance(config, Mapping):
            raise KubeconfigUnusable(f"{file}: expected a mapping, found {type(config).__name__}")
        current = current or KubeconfigEntry(f"{file}:", "", config).text("current-context")
        for kind, key in (("context", "contexts"), ("cluster", "clusters"), ("user", "users")):
            for name, entry in _entries(file, kind, config.get(key)).items():
                entries.setdefault((kind, name), entry)
    wanted = context or current
    if not wanted:
        raise KubeconfigUnusable("no `current-context` is set; `context` names one")
    chosen = _named(entries, "context", wanted)
    cluster = _named(entries, "cluster", chosen.text("cluster"))
    user = chosen.text("user")
    return Chosen(cluster, _named(entries, "user", user) if user else KubeconfigEntry("user", ""))


def _entries(file: Path, kind: str, listed: Any) -> dict[str, KubeconfigEntry]:
    found: dict[str, KubeconfigEntry] = {}
    if not isinstance(listed, (list, type(None))):
        raise KubeconfigUnusable(f"{file}: {kind}s: expected a list, found {type(listed).__name__}")
    for each in listed or ():
        name = each.get("name") if isinstance(each, Mapping) else None
        said = each.get(kind) if isinstance(each, Mapping) else None
        if not isinstance(name, str) or not isinstance(said, (Mapping, type(None))):
            raise KubeconfigUnusable(f"{file}: {kind}s: expected entries with a `name` and a `{kind}`")
        if name in found:
            raise KubeconfigUnusable(f"{file}: the {kind} {name!r} is there twice")
        found[name] = KubeconfigEntry(kind, name, said or {}, file.absolute().parent)
    return found


def _named(entries: Mapping[tuple[str, str], KubeconfigEntry], kind: str, name: str) -> KubeconfigEntry:
    if (kind, name) not in entries:
        raise KubeconfigUnusable(f"there is no {kind} {name!r}")
    return entries[kind, name]


def _octets(file: Path) -> bytes:
    """Raises OSError, Unusable."""
    with file.open("rb") as opened:
        octets = opened.read(FILE_OCTETS_MAX + 1)
    if len(octets) > FILE_OCTETS_MAX:
        raise KubeconfigUnusable(f"{file} has more than {FILE_OCTETS_MAX} octets")
    return octets
