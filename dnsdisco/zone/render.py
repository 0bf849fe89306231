"""Instances → records: addresses, SRV, TXT of what a lookup found. Which instances count, and in what order: model/choice.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, overload, TypeVar

from dnsdisco.model import choice
from dnsdisco.model.choice import Rank
from dnsdisco.model.entry import Entry, ExtraRecord
from dnsdisco.model.public import is_secret, public_meta, public_url
from dnsdisco.model.service import Health, Instance, Port
from dnsdisco.model.turns import PART, Turns
from dnsdisco.wire import rdata
from dnsdisco.wire.constants import A, AAAA, CNAME, SRV, TXT
from dnsdisco.wire.name import from_text, Labels, wire_of
from dnsdisco.wire.reply import RR
from dnsdisco.zone.lookup import Found
from dnsdisco.zone.settings import ZoneSettings

T = TypeVar("T")
WEIGHT_MAX = 65535  # RFC 2782


class Host(NamedTuple):
    """An address that is a host name: its own addresses go under *owner*."""

    name: str
    owner: bytes
    rank: Rank


class Rendered(NamedTuple):
    """*ranks* go with *records*. *hosts* are to be flattened into them."""

    records: Sequence[RR]
    ranks: list[Rank]
    hosts: list[Host]


class Made(Sequence[RR], Generic[T]):
    """Records that are made as they are needed: of 20,000 a client gets some hundred."""

    __slots__ = ("_make", "_of")

    def __init__(self, of: Iterable[T], make: Callable[[T], RR]) -> None:
        self._of, self._make = list(of), make

    def __len__(self) -> int:
        return len(self._of)

    @overload
    def __getitem__(self, at: int) -> RR: ...
    @overload
    def __getitem__(self, at: slice) -> list[RR]: ...
    def __getitem__(self, at: int | slice) -> RR | list[RR]:
        return [self._make(each) for each in self._of[at]] if isinstance(at, slice) else self._make(self._of[at])


class Joined(Sequence[RR]):
    """Records behind others, of which either may be made as they are needed."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Sequence[RR], second: Sequence[RR]) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    @overload
    def __getitem__(self, at: int) -> RR: ...
    @overload
    def __getitem__(self, at: slice) -> list[RR]: ...
    def __getitem__(self, at: int | slice) -> RR | list[RR]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        at = at if at >= 0 else at + len(self)
        behind = at - len(self._first)
        return self._first[at] if behind < 0 else self._second[behind]


def chosen(found: Found) -> tuple[Instance, ...]:
    """The instances that an answer is made of: all, or the usable ones where health is asked for."""
    instances = found.instances or ()
    if not found.asks_health or found.entry is None:
        return instances
    return choice.usable(instances, fails_open=found.entry.fails_open)


def all_critical(found: Found) -> bool:
    """Health was asked for and no instance passes: the answer is the rule's, not the services'."""
    return bool(found.asks_health and found.instances) and all(
        instance.health is Health.CRITICAL for instance in found.instances or ()
    )


def ttl_of(entry: Entry | None, settings: ZoneSettings, *, is_stale: bool) -> int:
    ttl = settings.configured.ttl if entry is None or entry.service.ttl is None else entry.service.ttl
    return min(ttl, settings.stale_ttl) if is_stale else ttl


def extra_records(owner: bytes, rtype: int, extras: list[ExtraRecord], ttl: int) -> list[RR]:
    """An RRset that a person wrote, under *owner*; all of it leaves with one TTL, the lowest (RFC 2181 §5.2). *ttl*: where none is given."""
    lowest = min(ttl if extra.ttl is None else extra.ttl for extra in extras)
    return [RR(owner, rtype, lowest, extra.rdata) for extra in extras]


def alias(owner: bytes, found: Found, ttl: int) -> RR | None:
    """The CNAME at this name."""
    target = _alias_of(found)
    if target is not None:
        return RR(owner, CNAME, ttl, from_text(target))
    written = (found.records or {}).get(CNAME)
    return extra_records(owner, CNAME, written[:1], ttl)[0] if written else None


def _alias_of(found: Found) -> str | None:
    """The host name that the service is only another name for: no port, no record of its own beside it."""
    entry = found.entry
    if entry is None or not found.is_service or found.records or entry.records:
        return None
    if entry.service.alias_of:
        return entry.service.alias_of
    instances = entry.service.instances
    if len(instances) == 1 and instances[0].is_host and not instances[0].ports:
        return instances[0].address
    return None


def addresses(instances: tuple[Instance, ...], owner: bytes, qtype: int, ttl: int) -> Turns[Rendered]:
    """A or AAAA records under *owner*; two instances with one address are one record with both weights (RFC 2181 §5.5)."""
    ranks: dict[str, Rank] = {}
    hosts: dict[str, Rank] = {}
    for at in range(0, len(instances), PART):
        if len(instances) > PART:
            yield
        for instance in instances[at : at + PART]:
            address, rank = instance.address, choice.rank_of(instance)
            if instance.is_host:
                known = hosts
            elif is_of(address, qtype):
                known = ranks
            else:
                continue
            known[address] = choice.together(known[address], rank) if address in known else rank
    if len(instances) > PART:
        yield
    records = Made(ranks, lambda address: RR(owner, qtype, ttl, rdata.address(address)))
    return Rendered(records, list(ranks.values()), [Host(name, owner, rank) for name, rank in hosts.items()])


