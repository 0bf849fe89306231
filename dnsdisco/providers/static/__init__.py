"""The static provider: services from a YAML or JSON file (docs/services.md).

    provider.py   the class that other rooms see
    source.py     the file as `dnsdisco check` looks at it

How the file's text is read and edited stands in `services_*.py` beside this folder. Read first: `provider.py`.
"""

from __future__ import annotations

from dnsdisco.providers.static.provider import StaticServiceDiscovery
from dnsdisco.providers.static.source import check_file

__all__ = ["StaticServiceDiscovery", "check_file"]
