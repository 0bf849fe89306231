"""The names right below a service's name: its instances by label and by tag, and its ports."""

from __future__ import annotations

from dnsdisco.model.choice import usable
from dnsdisco.model.entry import Entry
from dnsdisco.model.service import Instance
from dnsdisco.model.turns import PART, Turns
from dnsdisco.model.unread import tag_labels


class Below:
    """The instances, tags and ports of one service, by their labels."""

    __slots__ = ("by_label", "by_tag", "ports")

    def __init__(self) -> None:
        self.by_label: dict[bytes, tuple[Instance, ...]] = {}
        self.by_tag: dict[bytes, list[Instance]] = {}
        self.ports: set[tuple[str, str]] = set()  # name and protocol of each

    def fill(self, entry: Entry) -> Turns[None]:
        shared: dict[bytes, list[Instance]] = {}  # labels that several have, where their owner gave them one host name
        labels_of: dict[str, tuple[bytes, ...]] = {}  # of each tag
        by_label, instances = self.by_label, entry.service.instances
        for at in range(0, len(instances), PART):
            if at:
                yield
            for instance in instances[at : at + PART]:
                if not instance.is_virtual:
                    label = instance.label.encode("ascii", "replace")
                    if label not in by_label:
                        by_label[label] = (instance,)
                    elif label in shared:
                        shared[label].append(instance)
                    else:
                        shared[label] = [*by_label[label], instance]
                for port in instance.ports:
                    self.ports.add((port.name, port.protocol))
                for tag in instance.tags:
                    if tag not in labels_of:
                        labels_of[tag] = tag_labels(tag)
                labels = {each for tag in instance.tags for each in labels_of[tag]} if len(instance.tags) > 1 else None
                for each in labels or (labels_of[instance.tags[0]] if instance.tags else ()):
                    self.by_tag.setdefault(each, []).append(instance)
        by_label.update((label, _well(named)) for label, named in shared.items())

    def has_port(self, name: str, protocol: str) -> bool:
        return (name, protocol) in self.ports or (name, "") in self.ports

    def has_ports(self, protocol: str) -> bool:
        return any(each in ("", protocol) for _, each in self.ports)


def _well(named: list[Instance]) -> tuple[Instance, ...]:
    """The instances that one label stands for: of several, the usable ones of each family; a single one whatever its health."""
    families = ([each for each in named if (":" in each.address) == is_six] for is_six in (False, True))
    return tuple(each for family in families for each in usable(tuple(family), fails_open=True))
