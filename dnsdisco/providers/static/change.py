"""One instance comes into, or goes out of, the data of a services file. Knows nothing of text; `edit.py` does.

Works in place on any nesting of mappings and lists, so that it serves plain data and ruamel.yaml's, which carry the comments, alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from dnsdisco.model.instances import INSTANCE_KEYS
from dnsdisco.model.probe_target import template
from dnsdisco.model.service import Instance
from dnsdisco.model.service_data import service_from_data

Services = MutableMapping[str, Any]
Change = Callable[[Services], bool]  # False: there was nothing to change

OF_ONE = INSTANCE_KEYS - {"scheme"}  # what belongs to an instance; the rest belongs to the service as a whole
_ASKED = ("http", "tcp")  # what a check may ask
_SHARED = ("port", "ports", "name", "namespace")  # of the service, where an instance has none: its derived id needs them


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
            if _id_of(name, entry, entry) == instance_id:
                _overwrite(entry, data)
                return True
            first = _taken_out(entry)
            entry["instances"] = [first] if first else []
        one = {key: value for key, value in data.items() if key in OF_ONE}
        for key, value in data.items():
            if key not in OF_ONE:
                entry[key] = _check_of_all(name, entry, value, one) if key == "check" else value
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
            if instance_id is not None and _id_of(name, entry, entry) != instance_id:
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


def _check_of_all(name: str, entry: MutableMapping[str, Any], check: Any, one: dict[str, Any]) -> Any:
    """*check*, which comes with the instance *one*, as the check of all, where there was one for all, or for another the same.

    There is one check for all instances, but each of several registrations writes its own address into it.
    """
    new, known = _of_any(check, _read(name, entry, one)), entry.get("check")
    if not new or not isinstance(known, Mapping):
        return check
    instances = (_read(name, entry, each) for each in entry["instances"])
    is_for_all = any("{address}" in str(known.get(key)) for key in _ASKED)
    return new if is_for_all or any(_is_same(new, _of_any(known, each)) for each in instances) else check


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in _ASKED)


def _of_any(check: Any, instance: Instance | None) -> dict[str, Any]:
    """*check* with {address} and {port} in place of those of *instance*; empty where it asks another host."""
    if not isinstance(check, Mapping) or instance is None:
        return {}
    written = dict(check)
    for key in _ASKED:
        if not written.get(key):
            continue
        try:
            scheme, host, port, path = template(*((str(written[key]), "") if key == "http" else ("", str(written[key]))))
        except ValueError:
            return {}
        if host not in ("", instance.address):
            return {}
        is_first = port == 0 or (instance.ports and port == instance.ports[0].number)
        written[key] = f"{'' if key == 'tcp' else f'{scheme}://'}{{address}}:{'{port}' if is_first else port}{path}"
    return written


def _taken_out(entry: Any) -> Any:
    """The keys that belong to the instance, as a mapping of the same kind, with the comments and the look that ruamel.yaml keeps."""
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
    read = _read(name, entry, instance)
    return read.id if read else None


def _read(name: str, entry: MutableMapping[str, Any], instance: Any) -> Instance | None:
    shared = {key: entry[key] for key in _SHARED if entry.get(key) is not None}
    service, _ = service_from_data(name, {**shared, "instances": [instance]})
    return service.instances[0] if service and service.instances else None
