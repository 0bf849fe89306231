"""A class written before instances had ids becomes one of the contract: its deregister_service(self, service_name) removes all.

ServiceDiscovery does this when a class is made, so that no caller of a provider has to know.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dnsdisco.errors import NotSupported
from dnsdisco.model.service_data import service_from_data

Method = Callable[..., Any]


def registering(written: Method) -> Method:
    """register_service() that returns the instance's id whatever *written* returns."""

    @functools.wraps(written)
    def register_service(self: Any, service_name: str, service_data: Mapping[str, Any]) -> str:
        said = written(self, service_name, service_data)
        return said if isinstance(said, str) and said else _id_of(service_name, service_data)

    return register_service


def deregistering(written: Method) -> Method:
    """deregister_service() that takes an id, and returns whether there was something, whatever *written* does."""
    if _takes_an_id(written):
        return written

    @functools.wraps(written)
    def deregister_service(self: Any, service_name: str, instance_id: str | None = None) -> bool:
        ids = instance_ids(service_name, self.get_service(service_name))
        if instance_id is not None:
            if instance_id not in ids:
                return False
            if len(ids) > 1:
                raise NotSupported(
                    f"the {self.type} provider removes services alone, not one of the {len(ids)} instances of {service_name}"
                )
        said = written(self, service_name)
        return said if isinstance(said, bool) else bool(ids)

    return deregister_service


def _takes_an_id(method: Method) -> bool:
    try:
        inspect.signature(method).bind(None, "", "")
    except TypeError:
        return False
    except ValueError:  # it has no signature that can be seen
        pass
    return True


def instance_ids(name: str, data: Any) -> list[str]:
    """The ids of a service's instances, in any form of the data; none if there is no service."""
    service = service_from_data(name, data)[0] if data else None
    return [instance.id for instance in service.instances] if service is not None else []


def _id_of(name: str, data: Mapping[str, Any]) -> str:
    given = data.get("id")
    return str(given) if given else next(iter(instance_ids(name, data)), name)
