"""A worker's replica of what control publishes, indexed by name and by address.

It is changed between two queries, never during one. Every mutation reports what it touched, so that answers made from it can be
dropped: exactly those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnsdisco.model.choice import usable
from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.model.names import spellings
from dnsdisco.model.service import Instance
from dnsdisco.wire.name import Labels
from dnsdisco.zone.records import ZoneRecords


class Catalog:
    """All published services. Lookups are O(1); a change costs what its own services and instances cost."""

    def __init__(self) -> None:
        self.serial = 0  # of the SOA; 0: nothing has arrived yet
        self.states: dict[str, ProviderState] = {}
        self.is_complete = False  # a whole catalog has arrived: until then any name might exist
        self.records = ZoneRecords()
        self._entries: dict[str, Entry] = {}
        self._paths: dict[Labels, Entry] = {}
        self._namespaces: dict[bytes, int] = {}  # how many paths end in it
        self._spaces: dict[bytes, dict[bytes, None]] = {}  # by the label of a service: the namespaces that have one of the name
        self._tags: dict[bytes, int] = {}  # how many entries have an instance with it
        self._addresses: dict[str, dict[str, None]] = {}  # address → the keys of the entries that have it
        self._by_address: dict[str, dict[str, list[Instance]]] = {}  # by entry key, made when first asked for
        self._below: dict[str, Below] = {}  # by entry key, made when first asked for
        # Every label that something of ours stands under right below a zone, with its length octet, and how often: the datagram
        # loop denies all other names without looking further. `is_open_ended`: a wildcard there answers them.
        self.top: dict[bytes, int] = dict.fromkeys(_ALWAYS, 1)
        self.is_open_ended = False

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> Iterator[Entry]:
        yield from self._entries.values()

    def at(self, path: Labels) -> Entry | None:
        return self._paths.get(path)

    def has_namespace(self, label: bytes) -> bool:
        return label in self._namespaces

    def namespaces_of(self, label: bytes) -> Iterable[bytes]:
        """The namespaces that have a service of this name."""
        return self._spaces.get(label, ())

    def has_tag(self, label: bytes) -> bool:
        return label in self._tags

    def with_address(self, address: str) -> list[tuple[Entry, Instance]]:
        """Every instance that has *address* (canonical text)."""
        entries = [self._entries[key] for key in self._addresses.get(address, ())]
        return [(entry, instance) for entry in entries for instance in self._addressed(entry)[address]]

    def _addressed(self, entry: Entry) -> dict[str, list[Instance]]:
        """Its instances by address. O(instances) once, then O(1)."""
        made = self._by_address.get(entry.key)
        if made is None:
            made = self._by_address[entry.key] = {}
            for instance in entry.service.instances:
                made.setdefault(instance.address, []).append(instance)
        return made

    def below(self, entry: Entry) -> Below:
        """Its instances by label and by tag. O(instances) once, then O(1)."""
        below = self._below.get(entry.key)
        if below is None:
            below = self._below[entry.key] = Below(entry)
        return below

    def unsynced(self) -> list[ProviderState]:
        """Providers that may know names which we have not heard of yet."""
        return [state for state in self.states.values() if not state.has_synced and not state.is_optional]

    def put(self, entry: Entry) -> None:
        """Add to a catalog that is being built beside the one in use."""
        self._put(entry, addresses_of(entry))

    def replace(self, fresh: Catalog, states: Iterable[ProviderState], serial: int) -> None:
        """Everything anew, by taking what *fresh* holds. O(1)."""
        self._entries, self._paths, self._namespaces = fresh._entries, fresh._paths, fresh._namespaces
        self._tags, self._below = fresh._tags, fresh._below
        self._addresses, self._by_address = fresh._addresses, fresh._by_address
        self.top, self._spaces = fresh.top, fresh._spaces
        self.set_records(fresh.records)
        self.set_states(states)
        self.serial, self.is_complete = serial, True

    def apply(self, put: Iterable[Entry], drop: Iterable[str], serial: int) -> set[object]:
        """Changed and dropped services in; out: tokens (paths and addresses) that answers may depend on."""
        touched: set[object] = set()
        for key in drop:
            touched |= self._drop(key, set())
        for entry in put:
            addresses, before = addresses_of(entry), self._entries.get(entry.key)
            touched |= self._drop(entry.key, addresses)
            touched |= self._put(entry, addresses - addresses_of(before) if before else addresses)
            touched |= addresses
        self.serial = serial
        return touched

    def set_states(self, states: Iterable[ProviderState]) -> None:
        self.states = {state.name: state for state in states}

    def set_records(self, records: ZoneRecords) -> None:
        """The zone files' records anew."""
        for label in self.records.top_labels():
            _decrease(self.top, _measured(label))
        self.records = records
        for label in records.top_labels():
            _increase(self.top, _measured(label))
        self.is_open_ended = b"*" in records.top_labels()

    def _put(self, entry: Entry, addresses: Iterable[str]) -> set[object]:
        """*addresses*: those that it has and is not filed under yet: most changes of a large service leave nearly all as they are."""
        self._entries[entry.key] = entry
        touched: set[object] = set()
        for path in entry.paths:
            labels = _octets(path)
            self._paths[labels] = entry
            touched.add(labels)
            _increase(self.top, _measured(labels[-1]))
            if len(labels) > 1:
                _increase(self._namespaces, labels[-1])
                self._spaces.setdefault(labels[0], {})[labels[-1]] = None
        for tag in tags_of(entry):
            _increase(self._tags, tag)
            _increase(self.top, _measured(b"_" + tag))
        for address in addresses:
            self._addresses.setdefault(address, {})[entry.key] = None
        return touched

    def _drop(self, key: str, staying: set[str]) -> set[object]:
        """*staying*: the addresses that it stays filed under."""
        entry = self._entries.pop(key, None)
        self._below.pop(key, None)
        self._by_address.pop(key, None)
        touched: set[object] = set()
        if entry is None:
            return touched
        for path in entry.paths:
            labels = _octets(path)
            if self._paths.get(labels) is entry:
                del self._paths[labels]
            touched.add(labels)
            _decrease(self.top, _measured(labels[-1]))
            if len(labels) > 1:
                _decrease(self._namespaces, labels[-1])
                spaces = self._spaces.get(labels[0], {})
                if labels not in self._paths:  # else another service has it by now
                    spaces.pop(labels[-1], None)
                if not spaces:
                    self._spaces.pop(labels[0], None)
        for tag in tags_of(entry):
            _decrease(self._tags, tag)
            _decrease(self.top, _measured(b"_" + tag))
        addresses = addresses_of(entry)
        for address in addresses - staying:
            keys = self._addresses[address]
            del keys[key]
            if not keys:
                del self._addresses[address]
        return touched | addresses


