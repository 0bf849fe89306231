"""The static provider: services from a YAML or JSON file (docs/services.md).

    provider.py      the class that other rooms see
    source.py        the file as `dnsdisco check` looks at it
    content.py       its content as services, and its faults
    text.py          its text → plain data
    places.py        where in the text each value stands
    change.py        an instance comes into, or goes out of, its data
    edit.py          that change, in its text
    items.py         that change, in a list of `instances:`
    atomic_file.py   a file replaced whole, by one writer at a time

Read first: `provider.py`, then `content.py`.
"""

from __future__ import annotations

from dnsdisco.providers.static.provider import StaticServiceDiscovery
from dnsdisco.providers.static.source import check_file

__all__ = ["StaticServiceDiscovery", "check_file"]
