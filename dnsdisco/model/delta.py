"""The messages between control and a worker, and their framing on a socket that keeps message boundaries.

Control → worker:  begin(serial) (services | put)* zone* end(serial)  a whole catalog, in parts that one event-loop turn can take
                   services(lines)       some services that are not read before they are asked for (unread.py)
                   put                   a service that is too large for that
                   delta(base, serial)   changed and dropped services; a worker not at `base` asks for the whole again
                   zone(base, serial)    all records of the zone files anew, in parts (`more`); between begin and end too
                   providers             states alone; no new serial
                   settings              a new configuration; no new serial
                   alive                 twice a second: control is there, also without other messages
                   explain(id, name, type, client)  why that client gets the answer that it gets
                   record(filters)       send the queries that pass one of them; said again each second, none: no longer
                   flush(id, name, tree) forget upstreams' answers for a name, for a tree of names, or (name null) of all
Worker → control:  hello(serial)         at its start, and once a second until a whole catalog is in: send the whole
                   resync(serial)        a gap: send the whole
                   applied(serial)       after every end, last delta and last zone
                   counters(life)        once a second, all since the worker's start; another life: it began at 0 again
                   explained(id, reply, steps, meant, serial), or (id, error)
                   queries(rows, missed) and how many were not looked at before these
                   flushed(id, dropped)  how many answers that were; the counters before it include it

A service with more instances than a turn can take comes in several parts, too: the first one has all but the other instances, and each but
the last says that there are `more`. Parts of one message follow each other with nothing between. `begin` ends whatever was not complete: control drops what it had queued
for a worker that does not read, and starts over. `end` without `begin`, or after another serial, is passed over. Within one `delta`
what is dropped goes first. The supervisor keeps both ends open, so there is no end of file: a new control process starts with
`begin`, a new worker process may first read what was meant for the one before, and passes over all that does not start with `begin`.

A message is JSON, on one line; the `lines` of `services` follow it, one below the other. A datagram on the link is one octet of flags (FIRST, LAST) and a piece of a message, so that a reader that
starts in the middle of a message finds the next one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from dnsdisco.errors import WireError
from dnsdisco.model import unread
from dnsdisco.model.entry import Entry, ExtraRecord, ProviderState
from dnsdisco.model.plain import (
    entry_from_plain,
    entry_to_plain,
    extra_from_plain,
    extra_to_plain,
    instances_from_published,
    path_from_plain,
    published_instances,
)
from dnsdisco.model.service import Instance

PIECE_OCTETS = 32 * 1024  # fits every platform's default socket buffer, and takes a worker well under a millisecond to copy
MESSAGE_OCTETS_MAX = 64 * 1024 * 1024  # one service with half a million instances; more is not a service
PART_INSTANCES = 100  # instances in one `put`: about 0.3 ms to decode, less than a DNS client can notice
PART_RECORDS = 400  # records in one `zone`: the same

_FIRST, _LAST = 1, 2

Message = dict[str, Any]
ZoneRecord = tuple[tuple[bytes, ...], ExtraRecord]  # the zone's labels, and a record whose owner is relative to it


def pack(message: Message) -> list[bytes]:
    """The datagrams that carry *message*, in order."""
    plain = {key: value for key, value in message.items() if key != "lines"}
    octets = json.dumps(plain, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")  # as loads() reads it
    octets = b"\n".join((octets, *message.get("lines", ())))
    pieces = [octets[at : at + PIECE_OCTETS] for at in range(0, len(octets), PIECE_OCTETS)] or [b""]
    last = len(pieces) - 1
    return [bytes([(_FIRST if at == 0 else 0) | (_LAST if at == last else 0)]) + piece for at, piece in enumerate(pieces)]


class Assembler:
    """Datagrams in, whole messages out. Pieces without their beginning are passed over."""

    def __init__(self) -> None:
        self._pieces: list[bytes] | None = None
        self._octets = 0

    def feed(self, datagram: bytes) -> Message | None:
        """The message that *datagram* completes, else None. Raises WireError for what is not a message; then goes on."""
        if not datagram:
            return None
        flags = datagram[0]
        if flags & _FIRST:
            self._pieces, self._octets = [], 0
        if self._pieces is None:
            return None
        self._pieces.append(datagram[1:])
        self._octets += len(datagram) - 1
        if self._octets > MESSAGE_OCTETS_MAX:
            self._pieces = None
            raise WireError(f"a message on the link is larger than {MESSAGE_OCTETS_MAX} octets", None)
        if not flags & _LAST:
            return None
        (octets, *lines), self._pieces = b"".join(self._pieces).split(b"\n"), None
        try:
            message = json.loads(octets)
        except (ValueError, RecursionError) as error:
            raise WireError(f"a message on the link is not JSON: {error}", None) from error
        if not isinstance(message, dict) or "lines" in message:
            raise WireError("a message on the link is not an object, or has its lines in itself", None)
        if lines:
            message["lines"] = lines
        return message


def whole(
    serial: int, entries: Iterable[Entry], states: Iterable[ProviderState], records: Sequence[ZoneRecord] = ()
) -> Iterator[Message]:
    """The messages that replace a worker's catalog, and the records of its zone files."""
    yield {"op": "begin", "serial": serial}
    few: list[Entry] = []
    weight = 0
    for entry in entries:
        number = len(entry.service.instances)
        if few and weight + number > PART_INSTANCES:
            yield {"op": "services", **unread.to_plain(few)}
            few, weight = [], 0
        if number > PART_INSTANCES:
            yield from ({"op": "put", "entries": part} for part in _parts([entry]))
        else:
            few.append(entry)
            weight += 1 + number
    if few:
        yield {"op": "services", **unread.to_plain(few)}
    yield from zone(serial, serial, records)
    yield {"op": "end", "serial": serial, "providers": states_to_plain(states)}


