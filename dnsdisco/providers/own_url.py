"""The URLs of a class that has a get_service_url() of its own: what it returns is the URL everywhere.

Where that URL is one that its data lead to anyway, as it is for a choice among instances, the data stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TYPE_CHECKING

from dnsdisco.model.address import parse_url
from dnsdisco.model.library_dict import instance_to_dict
from dnsdisco.model.service_data import service_from_data, service_to_dict

if TYPE_CHECKING:
    from dnsdisco.providers.base import ServiceDiscovery


def with_own_urls(provider: ServiceDiscovery, services: Any) -> Any:
    """get_services() of *provider* with them. One call of get_service_url() for each service, where it is the class's own."""
    if not provider.has_own_url or not isinstance(services, Mapping):
        return services
    return {name: with_own_url(provider, name, data) for name, data in services.items()}


def with_own_url(provider: ServiceDiscovery, name: str, data: Any) -> Any:
    """*data*, of whatever form, with it. As it is where the class gives none, or one that is no URL, or fails."""
    if not provider.has_own_url or not data or not isinstance(name, str):
        return data
    try:
        url = provider.get_service_url(name)
        if not url:
            return data
        parse_url(url)
    except Exception:  # noqa: BLE001  the data have come: a URL that has not is no reason to lose them
        return data
    service, faults = service_from_data(name, data)
    if service is None or not all(is_warning for *_, is_warning in faults):
        return data  # its reader reports the fault
    if url in {service.url, *(instance_to_dict(service, each)["url"] for each in service.instances)}:
        return data
    return {**data, **service_to_dict(replace(service, url=url))}
