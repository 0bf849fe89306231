"""The data that control publishes and every worker holds: services with their final names, and the state of each provider."""

from __future__ import annotations

from dataclasses import dataclass

from dnsdisco.model.service import Service

Path = tuple[str, ...]  # labels left of the zone, as in a name: ("web",) or ("web", "default")


@dataclass(frozen=True, slots=True)
class ExtraRecord:
    """A record ready to be answered. `owner` labels are left of the service (or, in a zone file, of the zone)."""

    owner: Path
    rtype: int
    ttl: int | None  # seconds; None: the service's
    rdata: bytes  # uncompressed wire form


@dataclass(frozen=True, slots=True)
class Entry:
    """One published service. `paths[0]` is its canonical name: the one that PTR and SRV targets use."""

    key: str  # ".".join(paths[0]); labels of services hold no dot
    paths: tuple[Path, ...]
    provider: str  # whose readiness and age decide for names below it
    service: Service  # every instance has its label
    records: tuple[ExtraRecord, ...] = ()
    fails_open: bool = True  # when every instance is critical: all of them (True) or none
    shadows: tuple[str, ...] = ()  # providers that have it too and were not asked
    merged: tuple[str, ...] = ()  # other providers that instances come from (`chain: merge`): their age counts as well


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The state of a provider, as far as answers depend on it."""

    name: str
    has_synced: bool  # False: a name it might know is SERVFAIL + EDE 14, not NXDOMAIN
    is_stale: bool = False  # its answers carry EDE 3
    reason: str = ""  # for the EDE's text: "no contact since 12:00:03Z: connection refused"
    is_optional: bool = False  # never holds back an NXDOMAIN
    rejected: tuple[tuple[str, str], ...] = ()  # services that cannot be used, by raw name, and why
