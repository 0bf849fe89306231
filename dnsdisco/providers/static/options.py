"""The options of the static provider."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from dnsdisco.providers.static.found import DEFAULT_PATHS
from dnsdisco.settings import kinds
from dnsdisco.settings.setting import Setting

PATH_VARIABLE = "SERVICE_DISCOVERY_CONFIG_FILE"


class Options(NamedTuple):
    path: Annotated[
        str,
        Setting(
            kinds.Path(),
            "The services file. It is watched.",
            default=f"`{PATH_VARIABLE}`, else the first of {', '.join(f'`{path}`' for path in DEFAULT_PATHS)} that exists",
        ),
    ] = ""