def is_of(address: str, qtype: int) -> bool:
    """*address* (not a host name) is of the family that A or AAAA asks for."""
    return (":" in address) == (qtype == AAAA)


def target_of(entry: Entry, instance: Instance, zone: Labels) -> bytes:
    """The name that SRV and PTR give to *instance*: its own, or the service's for an address that stands for all of it."""
    return _target(instance, _name_of(entry, zone))


def _name_of(entry: Entry, zone: Labels) -> bytes:
    return wire_of((*(label.encode() for label in entry.paths[0]), *zone))


def _target(instance: Instance, service: bytes) -> bytes:
    return service if instance.is_virtual else bytes((len(instance.label),)) + instance.label.encode() + service


def ports_of(found: Found, instance: Instance) -> Sequence[Port]:
    """The ports of *instance* that SRV has under the name."""
    name, protocol = found.port_name, found.protocol
    if not name and not protocol:
        return instance.ports
    return [port for port in instance.ports if port.protocol in ("", protocol) and name in ("", port.name)]


def services(found: Found, owner: bytes, zone: Labels, ttl: int, scale: int) -> Turns[tuple[Rendered, dict[bytes, list[Instance]]]]:
    """SRV records (RFC 2782), one per instance and port, and whose addresses each target has."""
    assert found.entry is not None
    service = _name_of(found.entry, zone)
    ranks: dict[tuple[Rank, int, bytes], Rank] = {}
    targets: dict[bytes, list[Instance]] = {}
    instances = chosen(found)
    for at in range(0, len(instances), PART):
        if len(instances) > PART:
            yield
        for instance in instances[at : at + PART]:
            target, rank = _target(instance, service), choice.rank_of(instance)
            for port in ports_of(found, instance):
                ranks[rank, port.number, target] = rank
                targets.setdefault(target, []).append(instance)  # the other family's address of the same target, too
    if len(instances) > PART:
        yield

    def record(of: tuple[Rank, int, bytes]) -> RR:
        (priority, weight), port_number, target = of
        return RR(owner, SRV, ttl, rdata.srv(priority, min(weight * scale, WEIGHT_MAX), port_number, target))

    return Rendered(Made(ranks, record), list(ranks.values()), []), targets


def glue(targets: dict[bytes, list[Instance]], ttl: int) -> Turns[Rendered]:
    """The addresses of SRV targets, both families."""
    records: list[RR] = []
    hosts: list[Host] = []
    for number, (target, instances) in enumerate(targets.items()):
        if number and number % PART == 0:
            yield
        unique = {instance.address: instance for instance in instances}
        hosts += [Host(address, target, Rank()) for address, instance in unique.items() if instance.is_host]
        numeric = [address for address, instance in unique.items() if not instance.is_host]
        for qtype in (A, AAAA):
            records += [RR(target, qtype, ttl, rdata.address(each)) for each in numeric if (":" in each) == (qtype == AAAA)]
    return Rendered(records, [Rank()] * len(records), hosts)


def text(found: Found, owner: bytes, ttl: int) -> Turns[RR | None]:
    """`key=value` strings of a service or an instance (RFC 6763 §6.3); one empty string when there is none (§6.1)."""
    entry = found.entry
    if entry is None or not (found.is_service or found.is_instance):
        return None
    service = entry.service
    instances = chosen(found)
    firsts = []
    for at in range(0, len(instances), PART):
        if at:
            yield
        firsts.append(choice.best(instances[at : at + PART]))
    first = choice.best(firsts) if firsts else None
    tags = service.tags if found.is_service else (first.tags if first else ())
    meta = public_meta(service.meta if found.is_service else (first.meta if first else ()))
    pairs = [
        ("url", _url(entry, first, is_service=found.is_service)),
        ("scheme", service.scheme),
        ("tags", ",".join(tags)),
        *(pair for pair in meta if not is_secret(pair[0])),
    ]
    strings = [f"{key}={value}".encode(errors="replace") for key, value in pairs if value or (key, value) in meta]
    # A string of more than 255 octets would come out in two, the second of which is no key=value: better left out.
    return RR(owner, TXT, ttl, rdata.txt([string for string in strings if len(string) <= rdata.STRING_OCTETS_MAX]))


def _url(entry: Entry, instance: Instance | None, *, is_service: bool) -> str:
    service = entry.service
    if service.url and (is_service or len(service.instances) == 1):
        return public_url(service.url)  # everybody may read it: no password goes out
    if instance is None:
        return ""
    host = f"[{instance.address}]" if ":" in instance.address else instance.address
    port = f":{instance.ports[0].number}" if instance.ports else ""
    return f"{service.scheme or 'http'}://{host}{port}"
