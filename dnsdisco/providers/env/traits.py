"""The declarations of the env provider: it is the last one of every chain that is detected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dnsdisco.providers.env import options
from dnsdisco.providers.traits import ProviderTraits
from dnsdisco.settings.forms import OptionsClass


class Traits(ProviderTraits):
    type: ClassVar[str] = "env"
    Options: ClassVar[OptionsClass | None] = options.Options
    is_kept: ClassVar[bool] = False
    precedence: ClassVar[int] = 100

    @classmethod
    def is_suggested(cls, environ: Mapping[str, str], folder: Path) -> bool:
        return True
