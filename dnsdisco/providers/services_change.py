"""One instance comes into, or goes out of, the data of a services file. Knows nothing of text; `services_edit.py` does.

Works in place on any nesting of mappings and lists, so that it serves plain data and ruamel.yaml's, which carry the comments, alike.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from dnsdisco.model.data import service_from_data
from dnsdisco.model.instances import INSTANCE_KEYS

Services = MutableMapping[str, Any]
Change = Callable[[Services], bool]  # False: there was nothing to change

OF_ONE = INSTANCE_KEYS - {"scheme"}  # what belongs to an instance; the rest is said of the service as a whole
_SHARED = ("port", "ports")  # of the service, where an instance has none: its derived id needs them


def put(name: str, data: dict[str, Any], instance_id: str) -> Change:
    """Add the instance that *data* describes in the short form, or put it in place of the one with that id.

    A service in the short form grows into the full form when a second instance comes.
    """

    def change(services: Services) -> bool:
        entry = services.get(name)
        if not isinstance(entry, MutableMapping):
            services[name] = dict(data)
            return True
        if entry.get("instances") is None:
            if _id_of(name, {}, entry) == instance_id:
                _overwrite(entry, data)
                return True
            first = _taken_out(entry)
            entry["instances"] = [first] if first else []
        one = {key: value for key, value in data.items() if key in OF_ONE}
        for key, value in data.items():
            if key not in OF_ONE:
                entry[key] = value
        instances = entry["instances"]
        for at, each in enumerate(instances):
            if _id_of(name, entry, each) == instance_id:
                instances[at] = one
                return True
        instances.append(one)
        return True

    return change


def remove(name: str, instance_id: str | None) -> Change:
    """Take out the instance with that id (None: every instance). With the last one the service goes, unless it has records."""

    def change(services: Services) -> bool:
        entry = services.get(name)
        if not isinstance(entry, MutableMapping):
            return False
        if entry.get("instances") is None:
            if instance_id is not None and _id_of(name, {}, entry) != instance_id:
                return False
            for key in [key for key in entry if key in OF_ONE]:
                del entry[key]
            _empty(services, name, entry)
            return True
        instances = entry["instances"]
        gone = [at for at, each in enumerate(instances) if instance_id is None or _id_of(name, entry, each) == instance_id]
        for at in reversed(gone):
            del instances[at]
        if gone and not instances:
            _empty(services, name, entry)
        return bool(gone)

    return change


def _empty(services: Services, name: str, entry: MutableMapping[str, Any]) -> None:
    if entry.get("records"):
        entry["instances"] = []
    else:
        del services[name]


def _overwrite(entry: MutableMapping[str, Any], data: dict[str, Any]) -> None:
    for key in [key for key in entry if key in OF_ONE and key not in data]:
        del entry[key]
    for key, value in data.items():
        entry[key] = value


def _taken_out(entry: Any) -> Any:
    """What belongs to the instance, as a mapping of the same kind, with the comments and the look that ruamel.yaml keeps beside it."""
    first = type(entry)()
    comments, look = getattr(entry, "ca", None), getattr(entry, "fa", None)
    for key in [key for key in entry if key in OF_ONE]:
        first[key] = entry.pop(key)
        if comments and key in comments.items:
            first.ca.items[key] = comments.items.pop(key)
    if look and look.flow_style():  # one line for each instance, not one for all
        look.set_block_style()
        first.fa.set_flow_style()
    return first


def _id_of(name: str, entry: MutableMapping[str, Any], instance: Any) -> str | None:
    """The id that readers of the file see; None for an instance that they leave out."""
    shared = {key: entry[key] for key in _SHARED if entry.get(key) is not None}
    service, _ = service_from_data(name, {**shared, "instances": [instance]})
    return service.instances[0].id if service and service.instances else None
