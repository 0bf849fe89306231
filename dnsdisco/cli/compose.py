"""The wiring that several commands share: what was given → Settings → a chain of providers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dnsdisco.config.sources import Given, inspect, Inspection, resolve
from dnsdisco.model.claims import FAIL_OPEN
from dnsdisco.providers import registry
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.combined import ChainServiceDiscovery
from dnsdisco.settings.declared import Settings


def source(config: str | None, **flags: Any) -> Given:
    """The sources that a person gave. Flags that were not given (None, or no value at all) are left out."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in flags.items() if value not in (None, ())}
    return Given(config, given, os.environ)


def settings(given: Given) -> Settings:
    """Raises ConfigError with every fault."""
    return resolve(given, registry)


def inspection(given: Given) -> Inspection:
    return inspect(given, registry, is_to_serve=True)


def chain(config: str | None, **flags: Any) -> ServiceDiscovery:
    """The providers that `serve` would ask with the same options, as one. The caller closes it. Raises ConfigError."""
    decided = settings(source(config, **flags))
    links = [_link(entry, decided.when_all_unhealthy) for entry in decided.providers]
    return ChainServiceDiscovery(links, decided.chain)


def _link(entry: Mapping[str, Any], general_rule: str) -> tuple[dict[str, Any], ServiceDiscovery]:
    """Make a member of the chain. As in a server, the entry's rule for critical instances wins over the provider's own, and that over the general one."""
    provider = registry.create(entry, os.environ)
    rule = entry.get("when_all_unhealthy") or provider.when_all_unhealthy or general_rule
    return {**entry, "when_all_unhealthy": "" if rule == FAIL_OPEN else rule}, provider
