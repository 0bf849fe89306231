"""The static provider: services from a YAML or JSON file (docs/services.md).

    provider.py      the class that other rooms see
    options.py       what may be set
    traits.py        what it declares: its detection, what a server does with it
    found.py         the file that lies in the working directory
    source.py        the file as `dnsdisco check` looks at it
    content.py       its content as services, and its faults
    text.py          its text → plain data, and where in it each value stands
    change.py        an instance comes into, or goes out of, its data
    edit.py          that change, in its text
    items.py         that change, in a list of `instances:`
    atomic_file.py   a file replaced whole, by one writer at a time

Read first: `provider.py`, then `content.py`.
"""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from dnsdisco.providers.static.traits import Traits

if TYPE_CHECKING:
    from dnsdisco.providers.static.provider import StaticServiceDiscovery
    from dnsdisco.providers.static.source import check_file

__all__ = ["StaticServiceDiscovery", "Traits", "check_file"]


def __getattr__(name: str) -> Any:
    """The class and the check come with YAML, when somebody asks for them."""
    if name == "StaticServiceDiscovery":
        from dnsdisco.providers.static.provider import StaticServiceDiscovery  # noqa: PLC0415

        return StaticServiceDiscovery
    if name == "check_file":
        from dnsdisco.providers.static.source import check_file  # noqa: PLC0415

        return check_file
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
