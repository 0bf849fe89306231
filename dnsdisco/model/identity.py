"""What a service is called: its key in a file or in a provider's dict, and `name`, `namespace`, `aliases` beside its data (docs/services.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from dnsdisco.errors import shortened
from dnsdisco.model.fields import ENTRIES_MAX
from dnsdisco.model.instances import Fault
from dnsdisco.model.names import service_label
from dnsdisco.model.service import Service
from dnsdisco.written.units import shown

KEYS = frozenset({"name", "namespace", "is_default_namespace", "aliases"})


class Identity(NamedTuple):
    """The fields of Service with the same names."""

    name: str
    namespace: str = ""
    is_default_namespace: bool = True
    aliases: tuple[str, ...] = ()

    def of(self, service: Service) -> Service:
        """*service*, which has this name, with the rest."""
        return replace(service, namespace=self.namespace, is_default_namespace=self.is_default_namespace, aliases=self.aliases)


def identity_from(key: Any, data: Any, faults: list[Fault]) -> Identity | None:
    """The identity of the service that stands at *key*; None where it cannot be known, so that a wrong one takes nobody's name.

    Where there is no `name`, it is the key, without the namespace at its end: `web.shop` in the namespace `shop` is `web`.
    """
    if not isinstance(key, str):
        faults.append(("", f"expected a service name, found {shown(key)}", False))
        return None
    if not isinstance(data, Mapping) or KEYS.isdisjoint(data):
        reason = _refused(key, "service name")
        if reason:
            faults.append(("", reason, False))
        return None if reason else Identity(key)
    name, namespace = data.get("name"), data.get("namespace")
    if namespace is not None and namespace != "" and (reason := _refused(namespace, "namespace")):
        faults.append(("namespace", reason, False))
        return None
    namespace = namespace or ""
    where = "name"
    if name is None or name == "":
        where, tail = "", f".{namespace}".lower()
        name = key[: -len(tail)] if namespace and key.lower().endswith(tail) else key
    if reason := _refused(name, "service name"):
        faults.append((where, reason, False))
        return None
    is_default = not namespace
    if (given := data.get("is_default_namespace")) is not None:
        if not isinstance(given, bool):
            faults.append(("is_default_namespace", f"expected true or false, found {shown(given)}", False))
        else:
            is_default = given or not namespace
    return Identity(name, namespace, is_default, _aliases(data.get("aliases"), name, faults))


def identity_to_dict(service: Service) -> dict[str, Any]:
    """The keys that identity_from() reads back, whatever key it stands at; {} where that key says what it is called.

    So a namespace that need not be said is left out, where there are no aliases that are found in it.
    """
    if not service.aliases and service.called == service.name:
        return {}
    plain: dict[str, Any] = {"name": service.name}
    if service.namespace:
        plain["namespace"] = service.namespace
        if service.is_default_namespace:
            plain["is_default_namespace"] = True
    if service.aliases:
        plain["aliases"] = list(service.aliases)
    return plain


def said_twice(service: Service) -> str:
    """The fault of *service*, where another one of the same provider, which comes first, has its name."""
    return f"the service {service.called} is said twice; the first one counts, and this one is left out"


def names_in(key: Any, data: Any) -> Iterator[str]:
    """All that the service which stands at *key* is asked for as: `web`, or `web.shop`, and its aliases likewise."""
    identity = identity_from(key, data, [])
    if identity is not None:
        yield from identity.of(Service(identity.name)).names


def _refused(name: Any, what: str) -> str:
    if not isinstance(name, str):
        return f"expected a {what}, found {shown(name)}"
    if not name.isprintable():
        return f"expected a {what} without control characters, found {shown(name)}"
    if service_label(name) is None:
        return f"expected a {what} that makes a DNS label (1 to 63 characters, a letter or a digit among them), found {shown(name)}"
    return ""


def _aliases(value: Any, name: str, faults: list[Fault]) -> tuple[str, ...]:
    """Each once. A text alone is one alias. One that cannot be used is left out alone."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence):
        faults.append(("aliases", f"expected a list of names, found {shown(value)}", False))
        return ()
    if len(value) > ENTRIES_MAX:
        faults.append(("aliases", f"expected at most {ENTRIES_MAX} entries, found {len(value)}", False))
        return ()
    aliases: dict[str, None] = {}
    for at, alias in enumerate(value):
        if reason := _refused(alias, "name"):
            faults.append((f"aliases[{at}]", shortened(reason), False))
        elif alias != name:
            aliases[alias] = None
    return tuple(aliases)
