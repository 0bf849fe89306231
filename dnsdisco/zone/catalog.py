"""A worker's replica of what control publishes, indexed by name and by address.

It is changed between two queries, never during one. Every mutation reports what it touched, so that answers made from it can be
dropped: exactly those.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.model.service import Instance
from dnsdisco.model.turns import at_once, PART, Turns
from dnsdisco.model.unread import addresses_of, LENGTHS, measured, name_of, read, tag_labels, tags_of, Unread
from dnsdisco.wire.name import Labels
from dnsdisco.zone.below import Below
from dnsdisco.zone.records import ZoneRecords

K = TypeVar("K")
V = TypeVar("V")


class Catalog:
    """All published services. Lookups are O(1), but for the reading of a service that is asked for first; a change costs what its own
    services and instances cost. Names in here are in wire form, without their zone."""

    def __init__(self) -> None:
        self.serial = 0  # of the SOA; 0: nothing has arrived yet
        self.states: dict[str, ProviderState] = {}
        self.rejected: dict[bytes, tuple[str, str]] = {}  # by label: services that a provider could not use, and why
        self.is_complete = False  # a whole catalog has arrived: until then any name might exist
        self.records = ZoneRecords()
        self._entries: dict[bytes, Entry | bytes] = {}  # by canonical name; octets: a line that is not read yet
        self._names: dict[bytes, bytes] = {}  # all other names → the canonical one
        self._namespaces: dict[bytes, int] = {}  # how many names end in it
        self._spaces: dict[bytes, bytes | dict[bytes, None]] = {}  # the first label → the namespace, or namespaces, of such names
        self._tags: dict[bytes, int] = {}  # how many entries have an instance with it
        self._addresses: dict[str, bytes | dict[bytes, None]] = {}  # address → the entry, or entries, that have it
        self._by_address: dict[str, dict[str, list[Instance]]] = {}  # by entry key, made when first asked for
        self._below: dict[str, Below] = {}  # by entry key, made when first asked for
        # Every label that something of ours stands under right below a zone, with its length octet: the datagram loop denies all
        # other names without looking further. `is_open_ended`: a wildcard there answers them.
        self.top: set[bytes] = set(_ALWAYS)
        self.is_open_ended = False
        self._large: dict[bytes, _Facts] = {}  # of entries with more instances than one turn can go through

    def __len__(self) -> int:
        return len(self._entries)

    def at(self, path: Labels) -> Entry | None:
        name = b"".join([LENGTHS[len(label)] + label for label in path])
        return self._read(name if name in self._entries else self._names.get(name, b""))

    def has_namespace(self, label: bytes) -> bool:
        return measured(label) in self._namespaces

    def namespaces_of(self, label: bytes) -> Iterable[bytes]:
        """The namespaces that have a service of this name."""
        return [space[1:] for space in _each(self._spaces.get(measured(label)))]

    def has_tag(self, label: bytes) -> bool:
        return label in self._tags

    def with_address(self, address: str) -> list[tuple[Entry, Instance]]:
        """Every instance that has *address* (canonical text)."""
        entries = (self._read(key) for key in _each(self._addresses.get(address)))
        return [(entry, instance) for entry in entries if entry for instance in self._addressed(entry)[address]]

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
        return at_once(self.below_in_turns(entry))

    def below_in_turns(self, entry: Entry) -> Turns[Below]:
        below = self._below.get(entry.key)
        if below is None:
            below = Below()
            yield from below.fill(entry)
            if self._entries.get(name_of(entry.paths[0])) is entry:  # still
                self._below[entry.key] = below
        return below

    @property
    def has_large(self) -> bool:
        """There is a service for which at_once() is not at once."""
        return bool(self._large)

    def unsynced(self) -> list[ProviderState]:
        """Providers that may know names which we have not heard of yet."""
        return [state for state in self.states.values() if not state.has_synced and not state.is_optional]

    def put(self, entry: Entry) -> None:
        """Add to a catalog that is being built beside the one in use."""
        facts = _Facts(addresses_of(entry), tags_of(entry))
        self._put(entry, facts, facts.addresses)

    def put_unread(self, services: Unread) -> None:
        """Like put(), for services that are read when they are first asked for."""
        self._entries.update(zip(services.keys, services.lines, strict=True))
        self._names.update(services.names)
        for name in services.keys:
            self._file_name(name)
        for name, _ in services.names:
            self._file_name(name)
        for tag, count in services.tags:
            self._file_tag(tag, count)
        addresses = self._addresses
        for address, key in services.addresses:
            if addresses.setdefault(address, key) != key:
                _add(addresses, address, key)

    def read_soon(self, keys: Iterable[str]) -> None:
        """Read those of them that are not, before apply() needs what they were: it has less to do then."""
        for key in keys:
            self._read(name_of(tuple(key.split("."))))

    def replace(self, fresh: Catalog, states: Iterable[ProviderState], serial: int) -> None:
        """Everything anew, by taking what *fresh* holds. O(1)."""
        self._entries, self._names, self._namespaces = fresh._entries, fresh._names, fresh._namespaces
        self._tags, self._below = fresh._tags, fresh._below
        self._addresses, self._by_address = fresh._addresses, fresh._by_address
        self.top, self._spaces, self._large = fresh.top, fresh._spaces, fresh._large
        self.records, self.is_open_ended, self.rejected = fresh.records, fresh.is_open_ended, fresh.rejected
        self.set_states(states)
        self.serial, self.is_complete = serial, True

    def apply(self, put: Iterable[Entry], drop: Iterable[str], serial: int) -> set[object]:
        """Changed and dropped services in; out: tokens (paths and addresses) that answers may depend on."""
        touched: set[object] = set()
        for key in drop:
            self._drop(name_of(tuple(key.split("."))), touched, set())
        for entry in put:
            name = name_of(entry.paths[0])
            facts = _Facts(addresses_of(entry), tags_of(entry))
            before = self._drop(name, touched, facts.addresses)
            self._put(entry, facts, facts.addresses - before)
            touched.update(map(_octets, entry.paths), facts.addresses)
        self.serial = serial
        return touched

    def set_states(self, states: Iterable[ProviderState]) -> None:
        by_name, before = {state.name: state for state in states}, self.rejected
        self.rejected = {label: each for state in by_name.values() for each in state.rejected for label in tag_labels(each[0])}
        self.states = by_name
        self.top.update(map(measured, self.rejected))  # denied with a reason of its own
        for label in before:
            self._clear_top(measured(label))

    def set_records(self, records: ZoneRecords) -> None:
        """The zone files' records anew."""
        before, self.records = self.records, records
        self.top.update(map(measured, records.top_labels()))
        for label in before.top_labels():
            self._clear_top(measured(label))
        self.is_open_ended = b"*" in records.top_labels()

    def _read(self, key: bytes) -> Entry | None:
        entry = self._entries.get(key)
        if isinstance(entry, bytes):
            entry = self._entries[key] = read(entry)
        return entry

    def _put(self, entry: Entry, facts: _Facts, addresses: Iterable[str]) -> None:
        """*addresses*: those that it has and is not filed under yet: most changes of a large service leave nearly all as they are."""
        key, *others = map(name_of, entry.paths)
        self._entries[key] = entry
        if len(entry.service.instances) > PART:
            self._large[key] = facts
        self._file_name(key)
        for name in others:
            self._names[name] = key
            self._file_name(name)
        for tag in facts.tags:
            self._file_tag(tag, 1)
        for address in addresses:
            _add(self._addresses, address, key)

    def _file_name(self, name: bytes) -> None:
        first = 1 + name[0]
        if first == len(name):
            self.top.add(name)
            return
        space = name[first:]
        self._namespaces[space] = self._namespaces.get(space, 0) + 1
        self.top.add(space)
        _add(self._spaces, name[:first], space)

    def _file_tag(self, tag: bytes, count: int) -> None:
        self._tags[tag] = self._tags.get(tag, 0) + count
        self.top.add(measured(b"_" + tag))

    def _drop(self, key: bytes, touched: set[object], staying: set[str]) -> set[str]:
        """Returns the addresses that it has. *staying*: those that it stays filed under, and *touched* will have anyway."""
        entry = self._read(key)
        if entry is None:
            return set()
        del self._entries[key]
        facts = self._large.pop(key, None) or _Facts(addresses_of(entry), tags_of(entry))
        self._below.pop(entry.key, None)
        self._by_address.pop(entry.key, None)
        for path in entry.paths:
            name = name_of(path)
            if self._names.get(name) == key:  # else another service has it by now
                del self._names[name]
            self._unfile_name(name)
        for tag in facts.tags:
            _decrease(self._tags, tag)
            self._clear_top(measured(b"_" + tag))
        gone = facts.addresses - staying
        for address in gone:
            _remove(self._addresses, address, key)
        touched.update(map(_octets, entry.paths), gone)
        return facts.addresses

    def _unfile_name(self, name: bytes) -> None:
        first = 1 + name[0]
        if first == len(name):
            self._clear_top(name)
            return
        space = name[first:]
        _decrease(self._namespaces, space)
        self._clear_top(space)
        if name not in self._entries and name not in self._names:
            _remove(self._spaces, name[:first], space)

    def _clear_top(self, label: bytes) -> None:
        """Take *label* out where nothing of ours stands under it any more."""
        is_tag = label[1:2] == b"_" and label[2:] in self._tags
        is_name = label in self._entries or label in self._names or label in self._namespaces
        is_ours = is_name or is_tag or label[1:] in self.records.top_labels()
        if not (is_ours or label in _ALWAYS or label[1:] in self.rejected):
            self.top.discard(label)


class _Facts(NamedTuple):
    """The keys, beside its names, under which a catalog finds an entry."""

    addresses: set[str]
    tags: set[bytes]


def _octets(path: tuple[str, ...]) -> Labels:
    return tuple(label.encode("ascii", "replace") for label in path)


_ALWAYS = frozenset(measured(label) for label in (b"_tcp", b"_udp", b"_sctp", b"dns"))

# One value stands for itself, and only several for a dict of them: most addresses and names have one.


def _each(values: V | dict[V, None] | None) -> Iterable[V]:
    return () if values is None else values if isinstance(values, dict) else (values,)


def _add(filed: dict[K, V | dict[V, None]], key: K, value: V) -> None:
    values = filed.setdefault(key, value)
    if isinstance(values, dict):
        values[value] = None
    elif values != value:
        filed[key] = {values: None, value: None}


def _remove(filed: dict[K, V | dict[V, None]], key: K, value: V) -> None:
    values = filed.get(key)
    if isinstance(values, dict):
        values.pop(value, None)
    if values == value or not values:
        filed.pop(key, None)


def _decrease(counts: dict[bytes, int], key: bytes) -> None:
    left = counts.get(key, 0) - 1
    if left > 0:
        counts[key] = left
    else:
        counts.pop(key, None)
