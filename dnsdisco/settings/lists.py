"""The kinds that hold others: lists, lists by domain, the entries of `providers`. Their parts are read first, each at its own place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dnsdisco.settings.kinds import Machine, Path, UpstreamText, ValueKind, Written
from dnsdisco.written import addresses, endpoints, names


class ListOf(NamedTuple):
    """*checks* are made once every item has been read, and may put other items in their place."""

    item: ValueKind
    example: str
    checks: tuple[Callable[[tuple[str, ...]], tuple[str, ...]], ...] = ()

    @property
    def values(self) -> str:
        return self.item.values + (", at least one" if at_least_one in self.checks else "")

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema} | ({"minItems": 1} if at_least_one in self.checks else {})

    def read(self, value: object, machine: Machine) -> tuple[str, ...]:
        """The list of items that were read already."""
        assert isinstance(value, (list, tuple))
        items = tuple(value)
        for check in self.checks:
            items = check(items)
        return items


class ByDomain(NamedTuple):
    """A mapping of DNS names to lists, kept as pairs."""

    lists: ListOf
    values: str

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.lists.schema}

    def read(self, value: object, machine: Machine) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The mapping of keys and lists that were read already."""
        assert isinstance(value, dict)
        return tuple(value.items())


class ProviderEntries(NamedTuple):
    """The entries of `providers`: which options each has is for the providers to declare."""

    example: str = "[env, static]"

    @property
    def values(self) -> str:
        return "entries, see below"

    @property
    def schema(self) -> dict[str, Any]:
        entry = {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}
        return {"type": "array", "items": {"anyOf": [{"type": "string"}, entry]}}

    def read(self, value: object, machine: Machine) -> tuple[dict[str, Any], ...]:
        """The entries, which were read already."""
        assert isinstance(value, (list, tuple))
        return tuple(value)


def each_once(items: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((item for at, item in enumerate(items) if item in items[:at]), None)
    if twice is not None:
        raise ValueError(f"{twice} is given twice")
    return items


def at_least_one(items: tuple[str, ...]) -> tuple[str, ...]:
    if not items:
        raise ValueError("expected at least one value, found an empty list; remove the key for the default")
    return items


def all_networks(items: tuple[str, ...]) -> tuple[str, ...]:
    """Each network that was written or that a word stands for, once."""
    return tuple(dict.fromkeys(network for item in items for network in addresses.networks(item)))


def _network(value: object) -> str:
    """A network, or the word `private` still as a word."""
    first, *more = addresses.networks(value)
    return "private" if more else first


DOMAIN = Written(names.dns_name, "DNS names")
DOMAINS = ListOf(DOMAIN, "[dnsdisco.example]", (each_once,))
ZONES = ListOf(Written(names.zone, "DNS names"), "[svc.local]", (each_once, at_least_one))
LISTENERS = ListOf(
    Written(
        lambda value: str(endpoints.listener(value)),
        '`127.0.0.1:53`, `"[::1]:53"`, `tls://127.0.0.1:853`, `"https://127.0.0.1:443/dns-query"`',
    ),
    "[127.0.0.1:53]",
    (each_once, at_least_one),
)
UPSTREAMS = ListOf(UpstreamText(), "[192.0.2.1], or [] for none", (each_once,))
NETWORKS = ListOf(Written(_network, "networks, addresses, `private`"), "[127.0.0.0/8, private]", (all_networks,))
PATHS = ListOf(Path(), "[zones/*.zone]")
