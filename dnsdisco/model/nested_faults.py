"""Every fault inside one value of the service data, each at its own place. Read only once it is known that there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dnsdisco.model.fields import check_from, meta_from, ports_from, tags_from

Read = Callable[[Any], Any]  # raises ValueError for what it cannot use


def every_fault(read: Read, value: Any, key: str) -> list[tuple[str, str]]:
    """Path and message of each fault that *read* has with *value*, the value of *key*; [] when there is none.

    A part that cannot be used for itself alone has a fault of its own; a fault of the whole is reported where no part has one.
    """
    try:
        read(value)
    except ValueError as error:
        whole = str(error)
    else:
        return []
    found = []
    for path, part in _parts(read, value, key):
        try:
            read(part)
        except ValueError as error:
            found.append((path, str(error)))
    return found or [(key, whole)]


def _parts(read: Read, value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Each part of *value*: its path, and a value of the same kind in which it stands alone."""
    if isinstance(value, Mapping) and read in (ports_from, meta_from, check_from):
        for name, each in value.items():
            alone = {name: each}
            if read is check_from and name not in ("http", "tcp"):
                alone["tcp"] = "{address}:{port}"  # one of the two has to be there
            yield f"{key}.{name}", alone
    elif isinstance(value, Sequence) and not isinstance(value, str) and read in (ports_from, tags_from):
        for at, each in enumerate(value):
            yield f"{key}[{at}]", [each]
