"""The queries as they are answered, for people who look: as many a second as cost the others nothing to speak of, chosen by their filters.

There is one while somebody looks, and none else. What is not looked at is counted.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

from dnsdisco.answer.sources import source_of, TABLE
from dnsdisco.wire import parse
from dnsdisco.wire.constants import rcode_to_text, type_to_text
from dnsdisco.wire.name import label_to_text
from dnsdisco.wire.query import HEADER_OCTETS, Query
from dnsdisco.zone.settings import ZoneSettings

LOOKED_AT_A_SECOND = 2000.0  # queries of one worker; each costs about 10 µs, so a fiftieth of a processor
AT_ONCE_MAX = 200  # after a rest: all that a page of a browser asks for, and 2 ms
ROWS_MAX = 50  # in one message to control: made in a quarter of a millisecond
WAIT_S = 0.05  # until fewer than that are sent
CLIENTS_MAX = 1024  # addresses whose networks are remembered
_PLAIN_OPT = b"\0\0\x29"  # how an OPT record begins
_OPT_OCTETS = 11  # of one without options

Send = Callable[[bytes], None]
Row = list[Any]  # the numbers of the filters that it passes; time in ms, client, transport, name, type, rcode, source, ms, EDE


class Filter(NamedTuple):
    """None: anything."""

    name: re.Pattern[str] | None
    client: ipaddress.IPv4Network | ipaddress.IPv6Network | None
    rcode: str | None
    source: str | None

    @classmethod
    def of(cls, name: str | None, client: str | None, rcode: str | None, source: str | None) -> Filter:
        """*name*: a glob, in any case, with or without the last dot. Raises ValueError."""
        pattern = None if name is None else re.compile(translate(f"{name.lower().removesuffix('.')}."))
        return cls(pattern, None if client is None else ipaddress.ip_network(client, strict=False), rcode, source)


class Recorder:
    """Event loop only. *send*: rows, and how many queries were not looked at before them."""

    def __init__(
        self, zones: Callable[[], ZoneSettings], call_later: Callable[..., object], send: Callable[[list[Row], int], None]
    ) -> None:
        self._zones, self._call_later, self._send = zones, call_later, send
        self._filters: list[tuple[int, Filter]] = []
        self._tokens, self._filled_at = float(AT_ONCE_MAX), perf_counter()
        self._rows: list[Row] = []
        self._missed = 0
        self._is_waiting = False
        self._clients: dict[str, list[int]] = {}  # by address: the filters that it passes

    def choose(self, filters: Iterable[tuple[int, Filter]]) -> None:
        """By these numbers from now on."""
        self._filters = list(filters)
        self._clients.clear()

    def may_look(self, queries: int) -> int:
        """How many of so many *queries* may be looked at. The others are counted."""
        now = perf_counter()
        self._tokens = min(AT_ONCE_MAX, self._tokens + (now - self._filled_at) * LOOKED_AT_A_SECOND)
        self._filled_at = now
        looked = min(queries, int(self._tokens))
        self._tokens -= looked
        if looked < queries:
            self._missed += queries - looked
            self._wait()
        return looked

    def from_the_table(self, client: str, reply: bytes, took_s: float) -> None:
        """*reply*: what the datagram loop sends there by itself."""
        self._look(client, "udp", reply, TABLE, took_s)

    def following(self, query: Query, client: str, transport: str, send: Send) -> Send:
        """As *send*, for the reply to *query*, which is looked at."""
        return partial(self._sent, query, client, transport, send, perf_counter())

    def _sent(self, query: Query, client: str, transport: str, send: Send, began: float, reply: bytes) -> None:
        send(reply)
        if self.may_look(1):
            self._look(client, transport, reply, query.source, perf_counter() - began, is_fault=bool(query.fault))

    def _look(self, client: str, transport: str, reply: bytes, noted: str, took_s: float, *, is_fault: bool = False) -> None:
        labels, at = _question(reply)
        name = "".join(f"{label_to_text(label)}." for label in labels) or "."
        rcode = rcode_to_text(reply[3] & 15)
        lower = tuple(label.lower() for label in labels)
        source = source_of(noted, reply, lower, self._zones(), is_fault=is_fault)
        passed = [
            number
            for number, (pattern, _, of_rcode, of_source) in self._of_client(client)
            if (of_rcode is None or of_rcode == rcode)
            and (of_source is None or of_source == source)
            and (pattern is None or pattern.match(name.lower()))
        ]
        if not passed:
            return
        rtype = type_to_text(reply[at] << 8 | reply[at + 1]) if at + 2 <= len(reply) and reply[5] else ""
        ede = [list(each) for each in parse.errors(reply)] if _has_options(reply) else []
        self._rows.append(
            [passed, int(time.time() * 1000), client, transport, name, rtype, rcode, source, round(took_s * 1000, 3), ede]
        )
        if len(self._rows) >= ROWS_MAX:
            self._flush()
        else:
            self._wait()

    def _of_client(self, client: str) -> list[tuple[int, Filter]]:
        """The filters that do not ask for another client."""
        passed = self._clients.get(client)
        if passed is None:
            if len(self._clients) >= CLIENTS_MAX:
                self._clients.clear()
            address = ipaddress.ip_address(client.partition("%")[0])
            passed = self._clients[client] = [
                at for at, (_, each) in enumerate(self._filters) if each.client is None or address in each.client
            ]
        return [self._filters[at] for at in passed]

    def _wait(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._call_later(WAIT_S, self._waited)

    def _waited(self) -> None:
        self._is_waiting = False
        self._flush()

    def _flush(self) -> None:
        if self._rows or self._missed:
            rows, missed = self._rows, self._missed
            self._rows, self._missed = [], 0
            self._send(rows, missed)


def _question(reply: bytes) -> tuple[list[bytes], int]:
    """The labels of the question's name as they are spelled, and where its type stands."""
    labels, at, size = [], HEADER_OCTETS, len(reply)
    while reply[5] and at < size and (length := reply[at]):
        labels.append(reply[at + 1 : at + 1 + length])
        at += 1 + length
    return labels, at + 1


def _has_options(reply: bytes) -> bool:
    """There may be an Extended DNS Error: most replies end in an OPT record without options, and need not be walked through."""
    return bool(reply[10] or reply[11]) and not (reply[-_OPT_OCTETS:].startswith(_PLAIN_OPT) and reply[-2:] == b"\0\0")
