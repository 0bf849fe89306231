"""Raw names become DNS labels here, and nowhere else (RFC 952, RFC 1123 §2.1 for host labels; docs/services.md, instance labels).

Every rule is a function of the thing itself, not of its place in a list, so that a name stays with its service and its instance when
others come, go or change their order.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from dnsdisco.model.service import Instance, Service

LABEL_OCTETS_MAX = 63  # RFC 1035 §2.3.4
HASH_OCTETS = 5  # 40 bits, ten digits: two of a thousand instances share one with a chance of 1 in two million

_OTHER = re.compile(r"[^a-z0-9-]")
_ALIAS = re.compile(r"[a-z0-9_-]{1,63}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_RESERVED = frozenset({"all"})  # `all.S.Z` means every instance; one that is called so is found by its address


def service_label(raw: str) -> str | None:
    """The label of a service: lower case, everything but letters, digits and `-` to `-`. None: too long, or nothing to read in it."""
    label = _OTHER.sub("-", raw.lower())
    return label if len(label) <= LABEL_OCTETS_MAX and label.strip("-") else None


def raw_alias(raw: str) -> str | None:
    """The raw form, lower case, where it is one label of letters, digits, `-`, `_` and differs from the made-up label; else None."""
    alias = raw.lower()
    return alias if _ALIAS.fullmatch(alias) and alias != service_label(raw) else None


def spellings(raw: str) -> tuple[str, ...]:
    """Every label that *raw* (a service, a tag) is found as, the made-up one first."""
    return tuple(label for label in dict.fromkeys((service_label(raw), raw_alias(raw))) if label is not None)


def asked_path(name: str) -> tuple[str, ...] | None:
    """Where *name* is looked for, with a namespace behind a dot: as DNS clients write it, case apart. None: no one writes that."""
    labels = name.lower().split(".")
    is_written = len(labels) <= 2 and all(_ALIAS.fullmatch(label) and service_label(label) for label in labels)
    return tuple(labels) if is_written else None


def label_instances(service: Service) -> Service:
    """*service* with a label for every instance. O(instances); the same object when nothing is to be changed.

    The id if it makes a legal host label, else the hostname, else the address, else a short hash. Instances whose owner gave them one
    hostname share it, as the addresses of one host do (ADR 0010). An id beats a hostname, and either beats an address. All others that
    would share a label get the node's name appended, else their address, port, or a hash, whichever distinguishes them: all, so that their
    order does not count.
    """
    instances = service.instances
    first_choices = [_first_choice(instance) for instance in instances]
    are_unique = len(set(first_choices)) == len(first_choices)
    labels = first_choices if are_unique else _parted(instances, first_choices)
    if all(instance.label == label for instance, label in zip(instances, labels, strict=True)):
        return service
    labelled = tuple(replace(instance, label=label) for instance, label in zip(instances, labels, strict=True))
    return replace(service, instances=labelled)


def address_label(address: str) -> str | None:
    """The address with dots and colons as dashes; a dash at either end gets a 0 (`::1` is `0--1`). None: no legal host label."""
    label = address.lower().replace(".", "-").replace(":", "-")
    label = f"{'0' if label.startswith('-') else ''}{label}{'0' if label.endswith('-') else ''}"
    return label if _HOST.fullmatch(label) else None


def _first_choice(instance: Instance) -> str:
    for raw in (instance.id, instance.hostname):
        label = raw.lower()
        if _HOST.fullmatch(label) and label not in _RESERVED:
            return label
    return address_label(instance.address) or _hash_suffix(instance)


def _parted(instances: tuple[Instance, ...], first_choices: list[str]) -> list[str]:
    """A label each where some first choices coincide."""
    members: dict[str, list[int]] = {}
    for at, label in enumerate(first_choices):
        members.setdefault(label, []).append(at)
    labels = list(first_choices)
    kept = {label: group if len(group) == 1 else _keepers(instances, group, label) for label, group in members.items()}
    taken = {label for label, keepers in kept.items() if keepers}
    for label in sorted(members):
        left = sorted(set(members[label]).difference(kept[label]))
        if left:
            _part(instances, left, label, labels, taken)
    return labels


def _keepers(instances: tuple[Instance, ...], group: list[int], label: str) -> list[int]:
    """The instances that get *label*: the one with that id, else all whose owner gave them that `hostname`, such as the two addresses of a
    dual-stack pod: one name, all addresses. An id means one instance, so if several have this id, none gets it."""
    owners = [at for at in group if instances[at].id.lower() == label]
    if owners:
        return owners if len(owners) == 1 else []
    return [at for at in group if instances[at].hostname.lower() == label]


def _part(instances: tuple[Instance, ...], group: list[int], label: str, labels: list[str], taken: set[str]) -> None:
    """Give the instances of *group*, which all want *label*, longer ones: each kind of suffix parts those that it can."""
    # The content decides which comes first, not the order in which a backend lists it.
    left = sorted(group, key=lambda at: _identity(instances[at]))
    for suffix in (_node_suffix, _address_suffix, _port_suffix, _hash_suffix):
        choices = {at: _fit(label, tail) for at in left if (tail := _beyond(label, suffix(instances[at])))}
        counts = Counter(choices.values())
        parted = {at: choice for at, choice in choices.items() if counts[choice] == 1 and choice not in taken}
        for at, choice in parted.items():
            labels[at] = choice
        taken.update(parted.values())
        left = [at for at in left if at not in parted]
        if not left:
            return
    numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(2))
    for at in left:  # the same instance several times over
        digest = _hash_suffix(instances[at])
        numbered = (_fit(label, f"{digest}-{number}") for number in numbers[digest])
        labels[at] = next(choice for choice in numbered if choice not in taken)
        taken.add(labels[at])


def _beyond(label: str, suffix: str) -> str:
    """*suffix* without the address, where that is the label already: `10-0-0-1-8080`."""
    return "" if suffix == label else suffix.removeprefix(f"{label}-")


def _node_suffix(instance: Instance) -> str:
    return (service_label(instance.node) or "").strip("-")


def _address_suffix(instance: Instance) -> str:
    return address_label(instance.address) or ""


def _port_suffix(instance: Instance) -> str:
    return f"{_address_suffix(instance)}-{instance.ports[0].number}" if instance.ports else ""


def _hash_suffix(instance: Instance) -> str:
    return _hash(_identity(instance))


def _fit(label: str, suffix: str) -> str:
    """Both, joined; if they take more than 63 octets, the label is cut, and a hash stands for the lost part."""
    whole = f"{label}-{suffix}"
    if len(whole) <= LABEL_OCTETS_MAX:
        return whole
    digest = _hash((whole,))
    return f"{whole[: LABEL_OCTETS_MAX - len(digest) - 1].rstrip('-')}-{digest}"


def _identity(instance: Instance) -> tuple[str, ...]:
    """The identity of an instance: health, weight, tags and meta may change without a new name."""
    ports = ",".join(f"{port.number}/{port.name}/{port.protocol}" for port in instance.ports)
    return instance.id, instance.hostname, instance.node, instance.address, ports


def _hash(parts: tuple[str, ...]) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=HASH_OCTETS).hexdigest()
