"""Turns what a provider yields into a Snapshot: built-in ones yield it themselves, a plug-in's dict is read service by service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from dnsdisco.model.diff import Key
from dnsdisco.model.identity import said_twice
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.model.service_data import fault_text, rejection, service_from_data
from dnsdisco.providers.values import not_too_many, TooMuch, values_in, VALUES_MAX


class _Known(NamedTuple):
    """A service that was read: its data as text, the number of values in that, the result, and how many objects were left out."""

    text: str
    values: int
    service: Service | None
    left_out: int
    rejection: str  # why there is no service


class Reader:
    """One provider's yields, in order. Services whose data did not change keep their identity."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self.faults: list[tuple[str, str]] = []  # service, reason; of the last view, of the services read anew in it
        self.rejected = 0  # objects left out of the last view
        self._doubles: set[str] = set()  # services of the last view that another one of it is called like

    def read(self, yielded: object) -> Snapshot:
        """Raises TypeError for what is neither a Snapshot nor a mapping of names to data, ValueError for too many. O(services) for a mapping."""
        self.faults, self.rejected = [], 0
        if isinstance(yielded, Snapshot):
            return yielded
        if not isinstance(yielded, Mapping):
            raise TypeError(f"yielded {type(yielded).__name__}, not a mapping of service names to their data")
        not_too_many(yielded)
        known: dict[str, _Known] = {}
        values = 0
        for name, data in yielded.items():
            text = _text(data)
            old = self._known.get(name)
            if old is None or old.text != text or not text:
                count = values_in(text)
                if values + count > VALUES_MAX:
                    raise TooMuch(f"more than the {VALUES_MAX:,} values that are read of all services together")
                old = _Known(text, count, *self._service(name, data, old))
            known[name] = old
            values += old.values
        self._known = known
        services = self._by_name(known)
        self.rejected = sum(each.left_out for each in known.values()) + len(self._doubles)
        return Snapshot(
            services,
            rejected=tuple((str(name), each.rejection) for name, each in known.items() if each.service is None),
        )

    def _by_name(self, known: Mapping[str, _Known]) -> dict[Key, Service]:
        """The services by what they are called; of two with one name the first. The other is a fault, once."""
        services: dict[Key, Service] = {}
        doubles = set()
        for at, each in known.items():
            if each.service is None:
                continue
            if each.service.key not in services:
                services[each.service.key] = each.service
                continue
            doubles.add(at)
            if at not in self._doubles:
                self.faults.append((str(at), said_twice(each.service)))
        self._doubles = doubles
        return services

    def _service(self, name: Any, data: Any, old: _Known | None) -> tuple[Service | None, int, str]:
        service, faults = service_from_data(name, data)
        self.faults += [(str(name), fault_text(path, message)) for path, message, _ in faults]
        left_out = len({_whole(path) for path, _, is_warning in faults if not is_warning})
        if service is None:
            return None, left_out, rejection(faults)
        return (old.service if old is not None and old.service == service else service), left_out, ""


def _whole(path: str) -> str:
    """The object that is left out for a fault at *path*: an entry of a list, or the one instance that is written beside the service."""
    head = path.partition(".")[0]
    return head if head.endswith("]") else ""


def _text(data: Any) -> str:
    """The data as it is now, to be compared later: a plug-in may keep and change the very dict that it yielded. "": no text for it."""
    try:
        return json.dumps(data, default=repr)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, cycles
        return ""
