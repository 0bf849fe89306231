"""The configuration read beside our own providers, whatever plug-ins are installed here and whatever this machine suggests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from dnsdisco.config import sources
from dnsdisco.config.sources import Given, Inspection
from dnsdisco.providers import registry
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import OptionsClass

BUILT_IN = ("env", "static", "consul", "kubernetes")
PLUG_IN = "nomad"  # one that is known by its name alone

Detect = Callable[[Mapping[str, str]], list[str]]


class Known(NamedTuple):
    kinds: Collection[str] = BUILT_IN
    detected: Detect = lambda _: ["env"]

    def types(self) -> Collection[str]:
        return self.kinds

    def detect(self, environ: Mapping[str, str], also: Collection[str] = ()) -> list[str]:
        return sorted({*self.detected(environ), *also}, key=lambda kind: registry.traits(kind).precedence)

    def options(self, kind: str) -> OptionsClass | None:
        return registry.options(kind)

    def of_services_file(self) -> tuple[str, str]:
        return registry.of_services_file()


def resolve(source: Given, detect: Detect = lambda _: ["env"], **more: Any) -> Settings:
    return sources.resolve(source, Known((*BUILT_IN, PLUG_IN), detect), **more)


def inspect(source: Given, known_types: Collection[str] = BUILT_IN, **more: Any) -> Inspection:
    return sources.inspect(source, Known(known_types), **more)
