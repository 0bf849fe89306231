"""Several providers as one, for programs that use the library. (A server merges the providers' snapshots: model/merge.py.)

`first`: the first provider that has a service gives it. `merge`: the instances of all that have it, the first one's facts.
A provider that does not answer makes every service unknown that only it, or one after it, could have; so the answer is
ProviderError, unless one before it has the service, or it is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from dnsdisco.errors import NotSupported, ProviderError
from dnsdisco.model.chain import Source, wanted_by
from dnsdisco.model.data import service_from_data, service_to_dict
from dnsdisco.model.service import Instance, Service
from dnsdisco.providers.asked import all_services, asked, named, one_service
from dnsdisco.providers.base import ServiceDiscovery


@dataclass(frozen=True, slots=True)
class Link:
    """One provider and the options that every provider takes. `include`, `exclude`: globs on the name, any case."""

    provider: ServiceDiscovery
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    optional: bool = False
    when_all_unhealthy: str = ""  # for its services that do not say it themselves

    @classmethod
    def of(cls, given: ServiceDiscovery | Link | tuple[Mapping[str, Any], ServiceDiscovery]) -> Link:
        if isinstance(given, Link):
            return given
        if isinstance(given, ServiceDiscovery):
            return cls(given)
        entry, provider = given
        include, exclude = tuple(entry.get("include") or ()), tuple(entry.get("exclude") or ())
        return cls(provider, include, exclude, bool(entry.get("optional")), entry.get("when_all_unhealthy") or "")


class ChainServiceDiscovery(ServiceDiscovery):
    """*links* in order of precedence: providers, or pairs of an entry of `providers:` and its provider. Closing it closes them."""

    type: ClassVar[str] = "chain"

    def __init__(
        self, links: Iterable[ServiceDiscovery | Link | tuple[Mapping[str, Any], ServiceDiscovery]], chain: str = "first"
    ) -> None:
        if chain not in {"first", "merge"}:
            raise ValueError(f"expected first or merge, found {chain!r}")
        self.links: Sequence[Link] = [Link.of(link) for link in links]
        self._wants = [wanted_by(Source(link.provider.type, link.include, link.exclude)) for link in self.links]
        self._is_merging = chain == "merge"

    def get_services(self) -> dict[str, dict[str, Any]]:
        services: dict[str, dict[str, Any]] = {}
        for link, wants in zip(self.links, self._wants, strict=True):
            for name, data in _asked(link, all_services).items():
                if not wants(("", name)):
                    continue
                if name not in services:
                    services[name] = _completed(link, data)
                elif self._is_merging:
                    services[name] = _union(name, services[name], link, data)
        return services

    def get_service(self, service_name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
        found: dict[str, Any] | None = None
        for link in self._links_for(service_name):
            data = _asked(link, lambda provider: one_service(provider, service_name) or {})
            if not data:
                continue
            found = _completed(link, data) if found is None else _union(service_name, found, link, data)
            if not self._is_merging:
                break
        service = None if found is None else service_from_data(service_name, found)[0]
        return service_to_dict(service) if service else default

    @property
    def has_own_url(self) -> bool:
        return any(link.provider.has_own_url for link in self.links)

    def own_url(self, service_name: str) -> str | None:
        """That of the provider that decides about the service, if it has a word of its own for this."""
        for link in self._links_for(service_name) if self.has_own_url else ():
            if link.provider.has_own_url:
                url = _asked(link, lambda provider: {"url": asked(provider, lambda it: it.own_url(service_name))}).get("url")
                if url:
                    return str(url)
            elif _asked(link, lambda provider: one_service(provider, service_name) or {}):
                break
        return None

    def get_service_url(self, service_name: str, default: str | None = None) -> str | None:
        return self.own_url(service_name) or super().get_service_url(service_name, default)

    def register_service(self, service_name: str, service_data: Mapping[str, Any]) -> str:
        """With the first provider that can. Raises NotSupported, with the reason of each, when none can."""
        reasons = []
        for link in self._links_for(service_name):
            try:
                with named(link.provider):
                    return link.provider.register_service(service_name, service_data)
            except NotSupported as error:
                reasons.append(str(error))
        raise NotSupported("; ".join(reasons) or f"no provider takes the name {service_name}")

    def deregister_service(self, service_name: str, instance_id: str | None = None) -> bool:
        """With the first provider that can, and has it. Raises NotSupported where only one that cannot has it."""
        reasons = []
        for link in self._links_for(service_name):
            try:
                with named(link.provider):
                    if link.provider.deregister_service(service_name, instance_id):
                        return True
            except NotSupported as error:
                reasons.append(str(error))
        if reasons:
            raise NotSupported("; ".join(reasons))
        return False

    def close(self) -> None:
        for link in self.links:
            link.provider.close()

    def _links_for(self, name: str) -> Iterator[Link]:
        return (link for link, wants in zip(self.links, self._wants, strict=True) if wants(("", name)))


def _asked(link: Link, ask: Callable[[ServiceDiscovery], Mapping[str, Any]]) -> Mapping[str, Any]:
    """What the provider says; nothing when it does not answer and is optional."""
    try:
        return ask(link.provider)
    except ProviderError:
        if link.optional:
            return {}
        raise


def _completed(link: Link, data: Mapping[str, Any]) -> dict[str, Any]:
    if not link.when_all_unhealthy or not isinstance(data, Mapping):
        return data  # type: ignore[return-value]  # what is no mapping is refused where it is read
    return {"when_all_unhealthy": link.when_all_unhealthy, **data}


def _union(name: str, first: Mapping[str, Any], link: Link, other: Mapping[str, Any]) -> dict[str, Any]:
    """*first* with the instances of *other*. The same address with the same ports is the same instance."""
    one, two = service_from_data(name, first)[0], service_from_data(name, other)[0]
    if one is None or two is None:
        return dict(other if one is None else first)
    instances: dict[tuple[object, ...], Instance] = {(each.address, each.ports): each for each in one.instances}
    ids = {each.id for each in one.instances}
    for each in two.instances:
        own = replace(each, id=f"{each.id}-{link.provider.type}") if each.id in ids else each
        instances.setdefault((each.address, each.ports), own)
    return service_to_dict(_with_instances(one, tuple(instances.values())))


def _with_instances(service: Service, instances: tuple[Instance, ...]) -> Service:
    return replace(service, instances=instances, alias_of=service.alias_of if len(instances) == 1 else "")
