"""The declarations of the static provider: when it is used without being named, and how a server uses it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dnsdisco.providers.log import logger
from dnsdisco.providers.static import options
from dnsdisco.providers.static.found import DEFAULT_PATHS, found_distrusted
from dnsdisco.providers.traits import ProviderTraits
from dnsdisco.settings.forms import OptionsClass


class Traits(ProviderTraits):
    type: ClassVar[str] = "static"
    Options: ClassVar[OptionsClass | None] = options.Options
    services_option: ClassVar[str] = "path"
    is_local: ClassVar[bool] = True
    must_exist_at_start: ClassVar[bool] = True
    precedence: ClassVar[int] = 80

    @classmethod
    def is_suggested(cls, environ: Mapping[str, str], folder: Path) -> bool:
        """A variable that names a file that is not there suggests it, too: that is a mistake to be reported. A file that lies here and is
        not to be trusted is passed over, and reported."""
        if environ.get(options.PATH_VARIABLE):
            return True
        found = next((path for path in DEFAULT_PATHS if (folder / path).is_file()), None)
        reason = found_distrusted(folder / found, found) if found else ""
        if reason:
            logger().warning(f"{found} was detected and is passed over: {reason}")
        return found is not None and not reason
