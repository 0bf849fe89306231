"""`records:` of a service become records that are ready to be answered. What cannot be one is left out alone, with the reason."""

from __future__ import annotations

from dnsdisco.errors import WireError
from dnsdisco.model.entry import ExtraRecord, Path
from dnsdisco.model.service import Record, Service
from dnsdisco.wire.constants import CNAME, DNAME, NS, SOA, TTL_MAX, type_from_text
from dnsdisco.wire.presentation import from_text


class Compiler:
    """Callable as merge.Records. `faults` (service, reason) collects what was left out, until the owner takes it."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []

    def __call__(self, service: Service) -> tuple[ExtraRecord, ...]:
        compiled: dict[tuple[Path, int, bytes], ExtraRecord] = {}  # the same record twice is one (RFC 2181 §5)
        types: dict[Path, set[int]] = {}
        for at, record in enumerate(service.records):
            try:
                extra = _compile(service, record)
                _verify_alone(types.setdefault(extra.owner, set()), extra.rtype)
            except WireError as error:
                self.faults.append((service.name, f"records[{at}] ({record.type}) is left out: {error}"))
            else:
                compiled.setdefault((extra.owner, extra.rtype, extra.rdata), extra)
        return tuple(compiled.values())


def _compile(service: Service, record: Record) -> ExtraRecord:
    rtype = type_from_text(record.type)
    if rtype in (SOA, NS):
        raise WireError("the zone's own are made here, and delegations are not served; see `forward.zones`")
    owner = _owner(record.name)
    if rtype in (CNAME, DNAME) and not owner and (service.instances or service.alias_of):
        raise WireError("it cannot stand beside the addresses of the service itself (RFC 1034 §3.6.2)")
    if record.ttl is not None and not 0 <= record.ttl <= TTL_MAX:
        raise WireError(f"a TTL of {record.ttl} s; expected 0 to {TTL_MAX}")
    return ExtraRecord(owner, rtype, record.ttl, from_text(rtype, record.value))


def _verify_alone(types: set[int], rtype: int) -> None:
    """A CNAME stands alone at its name (RFC 1034 §3.6.2)."""
    if (rtype == CNAME and types) or CNAME in types:
        raise WireError("a CNAME and another record have the same name")
    types.add(rtype)


def _owner(name: str) -> Path:
    """Labels left of the service, lower case. "" and "@": the service itself. Raises WireError."""
    if name in ("", "@"):
        return ()
    labels = tuple(name.lower().split("."))
    if not all(label.isascii() and 0 < len(label) <= 63 and label.isprintable() and " " not in label for label in labels):
        raise WireError(f"{name!r} is not a name below the service")
    if sum(len(label) + 1 for label in labels) > 128:
        raise WireError(f"{name!r} is too long to stand below a service")
    return labels
