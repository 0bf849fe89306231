"""Several providers as one, for programs that use the library. Who has which name is decided as in a server, by model/merge.py.

`first`: the first provider that has a service gives it. `merge`: the instances of all that have it, the first one's facts.
A provider that does not answer makes every service unknown that only it, or one after it, could have; so the answer is
ProviderError, unless one before it has the service, or it is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from dnsdisco.errors import NotSupported, ProviderError
from dnsdisco.model.claims import ChainPolicy, ChainSource, EMPTY, wanted_by
from dnsdisco.model.entry import Entry
from dnsdisco.model.merge import Members, merge, Merger
from dnsdisco.model.names import asked_label, service_label
from dnsdisco.model.service import Instance, Snapshot
from dnsdisco.model.service_data import service_from_data, service_to_dict
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.guarded import all_services, asked, named, one_service


@dataclass(frozen=True, slots=True)
class ChainMember:
    """One provider and the options that every provider takes. `include`, `exclude`: globs on the name, any case."""

    provider: ServiceDiscovery
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    optional: bool = False
    when_all_unhealthy: str = ""  # for its services without one of their own

    @classmethod
    def of(cls, given: ServiceDiscovery | ChainMember | tuple[Mapping[str, Any], ServiceDiscovery]) -> ChainMember:
        if isinstance(given, ChainMember):
            return given
        if isinstance(given, ServiceDiscovery):
            return cls(given)
        entry, provider = given
        include, exclude = tuple(entry.get("include") or ()), tuple(entry.get("exclude") or ())
        return cls(provider, include, exclude, bool(entry.get("optional")), entry.get("when_all_unhealthy") or "")


class Decided(NamedTuple):
    """The service that a name belongs to. `entry`: as the server has it; None for one without a name in DNS. `said`: each provider's data."""

    members: Members
    entry: Entry | None
    said: Sequence[Mapping[Any, Any]]

    @property
    def source(self) -> int:
        return self.members[0][0]

    @property
    def name(self) -> str:
        return self.members[0][1][1]