def change(base: int, serial: int, put: Iterable[Entry], drop: Iterable[str], states: Iterable[ProviderState]) -> Iterator[Message]:
    """The messages that take a worker's catalog from *base* to *serial*; the worker swaps at the last one."""
    keys = list(drop)
    drops = [keys[at : at + PART_INSTANCES] for at in range(0, len(keys), PART_INSTANCES)]
    parts = list(zip_longest(_parts(put), drops, fillvalue=())) or [((), ())]
    for at, (part, dropped) in enumerate(parts):
        is_last = at == len(parts) - 1
        yield {
            "op": "delta",
            "base": base,
            "serial": serial,
            "put": list(part),
            "drop": list(dropped),
            "more": not is_last,
            **({"providers": states_to_plain(states)} if is_last else {}),
        }


def zone(base: int, serial: int, records: Sequence[ZoneRecord]) -> Iterator[Message]:
    """The messages that replace the records of the zone files; the worker swaps at the last one. No records: one message."""
    for at in range(0, len(records) or 1, PART_RECORDS):
        yield {
            "op": "zone",
            "base": base,
            "serial": serial,
            "records": [_record_to_plain(record) for record in records[at : at + PART_RECORDS]],
            "more": at + PART_RECORDS < len(records),
        }


def records_from_plain(plain: list[list[Any]]) -> list[ZoneRecord]:
    return [(tuple(label.encode("latin-1") for label in path_from_plain(zone)), extra_from_plain(extra)) for zone, *extra in plain]


def _record_to_plain(record: ZoneRecord) -> list[Any]:
    labels, extra = record
    return [[label.decode("latin-1") for label in labels], *extra_to_plain(extra)]


def states_to_plain(states: Iterable[ProviderState]) -> list[list[Any]]:
    return [
        [state.name, state.has_synced, state.is_stale, state.reason, state.is_optional, list(map(list, state.rejected))]
        for state in states
    ]


def states_from_plain(plain: list[list[Any]]) -> tuple[ProviderState, ...]:
    return tuple(
        ProviderState(name, has_synced, is_stale, reason, is_optional, tuple((raw, why) for raw, why in rejected))
        for name, has_synced, is_stale, reason, is_optional, rejected in plain
    )


class Joiner:
    """Parts of one catalog, or of one change, in; whole services out."""

    def __init__(self) -> None:
        self._head: dict[str, Any] | None = None  # of the service whose instances are coming
        self._instances: list[Instance] = []

    def take(self, part: Iterable[dict[str, Any]]) -> list[Entry]:
        """The services that *part* completes. O(instances in it), but for one copy of references."""
        entries = []
        for plain in part:
            self._head = head = plain if self._head is None else self._head
            self._instances += instances_from_published(plain["instances"])
            if not plain.get("more"):
                entries.append(entry_from_plain(head, tuple(self._instances)))
                self._head, self._instances = None, []
        return entries


def _parts(entries: Iterable[Entry]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    weight = 0
    for entry in entries:
        instances = entry.service.instances
        plain = entry_to_plain(entry, instances[:PART_INSTANCES])
        for at in range(PART_INSTANCES, len(instances), PART_INSTANCES):
            yield [*part, {**plain, "more": True}]
            part, weight = [], 0
            plain = {"instances": published_instances(instances[at : at + PART_INSTANCES])}
        part.append(plain)
        weight += 1 + len(plain["instances"])
        if weight >= PART_INSTANCES:
            yield part
            part, weight = [], 0
    if part:
        yield part