class Below:
    """What stands right below a service's name."""

    __slots__ = ("by_label", "by_tag")

    def __init__(self, entry: Entry) -> None:
        labelled: dict[bytes, list[Instance]] = {}  # several under one, where their owner gave them one host name
        self.by_tag: dict[bytes, list[Instance]] = {}
        for instance in entry.service.instances:
            if not instance.is_virtual:
                labelled.setdefault(instance.label.encode("ascii", "replace"), []).append(instance)
            for label in {label for tag in instance.tags for label in tag_labels(tag)}:
                self.by_tag.setdefault(label, []).append(instance)
        self.by_label = {label: tuple(named) if len(named) == 1 else _well(named) for label, named in labelled.items()}


def _well(named: list[Instance]) -> tuple[Instance, ...]:
    """Of several with one name, those of each family that are well; one alone has its name whatever its health."""
    families = ([each for each in named if (":" in each.address) == is_six] for is_six in (False, True))
    return tuple(each for family in families for each in usable(tuple(family), fails_open=True))


def addresses_of(entry: Entry) -> set[str]:
    return {instance.address for instance in entry.service.instances}


def tags_of(entry: Entry) -> set[bytes]:
    """The tags of its instances as labels, in both of their spellings."""
    return {label for instance in entry.service.instances for tag in instance.tags for label in tag_labels(tag)}


def tag_labels(tag: str) -> tuple[bytes, ...]:
    """A tag as a label, by the rule for services, and raw where that is a label of letters, digits, `-`, `_`."""
    return tuple(label.encode() for label in spellings(tag))


def _octets(path: tuple[str, ...]) -> Labels:
    return tuple(label.encode("ascii", "replace") for label in path)


def _measured(label: bytes) -> bytes:
    """*label* behind its length octet, as in a name on the wire."""
    return bytes((min(len(label), 255),)) + label


_ALWAYS = tuple(_measured(label) for label in (b"_tcp", b"_udp", b"_sctp", b"dns"))


def _increase(counts: dict[bytes, int], key: bytes) -> None:
    counts[key] = counts.get(key, 0) + 1


def _decrease(counts: dict[bytes, int], key: bytes) -> None:
    left = counts.get(key, 0) - 1
    if left > 0:
        counts[key] = left
    else:
        counts.pop(key, None)
