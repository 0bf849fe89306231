"""`x.y` is the service x in the namespace y, whichever provider has it, before it is anything below the service y: a person who may name a tag, an
instance or a record of one service takes over no service of another namespace. This file finds the names that are lost by this rule.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from dnsdisco.model.names import spellings
from dnsdisco.model.service import Service

EVERY = "all"  # `all.y`: every instance of y


def lost_below(service: Service, taken: Container[str]) -> Iterator[tuple[str, str]]:
    """The labels right below *service* that are not found, because they are in *taken*, each with its meaning there. O(instances)."""
    if EVERY in taken:
        yield EVERY, "all"
    seen: set[tuple[str, str]] = set()
    for instance in service.instances:
        found = [(instance.label, f"the instance {instance.id!r}")]
        found += [(label, f"the tag {tag!r}") for tag in instance.tags for label in spellings(tag)]
        for label, what in found:
            if label in taken and (label, what) not in seen:
                seen.add((label, what))
                yield label, what
    for record in service.records:
        label = record.name.lower().rpartition(".")[2]
        if label in taken:
            yield label, f"the {record.type} record {record.name!r}"
