"""All that is published, under one serial, and each worker's way to it: a delta where that will do, else the whole."""

from __future__ import annotations

import socket
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from dnsdisco.control.facts import PublishedChange
from dnsdisco.control.journal import Journal
from dnsdisco.control.serials import Serials
from dnsdisco.control.worker_link import WorkerLink
from dnsdisco.model import delta
from dnsdisco.model.delta import Message, ZoneRecord
from dnsdisco.model.diff import Change
from dnsdisco.model.entry import Entry, ProviderState

_ALIVE = delta.pack({"op": "alive"})
DELTA_INSTANCES_MAX = 5_000  # a larger change is sent as a whole, which is made piece by piece while the worker takes it


class Publisher:
    """The replicas' master copy. All methods belong to the loop's thread; none blocks."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        serials: Serials,
        *,
        is_successor: bool,
        on_applied: Callable[[], None],
        on_counters: Callable[[int, Message], None],
        on_told: Callable[[int, Message], None],
        on_published: Callable[[PublishedChange], None] = lambda _: None,
        journal: Sequence[int] = (),
    ) -> None:
        """*is_successor*: the workers hold the catalog of an earlier process, and keep it until feed_all() or until they ask.
        *on_counters*: gets the counters of a worker, by its number. *on_told*: gets its reply to a message of tell().
        *journal*: the descriptors where the last whole catalog is kept."""
        self.entries: Mapping[str, Entry] = {}
        self.records: list[ZoneRecord] = []
        self.states: tuple[ProviderState, ...] = ()
        self.wholes_sent = 0
        self._settings: dict[str, Any] | None = None  # as reloaded; None: those that the workers were started with
        self._serials = serials
        self._on_applied, self._on_counters, self._on_told = on_applied, on_counters, on_told
        self._on_published = on_published
        self.is_successor = is_successor
        self._inherited: tuple[ProviderState, ...] = ()
        self._whole: weakref.ref[_Whole] | None = None  # shared by the workers that need it at the same time
        self._fed: set[WorkerLink] = set()  # those that have been sent a whole by us, so that a delta leads on
        self.links = [WorkerLink(number, sock, self._on_message, self._feed) for number, sock in enumerate(sockets)]
        self._journal = Journal(journal, self._datagrams)
        if not is_successor:
            self._journal.lose()

    @property
    def serial(self) -> int:
        return self._serials.current

    def publish(self, change: Change, entries: Mapping[str, Entry], states: tuple[ProviderState, ...]) -> None:
        """*entries* is the catalog after *change*. It must not be changed, except for the next call, which gets the change."""
        base, serial = self.serial, self._serials.next()
        self.entries, self.states, self._whole = entries, states, None
        if len(change.drop) + sum(1 + len(entry.service.instances) for entry in change.put) > DELTA_INSTANCES_MAX:
            for link in self._fed:
                self._feed(link)
            self._lose_journal()
        else:
            self._send(delta.change(base, serial, change.put, change.drop, states))
        self._on_published(PublishedChange.of(serial, change))

    def publish_records(self, records: list[ZoneRecord]) -> None:
        """The records of the zone files, all of them; nothing happens when they are those there are."""
        if records == self.records:
            return
        base, serial = self.serial, self._serials.next()
        self.records, self._whole = records, None
        self._send(delta.zone(base, serial, records))
        self._on_published(PublishedChange(serial))

    def publish_states(self, states: tuple[ProviderState, ...], inherited: tuple[ProviderState, ...] = ()) -> None:
        """Send the providers' states, without a change of services. *inherited*: to the workers that still hold an earlier process's catalog."""
        if states != self.states:
            self.states, self._whole = states, None
            self._send([_providers(states)])
        if self.is_successor and inherited != self._inherited:
            self._inherited = inherited
            datagrams = delta.pack(_providers(inherited))
            self._journal.send(datagrams)
            for link in self.links:
                if link not in self._fed:
                    link.send(datagrams)

    def publish_settings(self, settings: dict[str, Any]) -> None:
        """Send the settings to every worker, whatever catalog it holds."""
        self._settings, self._whole = settings, None
        datagrams = delta.pack({"op": "settings", "settings": settings})
        self._journal.send(datagrams)
        for link in self.links:
            link.send(datagrams)

    def publish_alive(self) -> None:
        """Send every worker that reads a sign that control is there."""
        for link in self.links:
            link.send_alive(_ALIVE)

    def tell(self, message: Message, worker: int | None = None) -> None:
        """Send *message*, which changes nothing of the catalog, to one worker or to each."""
        for link in self.links if worker is None else self.links[worker : worker + 1]:
            link.send(delta.pack(message))

    def feed_all(self) -> None:
        """Send the whole to those that still hold what an earlier process published."""
        self.is_successor = False
        self._journal.lose()
        for link in self.links:
            if link not in self._fed:
                self._feed(link)

    def is_applied(self, serial: int) -> bool:
        """Every worker has *serial* or a later one."""
        return all(link.applied >= serial for link in self.links)

    def close(self) -> None:
        self._journal.close()
        for link in self.links:
            link.close()

    def _send(self, messages: Iterable[Message]) -> None:
        datagrams = [datagram for message in messages for datagram in delta.pack(message)]
        for link in self._fed:
            link.send(datagrams)
        if not self.is_successor:
            self._journal.send(datagrams)

    def _lose_journal(self) -> None:
        """Mark the journal as broken, but keep the one of an earlier process until we can send a whole catalog of our own."""
        if not self.is_successor:
            self._journal.lose()

    def _feed(self, link: WorkerLink) -> None:
        """Start the whole catalog on its way to one worker."""
        self.wholes_sent += 1
        self._fed.add(link)
        link.restart(self._datagrams())

    def _datagrams(self) -> Iterator[bytes]:
        """The datagrams of the whole catalog, made once for all workers that need it at the same time."""
        whole = self._whole() if self._whole is not None else None
        if whole is None:
            # A copy, for the catalog goes on changing while this one is on its way.
            whole = _Whole(self._messages(tuple(self.entries.values())))
            self._whole = weakref.ref(whole)
        return whole.datagrams()

    def _messages(self, entries: tuple[Entry, ...]) -> Iterator[Message]:
        settings: list[Message] = [] if self._settings is None else [{"op": "settings", "settings": self._settings}]
        return chain(settings, delta.whole(self.serial, entries, self.states, self.records))

    def _on_message(self, link: WorkerLink, message: Message) -> None:
        match message.get("op"):
            case "hello":
                link.applied = 0
                self._feed(link)
            case "resync" if not (self.is_successor and link not in self._fed) and not link.is_restarting:
                # else the whole is on its way, or comes with feed_all()
                self._feed(link)
            case "applied" if isinstance(serial := message.get("serial"), int):
                link.applied = serial
                self._on_applied()
            case "counters":
                self._on_counters(link.number, message)
            case "flushed" | "explained" | "queries":
                self._on_told(link.number, message)
            case _:
                pass


def _providers(states: tuple[ProviderState, ...]) -> Message:
    return {"op": "providers", "providers": delta.states_to_plain(states)}


class _Whole:
    """A whole catalog's datagrams, made as they are needed, and once for all that read them at the same time."""

    def __init__(self, messages: Iterator[Message]) -> None:
        self._source = (datagram for message in messages for datagram in delta.pack(message))
        self._made: list[bytes] = []

    def datagrams(self) -> Iterator[bytes]:
        at = 0
        while True:
            if at == len(self._made):
                datagram = next(self._source, None)
                if datagram is None:
                    return
                self._made.append(datagram)
            yield self._made[at]
            at += 1
