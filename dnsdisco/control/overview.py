"""Makes the values of facts.py from the chain and the publisher, when it is asked for. The loop's thread only; O(providers + services)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dnsdisco.control import facts
from dnsdisco.control.checks import Checks
from dnsdisco.control.facts import ControlFacts, ProblemView, ProviderView, ServiceView
from dnsdisco.control.provenance import Origin
from dnsdisco.control.provider_set import Chain, Member
from dnsdisco.control.publisher import Publisher
from dnsdisco.model.entry import Entry

INDEX_CHARACTERS_MAX = 100  # of a plug-in's word for its backend's state


def whole(
    chain: Chain,
    publisher: Publisher,
    checks: Checks,
    now: float,
    *,
    started: float,
    is_ready: bool,
    absent: Sequence[str],
    problems: tuple[ProblemView, ...],
) -> ControlFacts:
    """*now* is the monotonic time of the chain's events, *started* unix time."""
    providers = tuple(provider(member, now) for member in chain.members)
    missing = [f"provider {each.name}: {each.state}" for each in providers if each.state != facts.UP]
    missing += [f"worker {link.number}: no catalog yet" for link in publisher.links if not link.applied]
    missing += [f"address {address}: not on this machine" for address in absent]
    return ControlFacts(
        serial=publisher.serial,
        started=started,
        is_ready=is_ready,
        missing=tuple(missing),
        problems=problems,
        providers=providers,
        services=len(chain.entries),
        instances=sum(len(entry.service.instances) for entry in chain.entries.values()),
        workers=len(publisher.links),
        checked=checks.checked,
        failing=checks.failing,
    )


def provider(member: Member, now: float) -> ProviderView:
    contact, source = member.contact, member.watcher.provider
    services = member.view.services if member.view is not None else {}
    rejected = source.rejected if isinstance(source.rejected, int) else 0  # a plug-in can set anything
    return ProviderView(
        name=member.name,
        type=str(member.entry["type"]),
        state=contact.word(now),
        is_optional=contact.is_optional,
        contact_age_s=contact.contact_age_s(now),
        view_age_s=None if contact.heard_at is None else now - contact.heard_at,
        last_error=contact.last_error,
        last_error_age_s=now - contact.last_error_at if contact.errors else None,
        errors=contact.errors,
        services=len(services),
        instances=sum(len(service.instances) for service in services.values()),
        rejected=member.rejected + rejected,
        held=member.guard.held,
        index=str(source.index)[:INDEX_CHARACTERS_MAX],
        is_restored=contact.restored_at is not None,
    )


class Services:
    """Every published service at one moment, in the order of the names. Each is made when it is read, in any thread: readers of
    a long list share the catalog's data and hold no list of their own."""

    def __init__(self, chain: Chain, now: float) -> None:
        self._stale = _stale(chain, now)
        self._found = [(entry, chain.provenance.of(key)) for key, entry in sorted(chain.entries.items())]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[ServiceView]:
        return (_service(entry, origin, self._stale) for entry, origin in self._found)


def service(chain: Chain, name: str, now: float) -> ServiceView | None:
    """The one found under *name*: labels left of the zone, in any case. O(services) for a name that is not the canonical one."""
    path = tuple(name.lower().split("."))
    entry = chain.entries.get(".".join(path)) or next((each for each in chain.entries.values() if path in each.paths), None)
    return None if entry is None else _service(entry, chain.provenance.of(entry.key), _stale(chain, now))


def _stale(chain: Chain, now: float) -> frozenset[str]:
    return frozenset(state.name for state in chain.states(now) if state.is_stale or not state.has_synced)


def _service(entry: Entry, origin: Origin, stale: frozenset[str]) -> ServiceView:
    return ServiceView(
        name=entry.key,
        names=tuple(".".join(path) for path in entry.paths),
        provider=entry.provider,
        merged=entry.merged,
        shadows=entry.shadows,
        since=origin.since,
        changed=origin.changed,
        is_stale=not stale.isdisjoint((entry.provider, *entry.merged)),
        entry=entry,
    )
