"""The words of the chain: its members, its policy, and which names each of their services asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from typing import NamedTuple

from dnsdisco.model.diff import Key
from dnsdisco.model.entry import Path
from dnsdisco.model.names import service_label, spellings
from dnsdisco.model.service import Service

FAIL_OPEN = "fail_open"
EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class ChainSource:
    """One provider's place in the chain. `include`, `exclude`: globs on the raw name, any case; no `include` is all."""

    name: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    when_all_unhealthy: str = ""  # "": the chain's


@dataclass(frozen=True, slots=True)
class ChainPolicy:
    """The settings of the whole chain."""

    is_merging: bool = False  # `chain: merge`: union of instances; else the first provider that has a service wins
    when_all_unhealthy: str = FAIL_OPEN


class Collision(NamedTuple):
    """A service that is not found under a name that it asked for; `path` is () when none of its names can be a DNS name."""

    provider: str
    service: str
    path: Path
    winner_provider: str = ""
    winner: str = ""
    what: str = ""  # of the service it is that is not found; "": the service itself

    def __str__(self) -> str:
        who = f"{self.what} of the " * bool(self.what) + f"service {self.service!r} of {self.provider}"
        if not self.path:
            return f"{who} has a name that makes no DNS label (1 to 63 of letters, digits and dashes): it cannot be found"
        name = ".".join(self.path)
        return f"{who} is not found as {name!r}: that name belongs to {self.winner!r} of {self.winner_provider}"


class Claim(NamedTuple):
    """A path at which one service would be found."""

    source: int
    key: Key
    is_made_up: bool
    same: str  # equal for two services that are one and the same to a user: the raw name without its case
    home: Path | None = None  # of an alias: where its service is found by its own name


def claims_of(source: int, key: Key, service: Service) -> dict[Path, Claim]:
    """The names that *service* claims, its canonical name first. *key* is where its provider keeps it."""
    raw, heads = service.name.lower(), spellings(service.name)
    claims: dict[Path, Claim] = {}
    for tail, tail_raw in _tails(service):
        same = "/".join((raw, *tail_raw))
        for head in heads:
            claims[head, *tail] = Claim(source, key, head != raw or tail != tail_raw, same)
    for alias in service.aliases:
        for tail, tail_raw in _tails(service):
            same = "/".join((raw, *tail_raw))
            for head in spellings(alias):
                is_made_up = head != alias.lower() or tail != tail_raw
                claims.setdefault((head, *tail), Claim(source, key, is_made_up, same, (heads[0], *tail)))
    return claims


def _tails(service: Service) -> Iterator[tuple[Path, Path]]:
    """What stands behind its names, and the same raw, in lower case: nothing, and the namespace."""
    if service.is_default_namespace or not service.namespace:
        yield (), ()
    namespace = service_label(service.namespace)
    if namespace is not None:
        yield (namespace,), (service.namespace.lower(),)


def wanted_by(source: ChainSource) -> Callable[[Key], bool]:
    if not source.include and not source.exclude:
        return lambda _key: True
    included, excluded = _globs(source.include or ("*",)), _globs(source.exclude)

    def is_wanted(key: Key) -> bool:
        name = key[1].lower()
        return included(name) and not excluded(name)

    return is_wanted


def _globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    compiled = [re.compile(translate(pattern.lower())) for pattern in patterns]
    return lambda name: any(pattern.match(name) for pattern in compiled)


def shown(key: Key) -> str:
    namespace, name = key
    return f"{namespace}/{name}" if namespace else name
