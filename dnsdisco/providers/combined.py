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
from dnsdisco.model.diff import Key
from dnsdisco.model.entry import Entry
from dnsdisco.model.merge import Members, merge, Merger
from dnsdisco.model.names import asked_path, service_label
from dnsdisco.model.service import Instance, Service, Snapshot
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


class Said(NamedTuple):
    """What a provider has said: its services as it has them, and the keys where they stand, by what they are called."""

    data: Mapping[Any, Any]
    keys: Mapping[Key, Any]
    services: Mapping[Key, Service]

    @classmethod
    def of(cls, data: Mapping[Any, Any]) -> Said:
        keys: dict[Key, Any] = {}
        services: dict[Key, Service] = {}
        for key, each in data.items():
            service = service_from_data(key, each)[0]
            if service is not None and service.key not in keys:
                keys[service.key], services[service.key] = key, service
        return cls(data, keys, services)


class Decided(NamedTuple):
    """The service that a name belongs to. `entry`: as the server has it; None for one without a name in DNS. `said`: each provider's data."""

    members: Members
    entry: Entry | None
    said: Sequence[Said]

    @property
    def source(self) -> int:
        return self.members[0][0]

    @property
    def key(self) -> Any:
        """Where it stands in what its owner said."""
        return self.said[self.source].keys[self.members[0][1]]

    @property
    def called(self) -> str:
        return self.said[self.source].services[self.members[0][1]].called


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

    def combined(self, views: Sequence[Mapping[Any, Any]]) -> dict[str, dict[str, Any]]:
        """Combine the services of all providers. *views*: each provider's services."""
        said = [Said.of(view) for view in views]
        merged = self._merged(said)
        services = {
            entry.service.called: self._data(Decided(merged.at(entry.paths[0]), entry, said)) for entry in merged.entries.values()
        }
        names = {name.lower() for name in services}
        for link, wants, of_link in zip(self.links, self._wants, said, strict=True):
            called = {at: of_link.services[key] for key, at in of_link.keys.items()}
            for at, data in of_link.data.items():
                service = called.get(at)
                if not isinstance(at, str):
                    services.setdefault(at, _completed(link, data))
                elif service is None and at.lower() not in names and wants(("", at)):
                    services.setdefault(at, _completed(link, data))  # its reader reports what is wrong with it
                elif service is not None and service.called.lower() not in names and wants(service.key):
                    services.setdefault(service.called, _completed(link, data))
        return services

    def get_service(self, service_name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The service that a server with this chain answers for *service_name*, where that is a name that DNS clients can write."""
        found = self._decided(service_name)
        if found is None:
            return default
        service = service_from_data(found.key, self._data(found))[0]
        return service_to_dict(service) if service else default

    @property
    def has_own_url(self) -> bool:
        return any(link.provider.has_own_url for link in self.links)

    def own_url(self, service_name: str) -> str | None:
        """The URL from a provider's own get_service_url(): the provider that decides about the service, or one before it."""
        found = self._decided(service_name) if self.has_own_url else None
        for at, (link, wants) in enumerate(zip(self.links, self._wants, strict=True)):
            is_owner = found is not None and found.source == at
            if link.provider.has_own_url and _may_have(wants, service_name):
                name = found.called if found is not None and is_owner else service_name
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
        said = [Said.of(data) for data in self._said_of(service_name)]
        merged, wanted = self._merged(said), service_name.lower()
        path = asked_path(service_name)
        members = merged.at(path) if path else ()
        if not members and (path is None or len(path) > 1):
            members = self._by_label(merged, said, wanted)
        if not members:
            # It has no name in DNS, or none of its own: it is known by what its owner calls it.
            exact = (
                (at, key)
                for at, each in enumerate(said)
                for key, service in each.services.items()
                if service.called.lower() == wanted
            )
            members = tuple(islice(exact, 1))
        if not members:
            return None
        entry = next((entry for entry in merged.entries.values() if merged.at(entry.paths[0]) == members), None)
        return Decided(members, entry, said)

    def _by_label(self, merged: Merger, said: Sequence[Said], wanted: str) -> Members:
        """The service that is called *wanted*, which no DNS client can write, where the label that is made of it is that service's."""
        label = service_label(wanted)
        members = merged.at((label,)) if label else ()
        if not members:
            return ()
        source, key = members[0]
        return members if said[source].services[key].called.lower() == wanted else ()

    def _merged(self, said: Sequence[Said]) -> Merger:
        return merge(self._sources, self._policy, [Snapshot(dict(each.services)) for each in said])

    def _data(self, found: Decided) -> dict[str, Any]:
        """The data of the only provider, in its form; the union of several providers' data."""
        entry = found.entry
        if len(found.members) == 1 or entry is None:
            return _completed(self.links[found.source], found.said[found.source].data[found.key])
        rule = "" if entry.fails_open else EMPTY
        return service_to_dict(replace(entry.service, instances=_with_own_ids(entry.service.instances), when_all_unhealthy=rule))

    def _said_of(self, name: str) -> list[Mapping[str, Any]]:
        """Of each provider, in order, the services that are found as *name*, and those that an alias leads to."""
        said = self._found_as(name)
        services = {service for data in said for key, each in data.items() if (service := service_from_data(key, each)[0])}
        for called in {service.called for service in services if not _is_spelled(service.called, name.lower())}:
            said = [{**data, **more} for data, more in zip(said, self._found_as(called), strict=True)]
        return said

    def _found_as(self, name: str) -> list[Mapping[str, Any]]:
        """Of each provider, in order, the services that are found as *name*; none behind the one that has it beyond doubt."""
        said: list[Mapping[str, Any]] = [{} for _ in self.links]
        for at, (link, wants) in enumerate(zip(self.links, self._wants, strict=True)):
            if _may_have(wants, name):
                said[at] = _asked(link, lambda provider: found_as(provider, name))
            services = (service_from_data(each, data)[0] for each, data in said[at].items())
            if not self._policy.is_merging and any(service and service.called.lower() == name.lower() for service in services):
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
        return (link for link, wants in zip(self.links, self._wants, strict=True) if _may_have(wants, name))


def _asked(link: ChainMember, ask: Callable[[ServiceDiscovery], Mapping[str, Any]]) -> Mapping[str, Any]:
    """The provider's result; {} if it does not answer and is optional."""
    try:
        return ask(link.provider)
    except ProviderError:
        if link.optional:
            return {}
        raise


def _may_have(wants: Callable[[Key], bool], name: str) -> bool:
    """Whether a service that is found as *name*, perhaps in a namespace, is one that the link takes."""
    return wants(("", name)) or ("." in name and wants(("", name.partition(".")[0])))


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
    like = [each for each in names if each != name and _is_spelled(each, wanted)]
    found = {each: one_service(provider, each) for each in like}
    return {each: data for each, data in found.items() if data}


def _is_spelled(name: str, wanted: str) -> bool:
    """*wanted*, in lower case, is one of the spellings of *name*."""
    return wanted in (name.lower(), service_label(name), _as_path(name))


def _as_path(name: str) -> str:
    """*name*, with a namespace behind a dot, as DNS clients write it; "" for what makes no two labels."""
    labels = [service_label(part) for part in name.split(".")]
    return ".".join(filter(None, labels)) if len(labels) == 2 and all(labels) else ""


def _with_own_ids(instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
    """*instances* of several providers; an id that two of them gave goes to the first, and the other has its DNS label's name."""
    ids: set[str] = set()
    own = []
    for instance in instances:
        own.append(replace(instance, id=instance.label) if instance.id in ids else instance)
        ids.add(own[-1].id)
    return tuple(own)