class ChainServiceDiscovery(ServiceDiscovery):
    """*links* in order of precedence: providers, or pairs of an entry of `providers:` and its provider. Closing it closes them."""

    type: ClassVar[str] = "chain"

    def __init__(
        self, links: Iterable[ServiceDiscovery | ChainMember | tuple[Mapping[str, Any], ServiceDiscovery]], chain: str = "first"
    ) -> None:
        if chain not in {"first", "merge"}:
            raise ValueError(f"expected first or merge, found {chain!r}")
        self.links: Sequence[ChainMember] = [ChainMember.of(link) for link in links]
        self._sources = [
            ChainSource(link.provider.type, link.include, link.exclude, link.when_all_unhealthy) for link in self.links
        ]
        self._wants = [wanted_by(source) for source in self._sources]
        self._policy = ChainPolicy(is_merging=chain == "merge")

    def get_services(self) -> dict[str, dict[str, Any]]:
        """By the names that their owners gave them. What has no name in DNS is here all the same; what lost its own to another is not."""
        return self.combined([_asked(link, all_services) for link in self.links])

    def combined(self, said: Sequence[Mapping[Any, Any]]) -> dict[str, dict[str, Any]]:
        """Combine the services of all providers. *said*: each provider's services."""
        merged = self._merged(said)
        services = {
            entry.service.name: self._data(Decided(merged.at(entry.paths[0]), entry, said)) for entry in merged.entries.values()
        }
        names = {name.lower() for name in services}
        for link, wants, data in zip(self.links, self._wants, said, strict=True):
            for name in data:
                if not isinstance(name, str) or (name.lower() not in names and wants(("", name))):
                    services.setdefault(name, _completed(link, data[name]))
        return services

    def get_service(self, service_name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The service that a server with this chain answers for *service_name*, where that is a name that DNS clients can write."""
        found = self._decided(service_name)
        if found is None:
            return default
        name, data = found.name, self._data(found)
        service = service_from_data(name, data)[0]
        return service_to_dict(service) if service else default

    @property
    def has_own_url(self) -> bool:
        return any(link.provider.has_own_url for link in self.links)

    def own_url(self, service_name: str) -> str | None:
        """The URL from a provider's own get_service_url(): the provider that decides about the service, or one before it."""
        found = self._decided(service_name) if self.has_own_url else None
        for at, (link, wants) in enumerate(zip(self.links, self._wants, strict=True)):
            is_owner = found is not None and found.source == at
            if link.provider.has_own_url and wants(("", service_name)):
                name = found.name if found is not None and is_owner else service_name
                url = _asked(link, lambda provider, name=name: {"url": asked(provider, lambda it: it.own_url(name))}).get("url")  # type: ignore[misc]
                if url:
                    return str(url)
            if is_owner:
                break
        return None

    def get_service_url(self, service_name: str, default: str | None = None) -> str | None:
        return self.own_url(service_name) or super().get_service_url(service_name, default)

    def _decided(self, service_name: str) -> Decided | None:
        """The service that a server with this chain answers for *service_name*, where that is a name that DNS clients can write."""
        said = self._said_of(service_name)
        merged = self._merged(said)
        asked_as = asked_label(service_name)
        label = asked_as or service_label(service_name)
        members = merged.at((label,)) if label else ()
        if not members or (asked_as is None and members[0][1][1].lower() != service_name.lower()):
            # It has no name in DNS, or none of its own: it is known by what its owner calls it.
            exact = ((at, ("", name)) for at, data in enumerate(said) for name in data if name.lower() == service_name.lower())
            members = tuple(islice(exact, 1))
        if not members:
            return None
        entry = next((entry for entry in merged.entries.values() if merged.at(entry.paths[0]) == members), None)
        return Decided(members, entry, said)

    def _merged(self, said: Sequence[Mapping[Any, Any]]) -> Merger:
        views = []
        for data in said:
            read = (service_from_data(name, each)[0] for name, each in data.items())
            views.append(Snapshot({service.key: service for service in read if service is not None}))
        return merge(self._sources, self._policy, views)

    def _data(self, found: Decided) -> dict[str, Any]:
        """The data of the only provider, in its form; the union of several providers' data."""
        entry = found.entry
        if len(found.members) == 1 or entry is None:
            return _completed(self.links[found.source], found.said[found.source][found.name])
        rule = "" if entry.fails_open else EMPTY
        return service_to_dict(replace(entry.service, instances=_with_own_ids(entry.service.instances), when_all_unhealthy=rule))

    def _said_of(self, name: str) -> list[Mapping[str, Any]]:
        """The services that each provider, in order, has as *name*, up to the provider that has it beyond doubt."""
        said: list[Mapping[str, Any]] = [{} for _ in self.links]
        for at, (link, wants) in enumerate(zip(self.links, self._wants, strict=True)):
            if wants(("", name)):
                said[at] = _asked(link, lambda provider: found_as(provider, name))
            if not self._policy.is_merging and any(
                each.lower() == name.lower() and service_from_data(each, data)[0] for each, data in said[at].items()
            ):
                break
        return said

    def names(self) -> tuple[()]:
        """No further names: get_service() has looked for every spelling."""
        return ()

    def register_service(self, service_name: str, service_data: Mapping[str, Any]) -> str:
        """Register with the first provider that can. Raises NotSupported, with the reason of each, if none can."""
        reasons = []
        for link in self._links_for(service_name):
            try:
                with named(link.provider):
                    return link.provider.register_service(service_name, service_data)
            except NotSupported as error:
                reasons.append(str(error))
        raise NotSupported("; ".join(reasons) or f"no provider takes the name {service_name}")

    def deregister_service(self, service_name: str, instance_id: str | None = None) -> bool:
        """Deregister with the first provider that can, and has it. Raises NotSupported if only one that cannot has it."""
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

    def _links_for(self, name: str) -> Iterator[ChainMember]:
        return (link for link, wants in zip(self.links, self._wants, strict=True) if wants(("", name)))


def _asked(link: ChainMember, ask: Callable[[ServiceDiscovery], Mapping[str, Any]]) -> Mapping[str, Any]:
    """The provider's result; {} if it does not answer and is optional."""
    try:
        return ask(link.provider)
    except ProviderError:
        if link.optional:
            return {}
        raise


def _completed(link: ChainMember, data: Mapping[str, Any]) -> dict[str, Any]:
    if not link.when_all_unhealthy or not isinstance(data, Mapping):
        return data  # type: ignore[return-value]  # what is no mapping is refused where it is read
    return {"when_all_unhealthy": link.when_all_unhealthy, **data}


def found_as(provider: ServiceDiscovery, name: str) -> dict[str, Any]:
    """The provider's services that would be found as *name*: by another spelling where none is called so."""
    data = one_service(provider, name)
    if data:
        return {name: data}
    wanted = name.lower()
    names = [each for each in asked(provider, lambda provider: list(provider.names())) if isinstance(each, str)]
    like = [each for each in names if each != name and wanted in (each.lower(), service_label(each))]
    found = {each: one_service(provider, each) for each in like}
    return {each: data for each, data in found.items() if data}


def _with_own_ids(instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
    """*instances* of several providers; an id that two of them gave goes to the first, and the other has its DNS label's name."""
    ids: set[str] = set()
    own = []
    for instance in instances:
        own.append(replace(instance, id=instance.label) if instance.id in ids else instance)
        ids.add(own[-1].id)
    return tuple(own)
