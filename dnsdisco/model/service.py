"""A service and its instances: the one form that every provider maps to (RFC 6763 §4 for the words)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

INSTANCES_MAX = 500_000  # of one service: what the link to a worker carries as one message
WEIGHT_MAX = 65535  # RFC 2782: weight and priority are 16 bits
TRANSPORTS = frozenset({"tcp", "udp", "sctp"})  # as a scheme, each one names the transport and nothing above it


class Health(IntEnum):
    """The health of one instance. Warning instances are answered with their `warning_weight`; critical ones are left out."""

    PASSING = 0
    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Port:
    number: int  # 1..65535
    name: str = ""  # lower case, as in `_name._tcp`; "": not named, so it has no `_name._tcp` form
    protocol: str = ""  # "tcp", "udp", "sctp"; "": unknown, so it is found under `_tcp` and `_udp` alike


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy. `label` is its DNS label, "" until `names.label_instances` has given it one."""

    id: str
    address: str  # canonical IPv4 or IPv6 text (RFC 5952), or a lower-case host name without the last dot
    ports: tuple[Port, ...] = ()  # the first one is `port` in the library's dict
    weight: int = 1  # 0..65535 (RFC 2782)
    warning_weight: int = 1
    priority: int = 0  # 0..65535 (RFC 2782)
    tags: tuple[str, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    health: Health = Health.PASSING
    hostname: str = ""  # what the owner calls it, when the id makes no label (Kubernetes: the endpoint's hostname, else the pod)
    node: str = ""  # the machine it runs on; parts two instances that share an id (Consul)
    is_virtual: bool = False  # the address stands for the whole service (a cluster IP): SRV targets and PTR name the service
    label: str = field(default="", compare=False)  # it follows from what the instances of its service are
    # What made it critical (model/public.py: reason_from). No part of what it is: a check whose words change makes no new state.
    reason: str = field(default="", compare=False)

    @property
    def is_host(self) -> bool:
        """The address is a host name, to be flattened."""
        return not (":" in self.address or self.address.replace(".", "").isdigit())


@dataclass(frozen=True, slots=True)
class Record:
    """An extra record beside a service, as written: `name` is relative to the service, "" (or "@") the service itself."""

    type: str  # mnemonic or TYPEnnn (RFC 3597)
    value: str | tuple[str, ...]  # TXT: the strings themselves; other types: presentation form, names absolute
    name: str = ""
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """An active health check of every instance of a static service. Times in seconds."""

    http: str = ""  # URL with `{address}` and `{port}`
    tcp: str = ""  # "{address}:{port}"
    interval_s: float = 10.0
    timeout_s: float = 2.0
    rise: int = 1  # checks in a row before it passes
    fall: int = 2  # checks in a row before it is critical
    initial: Health = Health.PASSING
    verify: bool = True  # with https: the certificate must be valid for the instance's address


class LeftOut(NamedTuple):
    """The part of a service's data that cannot be used: a number of instances (0: the whole list), and why (the first one; model/public.py: left_out)."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Service:
    """`instances == ()` is a known service without instances, which is not the same as no service."""

    name: str  # raw, as its owner wrote it
    namespace: str = ""  # "": none (or the provider's default one)
    is_default_namespace: bool = True  # also found as `name.zone`, without the namespace
    instances: tuple[Instance, ...] = ()
    url: str = ""  # as given; "": built from scheme, address and port
    scheme: str = ""
    ttl: int | None = None  # seconds; None: the configured one
    tags: tuple[str, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    records: tuple[Record, ...] = ()
    check: Check | None = None
    when_all_unhealthy: str = ""  # "fail_open", "empty"; "": the provider's or the configured one
    alias_of: str = ""  # nothing but another name (Kubernetes ExternalName): a CNAME to this host name
    left_out: LeftOut | None = None
    aliases: tuple[str, ...] = ()  # other names, raw, in the same namespace

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def called(self) -> str:
        """What programs and people call it: `web`, and in a namespace that has to be said `web.shop`."""
        return self.name if self.is_default_namespace or not self.namespace else f"{self.name}.{self.namespace}"

    @property
    def names(self) -> tuple[str, ...]:
        """`called`, and all else that it is found as."""
        raw = (self.name, *self.aliases)
        bare = raw if self.is_default_namespace or not self.namespace else ()
        return (*bare, *(f"{name}.{self.namespace}" for name in raw if self.namespace))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one provider knows at one moment: whole, immutable, unchanged services shared by identity with the one before.

    `rejected`: services of which nothing can be used, by raw name, and why, with the place (model/public.py: left_out).
    `changed`: keys that differ from the provider's previous snapshot (also the removed ones), if the provider knows; None: compare.
    """

    services: dict[tuple[str, str], Service] = field(default_factory=dict)  # by Service.key, in file order
    changed: frozenset[tuple[str, str]] | None = None
    rejected: tuple[tuple[str, str], ...] = ()
