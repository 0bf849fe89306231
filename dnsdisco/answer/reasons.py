"""Why one of our answers is empty, as text for the client (EDE 0, RFC 8914). Each of them is true of what was looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from dnsdisco.answer.decision import Want
from dnsdisco.model.entry import Entry
from dnsdisco.model.service import Instance
from dnsdisco.model.turns import PART, Turns
from dnsdisco.wire.constants import A, AAAA, SRV, type_to_text
from dnsdisco.wire.name import label_to_text, Labels, to_text
from dnsdisco.zone import render
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.lookup import BROWSING, Found

NEAR_OCTETS_MAX = 20  # of a label that is looked for in other spellings: 75 look-ups for each octet, so 0.2 ms at most
REASONS_SHOWN_MAX = 2  # of a service whose instances are critical for different ones
SPACES_SHOWN_MAX = 3  # namespaces that have a service of the name
_LETTERS = [bytes((octet,)) for octet in b"abcdefghijklmnopqrstuvwxyz0123456789-_"]
_NOT_ASKED = "the address is a host name, and no upstream could be asked for it: "
_FAMILIES = {A: "IPv4", AAAA: "IPv6"}


def all_critical(found: Found) -> str:
    """The rule that applies to a service without a healthy instance; "" if it has one, or if the question ignores health."""
    if found.entry is None or not render.all_critical(found):
        return ""
    rule = "all of them are given" if found.entry.fails_open else "none is given"
    words = _words_of(found.instances or ())
    return f"every instance is critical: {words}; {rule}" if words else f"every instance is critical: {rule}"


def no_data(found: Found, name: Labels, qtype: int) -> Turns[str]:
    """Why the *name* (labels left of its zone), which is there, has nothing for *qtype*. O(instances)."""
    subject = text_of(name)
    instances = found.instances
    if instances is None:
        if found.records:
            return _no_record(subject, qtype)
        if found.is_wildcard:
            return f"{subject} is covered by a wildcard that has no records itself"
        return f"{subject} has no records itself: it is for browsing" if name in BROWSING else nothing_itself(name)
    if not instances:
        return left_out(found.entry) or f"{subject} has no instance"
    if qtype in _FAMILIES and not found.has_addresses:
        return f"{subject} is a name for SRV, and has no address"
    if qtype not in _FAMILIES and qtype != SRV:
        return _no_record(subject, qtype)
    chosen = render.chosen(found)
    if not chosen:
        return all_critical(found)
    if qtype == SRV:
        usable, such = "usable " * (len(chosen) < len(instances)), "such " if found.port_name else ""
        return f"no {usable}instance of {subject} has {such}a port{_beside(found.entry)}"
    alike: list[Instance] = []
    for at in range(0, len(chosen), PART):
        if at:
            yield
        host = next((instance.address for instance in chosen[at : at + PART] if instance.is_host), None)
        if host is not None:
            return f"{host} has no {_FAMILIES[qtype]} address"
    for at in range(0, len(instances), PART):
        if at:
            yield
        alike += [instance for instance in instances[at : at + PART] if (":" in instance.address) == (qtype == AAAA)]
    if alike:
        words = _words_of(alike)
        return f"every instance of {subject} with an {_FAMILIES[qtype]} address is critical{': ' * bool(words)}{words}"
    return f"{subject} has only {_FAMILIES[A if qtype == AAAA else AAAA]} addresses{_beside(found.entry)}"


def _words_of(instances: Iterable[Instance]) -> str:
    """Why *instances* are critical: the most frequent reasons first, with the number of instances for each where they differ."""
    counts = Counter(instance.reason for instance in instances)
    if len(counts) == 1:
        return next(iter(counts))
    words = [f"{reason or 'no reason is known'} ({number})" for reason, number in counts.most_common(REASONS_SHOWN_MAX)]
    return ", ".join(words) + ", …" * (len(counts) > REASONS_SHOWN_MAX)


def critical(instance: Instance) -> str:
    return f"critical: {instance.reason}" if instance.reason else "critical"


def other_family(qtype: int) -> str:
    return f"no {_FAMILIES[qtype]} address"


def no_address_of(qtype: int) -> str:
    return f"a host name that has no {_FAMILIES[qtype]} address"


def too_many_hosts() -> str:
    return "only that many of an answer's host names are looked up"


def no_port(found: Found, instance: Instance) -> str:
    """Why *instance* has no SRV record under this name."""
    if not instance.ports:
        return "no port"
    wanted = f"no port {found.port_name!r}" if found.port_name else "no port"
    return f"{wanted} for {found.protocol}" if found.protocol else wanted


def reading(found: Found, name: Labels) -> str:
    """The reading of *name* (labels left of its zone), in words."""
    service = f"the service {text_of(found.path[:1])}" + f" in the namespace {text_of(found.path[1:])}" * (len(found.path) > 1)
    return {
        "service": service,
        "all": f"every instance of {service}, whatever its health",
        "instance": f"the instance {text_of(name[:1])} of {service}",
        "tag": f"the instances of {service} with the tag {text_of(name[: 1 if found.has_addresses else 2][-1:]).lstrip('_')}",
        "protocol": f"the ports of {service}, for names below",
        "port": f"the port {found.port_name} of {service}",
        "SRV": f"{service}, as a name for SRV",
        "record": f"a record of {service}",
    }.get(found.reading, "records of a zone file" if found.records else "a name with others below it")


def left_out(entry: Entry | None) -> str:
    """The part of the service that could not be used when it was read, and why; "" if all of it is used."""
    if entry is None or entry.service.left_out is None:
        return ""
    count, reason = entry.service.left_out
    what = "the instances" if not count else "1 instance" if count == 1 else f"{count} instances"
    return f"{what} of {'.'.join(entry.paths[0])} {'was' if count == 1 else 'were'} left out: {reason}"


def rejected(catalog: Catalog, name: Labels) -> str:
    """Why the service that *name* (labels left of its zone), which is not there, is or is below could not be used; "": there is none such. O(1)."""
    is_rfc2782 = len(name) == 2 and name[0][:1] == name[1][:1] == b"_"
    found = catalog.rejected.get(name[0][1:] if is_rfc2782 else name[-1])
    return f"{found[0]} was left out: {found[1]}" if found else ""


def _beside(entry: Entry | None) -> str:
    """The same behind another reason."""
    return f"; {left}" if (left := left_out(entry)) else ""


def no_address(wants: Sequence[Want]) -> str:
    """Why host names that were asked for upstream brought nothing."""
    first = wants[0]
    more = f", nor have {len(wants) - 1} more" if len(wants) > 1 else ""
    return f"the address is the host name {to_text(first.name).rstrip('.')}, which has no {type_to_text(first.qtype)} record{more}"


def no_upstream(reason: str) -> str:
    """Why the addresses of a host name could not be asked for. *reason* may be such a text already: its address led to a host name again."""
    return reason if reason.startswith(_NOT_ASKED) else f"{_NOT_ASKED}{reason}"


def nothing_at_the_zone(zone: Labels, qtype: int) -> str:
    return _no_record(f"{text_of(zone)} itself", qtype)


def nothing_itself(name: Labels) -> str:
    return f"{text_of(name)} has no records itself: there are names below it"


def nothing_special(name: Labels, zone: Labels, qtype: int) -> str:
    """Why a *name* in a special *zone* (both whole) has no such record."""
    return _special(_no_record(text_of(name), qtype), zone)


def not_special(name: Labels, zone: Labels, address: str | None) -> str:
    """Why a *name* does not exist. *address*: the one whose reverse name it is."""
    return _special(f"no instance is known to have the address {address}" if address else f"{text_of(name)} does not exist", zone)


def _special(statement: str, zone: Labels) -> str:
    return f"{statement}: {text_of(zone)} is special, and answered here"


def part_of_an_address(name: Labels) -> str:
    return f"{text_of(name)} is a part of an address, and has no records itself"


def nothing_reverse(address: str, qtype: int) -> str:
    return f"{_no_record(f'the reverse name of {address}', qtype)}, only PTR"


def nothing_of_ours(name: Labels, qtype: int) -> str:
    """Why the name of this server (whole) has no such record."""
    return _no_record(f"{text_of(name)} is the name of this server, and", qtype)


def no_such_name(catalog: Catalog, name: Labels) -> str:
    """A name like *name* (labels left of its zone), which does not exist, or the data that were left out above it; else ""."""
    meant = names_like(catalog, name)
    if meant and meant[0][:1] == name[:1] and len(meant[0]) == 2:
        spaces = [label_to_text(path[1]) for path in meant]
        shown = ", ".join(spaces[:SPACES_SHOWN_MAX]) + ", …" * (len(spaces) > SPACES_SHOWN_MAX)
        return f"{label_to_text(name[0])} is in the namespace{'s' * (len(spaces) > 1)} {shown}"
    if meant:
        return f"did you mean {text_of(meant[0])}?"
    return left_out(catalog.at(name[1:])) if len(name) == 2 else ""


def names_like(catalog: Catalog, name: Labels) -> list[Labels]:
    """Names that may have been meant by *name* (both left of the zone), which is not there, the best first.

    Bounded: services of that name in namespaces, or one whose name differs by one letter. No list of services is walked through.
    """
    if not 1 <= len(name) <= 2:
        return []
    label, space = name[0], name[1:]
    spaces = sorted(catalog.namespaces_of(label))
    if spaces:
        return [(label, each) for each in spaces[: SPACES_SHOWN_MAX + 1]]
    if space and not catalog.at(space) and catalog.at((label,)):
        return [(label,)]
    if len(label) > NEAR_OCTETS_MAX:
        return []
    entry = catalog.at(space) if space else None
    below = catalog.below(entry).by_label if entry is not None else {}
    for near in _spelled_like(label):
        if catalog.at((near, *space)) is not None or near in below:
            return [(near, *space)]
    return []


def text_of(labels: Labels) -> str:
    return ".".join(map(label_to_text, labels))


def _no_record(subject: str, qtype: int) -> str:
    return f"{subject} has no {type_to_text(qtype)} record"


def _spelled_like(label: bytes) -> Iterator[bytes]:
    """Every label that one slip makes of *label*: two letters swapped, one too many, a wrong one, one missing."""
    parts = [(label[:at], label[at:]) for at in range(len(label) + 1)]
    yield from (head + tail[1:2] + tail[:1] + tail[2:] for head, tail in parts if len(tail) > 1)
    yield from (head + tail[1:] for head, tail in parts if tail and len(label) > 1)
    yield from (head + letter + tail[1:] for head, tail in parts if tail for letter in _LETTERS)
    yield from (head + letter + tail for head, tail in parts for letter in _LETTERS)
