"""What the answering code found and decided, as the steps of an explanation: called with its values where a trace is kept.

Nothing is decided here: which instances count, which ports match and which addresses are of a family is asked of the functions that answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from dnsdisco.answer import reasons
from dnsdisco.answer.decision import Want
from dnsdisco.answer.flatten import HOSTS_MAX, Parts
from dnsdisco.answer.resume import addresses_of, Outcome, Unanswered
from dnsdisco.answer.special_use import Rule
from dnsdisco.answer.trace import Trace, UpstreamWord
from dnsdisco.cache.cache import Freshness
from dnsdisco.cache.entry import CacheEntry
from dnsdisco.model.entry import Entry
from dnsdisco.model.service import Instance
from dnsdisco.wire.constants import (
    EDE_CACHED_ERROR,
    EDE_NETWORK_ERROR,
    EDE_NO_REACHABLE,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_READY,
    EDE_PROHIBITED,
    EDE_STALE,
    EDE_STALE_NXDOMAIN,
    rcode_to_text,
    type_to_text,
)
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name import Labels
from dnsdisco.wire.reply import RR
from dnsdisco.zone import render
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.lookup import Apex, Found, NameServer, NotReady, NxDomain, readings, Result
from dnsdisco.zone.render import Host
from dnsdisco.zone.settings import ZoneSettings

_BY_EDE = {
    EDE_STALE: "stale",
    EDE_STALE_NXDOMAIN: "stale",
    EDE_NOT_READY: "not-ready",
    EDE_PROHIBITED: "limit",
    EDE_NOT_AUTHORITATIVE: "forward",
    EDE_NO_REACHABLE: "upstream",
    EDE_NETWORK_ERROR: "upstream",
    EDE_CACHED_ERROR: "cache",
}
_BY_FRESHNESS = {
    Freshness.FRESH: "is in the cache",
    Freshness.BUSY: "is in the cache, and much asked for: it is asked for anew",
    Freshness.STALE: "is in the cache past its end, and asking has just failed",
    Freshness.EXPIRED: "is in the cache past its end: it is asked for anew",
    Freshness.FAILED: "is not in the cache, and asking has just failed",
    Freshness.MISSING: "is not in the cache",
}


# names of ours


def looked_up(trace: Trace, result: Result, zone: Labels, name: Labels, catalog: Catalog) -> None:
    """Record what *name* (labels left of *zone*) stands for, and the readings that lost."""
    subject = reasons.text_of((*name, *zone))
    trace.add("zone", reasons.text_of(zone), f"{subject} is a name of this zone")
    match result:
        case Found():
            trace.add("reading", subject, reasons.reading(result, name))
            if result.entry is not None:
                _entry(trace, result.entry)
        case Apex():
            trace.add("reading", subject, "the zone itself")
        case NameServer():
            trace.add("reading", subject, "the name of this server")
        case NxDomain():
            _rejected(trace, subject, catalog, name)
            heard = [f"{state.name} has answered" for state in catalog.states.values() if state.has_synced]
            trace.add(
                "denied",
                subject,
                f"no service, instance, tag or record is found by this name; {', '.join(heard) or 'no provider is configured'}",
            )
        case NotReady(providers):
            _rejected(trace, subject, catalog, name)
            for provider in providers:
                trace.add("not-ready", provider, "has not answered yet, and may know the name")
        case _:
            assert_never(result)
    for lost in readings(catalog, name, with_lost=True):
        if not (isinstance(result, Found) and (lost.reading, lost.path) == (result.reading, result.path)):
            trace.add("reading", subject, f"lost: {reasons.reading(lost, name)}")


def _rejected(trace: Trace, subject: str, catalog: Catalog, name: Labels) -> None:
    if left_out := reasons.rejected(catalog, name):
        trace.add("rejected", subject, left_out)


def _entry(trace: Trace, entry: Entry) -> None:
    name, service = ".".join(entry.paths[0]), entry.service
    also = f", with instances of {', '.join(entry.merged)}" if entry.merged else ""
    trace.add("provider", entry.provider, f"has the service {name}: {_instances(len(service.instances))}{also}")
    for provider in entry.shadows:
        trace.add("shadowed", provider, f"has the service {name}, too, and comes later in the chain", entry.key)
    if reason := reasons.left_out(entry):
        trace.add("rejected", name, reason)


def ttl(trace: Trace, found: Found, subject: Labels, seconds: int, settings: ZoneSettings, *, is_stale: bool) -> None:
    entry = found.entry
    source = "the configured one" if entry is None or entry.service.ttl is None else "the service's own"
    if is_stale and seconds != render.ttl_of(entry, settings, is_stale=False):
        source = "the most that an answer of a provider that is away may have"
    trace.add("ttl", reasons.text_of(subject), f"{seconds} s: {source}")


def written(trace: Trace, found: Found, subject: Labels, made: list[RR]) -> None:
    """Records that a person wrote, *made* of them, are the answer."""
    text = f"the {type_to_text(made[0].rtype)} records that were written for the name"
    trace.add("choice", reasons.text_of(subject), text)
    trace.add("ttl", reasons.text_of(subject), f"{made[0].ttl} s: that of the records, or the configured one where they have none")
    _leave_out(trace, found.instances or (), f"{text} take its place")
    _without_the_tag(trace, found)


def alias(trace: Trace, subject: Labels, target: Labels) -> None:
    trace.add("reading", reasons.text_of(subject), f"is only another name for {reasons.text_of(target)}")


def addresses(
    trace: Trace, found: Found, qtype: int, hosts: list[Host], parts_of: Callable[[list[Host]], Parts], most: int
) -> None:
    """*hosts*: the host names among the addresses, as rendered; *parts_of*: what each of them brings."""
    chosen = _chosen(trace, found)
    _order(trace, found, chosen, most)
    beyond = {host.name for host in hosts[HOSTS_MAX:]}
    parts = {host.name: parts_of([host]) for host in hosts[:HOSTS_MAX]}
    for instance in chosen:
        if instance.address in beyond:
            trace.leave_out(instance, reasons.too_many_hosts())
        elif instance.is_host:
            _host(trace, instance, qtype, parts[instance.address])
        elif not render.is_of(instance.address, qtype):
            trace.leave_out(instance, reasons.other_family(qtype))


def _host(trace: Trace, instance: Instance, qtype: int, parts: Parts) -> None:
    if parts.records:
        trace.add("choice", instance.id, f"{instance.address}: a host name, with addresses of its own")
    elif parts.wanted:
        trace.hosts.append((instance, tuple(parts.wanted)))
    else:
        trace.leave_out(instance, reasons.no_address_of(qtype))


def gathered(trace: Trace, outcomes: Mapping[Want, Outcome]) -> None:
    """Record what upstreams returned for the host names."""
    for instance, parts in trace.hosts:
        came = [(part, outcomes.get(part.want, Unanswered("not there in time"))) for part in parts]
        if any(not isinstance(outcome, Unanswered) and addresses_of(part, outcome) for part, outcome in came):
            trace.add("choice", instance.id, f"{instance.address}: a host name, with addresses from upstream")
            continue
        unanswered = [outcome.reason for _, outcome in came if isinstance(outcome, Unanswered)]
        trace.leave_out(instance, unanswered[0] if unanswered else reasons.no_address_of(parts[0].want.qtype))
    trace.hosts.clear()


def ports(trace: Trace, found: Found) -> None:
    chosen = _chosen(trace, found)
    _order(trace, found, chosen, 0)
    for instance in chosen:
        if not render.ports_of(found, instance):
            trace.leave_out(instance, reasons.no_port(found, instance))


def nothing(trace: Trace, found: Found, reason: str) -> None:
    """NODATA: every instance that the name speaks of is left out, if for no other reason, for the one of the whole answer."""
    _leave_out(trace, found.instances or (), reason)


def _chosen(trace: Trace, found: Found) -> tuple[Instance, ...]:
    chosen = render.chosen(found)
    kept = set(map(id, chosen))
    _without_the_tag(trace, found)
    key = found.entry.key if found.entry is not None else ""
    for instance in found.instances or ():
        if id(instance) not in kept:
            trace.leave_out(instance, reasons.critical(instance), key)
    return chosen


def _without_the_tag(trace: Trace, found: Found) -> None:
    if found.entry is not None and found.reading == "tag":
        tagged = set(map(id, found.instances or ()))
        others = [instance for instance in found.entry.service.instances if id(instance) not in tagged]
        _leave_out(trace, others, "it does not carry the tag")


def _order(trace: Trace, found: Found, chosen: tuple[Instance, ...], most: int) -> None:
    if not chosen:
        return
    text = f"{len(chosen)} of {_instances(len(found.instances or ()))}"
    if len({instance.priority for instance in chosen}) > 1:
        text += ", those of the lowest priority number first"
    if len(chosen) > 1:
        text += ", in an order drawn by weight for each answer"
    if 0 < most < len(chosen):
        text += f"; at most {most} addresses in one answer (max_answers)"
    trace.add("choice", reasons.text_of(found.path), text)


def _leave_out(trace: Trace, instances: Iterable[Instance], reason: str) -> None:
    for instance in instances:
        trace.leave_out(instance, reason)


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"


# other names that are answered here


def reverse(trace: Trace, address: str, catalog: Catalog) -> None:
    for entry, instance in catalog.with_address(address):
        trace.add(
            "zone", address, f"is the address of the instance {instance.id} of {'.'.join(entry.paths[0])}, of {entry.provider}"
        )


def no_transfers(trace: Trace, labels: Labels) -> None:
    trace.add("denied", reasons.text_of(labels), "zone transfers are not offered")


def special(trace: Trace, labels: Labels, zone: Labels, rule: Rule) -> None:
    text = f"{reasons.text_of(labels)} is in this special zone ({rule.value}), which is answered here and never forwarded"
    trace.add("special", reasons.text_of(zone), text)


# names of others


def cached(trace: Trace, subject: Labels, state: Freshness, entry: CacheEntry | None, now: float) -> None:
    text = _BY_FRESHNESS[state]
    if entry is not None:
        left = entry.expires_at - now
        text += f"; it was heard {now - entry.stored_at:.0f} s ago, and {f'holds for {left:.0f} s' if left > 0 else f'ended {-left:.0f} s ago'}"
    trace.add("cache", reasons.text_of(subject), text)


def asked(trace: Trace, subject: Labels, upstreams: tuple[str, ...]) -> None:
    trace.add(
        "forward", reasons.text_of(subject), f"asked of {', '.join(upstreams)}" if upstreams else "no upstream is there to be asked"
    )


def heard(trace: Trace, words: Iterable[UpstreamWord]) -> None:
    """Record the reply of each upstream that was asked."""
    for upstream, took_s, said in words:
        trace.add("upstream", str(upstream), f"{said if isinstance(said, str) else _summary(said)}, after {took_s * 1000:.0f} ms")


def _summary(reply: bytes) -> str:
    records = reply[6] << 8 | reply[7]
    return f"{rcode_to_text(reply[3] & 15)}, {records} record{'s' * (records != 1)}"


def failed(trace: Trace, upstreams: tuple[str, ...], errors: Iterable[tuple[int, str]]) -> None:
    """Record that none of *upstreams* was asked, or could be."""
    for _, text in errors:
        trace.add("upstream", ", ".join(upstreams) or "upstreams", text)


# every answer


def refused(trace: Trace, peer: str) -> None:
    trace.add("limit", peer, "is in none of the networks that may ask (acl)")


def rate_limited(trace: Trace, peer: str) -> None:
    trace.add("limit", peer, "the answers to its network over UDP are limited (rate_limit)")


def errors(trace: Trace, subject: str, found: Iterable[Ede]) -> None:
    """The reasons that the client gets, too."""
    for code, text in found:
        if text and not any(step.text == text for step in trace.steps):
            trace.add(_BY_EDE.get(code, "denied"), subject, text)
