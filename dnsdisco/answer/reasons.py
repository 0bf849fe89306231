"""Why an answer of ours is empty, in the words that the client reads (EDE 0, RFC 8914). Each of them is true of what was looked up."""

from __future__ import annotations

from dnsdisco.wire.constants import A, AAAA, SRV, type_to_text
from dnsdisco.wire.name import label_to_text
from dnsdisco.zone import render
from dnsdisco.zone.lookup import Found

Labels = tuple[bytes, ...]
_FAMILIES = {A: "IPv4", AAAA: "IPv6"}


def all_critical(found: Found) -> str:
    """What becomes of a service without a healthy instance; "" where there is one, or health is not asked for."""
    if found.entry is None or not render.all_critical(found):
        return ""
    return f"every instance is critical: {'all of them are given' if found.entry.fails_open else 'none is given'}"


def no_data(found: Found, name: Labels, qtype: int) -> str:
    """Why the *name* (labels left of its zone), which is there, has nothing for *qtype*. O(instances)."""
    subject = ".".join(map(label_to_text, name))
    instances = found.instances
    if instances is None:
        return (
            f"{subject} has no {type_to_text(qtype)} record"
            if found.records
            else f"{subject} has nothing itself: there are names below it"
        )
    if not instances:
        return f"{subject} has no instance"
    if qtype in _FAMILIES and not found.has_addresses:
        return f"{subject} is a name for SRV, and has no address"
    if qtype not in _FAMILIES and qtype != SRV:
        return f"{subject} has no {type_to_text(qtype)} record"
    chosen = render.chosen(found)
    if not chosen:
        return all_critical(found)
    if qtype == SRV:
        return (
            f"no {'usable ' * (len(chosen) < len(instances))}instance of {subject} has {'such ' if found.port_name else ''}a port"
        )
    hosts = [instance.address for instance in chosen if instance.is_host]
    if hosts:
        return f"{hosts[0]} has no {_FAMILIES[qtype]} address"
    if any((":" in instance.address) == (qtype == AAAA) for instance in instances):
        return f"every instance of {subject} with an {_FAMILIES[qtype]} address is critical"
    return f"{subject} has only {_FAMILIES[A if qtype == AAAA else AAAA]} addresses"
