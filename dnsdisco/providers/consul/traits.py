"""The declarations of the consul provider: its needs, and when it is used without being named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dnsdisco.providers.consul import options
from dnsdisco.providers.traits import ProviderTraits
from dnsdisco.settings.forms import OptionsClass


class Traits(ProviderTraits):
    type: ClassVar[str] = "consul"
    Options: ClassVar[OptionsClass | None] = options.Options
    needs: ClassVar[tuple[str, ...]] = ("consul",)  # of python-consul and of py-consul
    package: ClassVar[str] = "dnsdisco[consul]"
    precedence: ClassVar[int] = 20

    @classmethod
    def is_suggested(cls, environ: Mapping[str, str], folder: Path) -> bool:
        return bool(environ.get("CONSUL_HOST") or environ.get("CONSUL_HTTP_ADDR"))
