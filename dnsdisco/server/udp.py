"""The datagram loop: drains the socket, answers what the table of compiled answers holds, hands the rest to the responder.

Three ways through one socket, one idea: in batches where the system has them (`batch.py`), one by one elsewhere, and then with the
address asked where a socket listens on all of them. `tests/server/test_udp.py` runs the same questions through each.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from functools import partial
from itertools import cycle
from struct import Struct
from time import perf_counter
from typing import Any

from dnsdisco.answer.rate import KINDS, OCTETS_A_TOKEN
from dnsdisco.answer.table import FIRST, Found, UNKNOWN
from dnsdisco.server import batch as batching
from dnsdisco.server.batch import Batch, SLOTS, Source, SOURCE_KINDS, STRIDE
from dnsdisco.server.latency import Latency, SAMPLE
from dnsdisco.server.miss_queue import MissQueue, Waiting
from dnsdisco.server.serve import EXACT_OCTETS_MAX, Responder
from dnsdisco.server.statistics import UdpStatistics
from dnsdisco.wire.cookie import CLIENT_OCTETS
from dnsdisco.wire.edns import COOKIE_ALONE, with_option
from dnsdisco.wire.reply import WITHOUT_EDNS

PILED_UP_MAX = 16_384  # datagrams: what a receive buffer of 4 MiB holds at the most. More than that is a flood
BATCH = 128  # datagrams per wake-up: the loop's other work waits for at most this many answers, about half a millisecond
QUERY_OCTETS_MAX = batching.SLOT_OCTETS  # more is no query; what is cut to this is malformed and answered as such
PART_OCTETS_MAX = EXACT_OCTETS_MAX  # of what is looked up in the table, and of what it holds
COOKIE_OPTION_OCTETS = 28  # client and server cookie and their option header, which fit one octet of RDLEN
_PICKS = 4093  # a prime, so that the picks do not keep step with anything

# Reading and writing a part of a bytearray by struct costs half of what a slice of it does: no copy between, no slice object.
# By the length of a datagram, its octets behind the id; of one that is too long for the table, nothing.
_PARTS = [Struct(f"{size}s") for size in range(PART_OCTETS_MAX + 1)]
_READ = [_PARTS[max(length - 2, 0)].unpack_from for length in range(PART_OCTETS_MAX + 1)]
_READ += [_PARTS[0].unpack_from] * (QUERY_OCTETS_MAX - PART_OCTETS_MAX)
_WRITE = [part.pack_into for part in _PARTS]


class UdpListener(UdpStatistics):
    """One UDP socket, which it does not own: the supervisor keeps it open for the next worker."""

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        responder: Responder,
        loop: asyncio.AbstractEventLoop,
        *,
        in_batches: bool = batching.is_available(),
        latency: Latency | None = None,
    ) -> None:
        self.address = address
        self._socket = sock
        self._responder = responder
        self._loop = loop
        self._pick = cycle([random.randrange(1 << 30) for _ in range(_PICKS)]).__next__  # noqa: S311  which order comes first is no secret
        self._host = sock.getsockname()[0]
        self._is_loopback = self._host == "::1" or self._host.startswith("127.")
        # A socket that listens on every address has to set for each reply which of them it comes from (RFC 2181 §4.1).
        self._is_wildcard = self._host in ("0.0.0.0", "::")  # noqa: S104
        self._batch = Batch(sock, has_source=self._is_wildcard) if in_batches else None
        self._may_have = _guard(self._batch, responder) if self._batch is not None else _nothing
        self._latency = latency or Latency()
        self._turns = self._handed = 0  # batches; queries that the table does not hold
        self._piled_up = 0  # datagrams that may still be read one batch after the other
        self.backlog = MissQueue(responder, loop)

    def start(self) -> None:
        self._socket.setblocking(False)
        if self._batch is None:
            self._loop.add_reader(self._socket.fileno(), self._drain_wildcard if self._is_wildcard else self._drain)
        else:
            self.catch_up()

    def catch_up(self) -> None:
        """Nobody has read for a while, because the worker before us died or this one stood still. What has piled up is no flood: all of it
        is answered, one batch after the other, and the rest waits in the kernel, where it outlives us."""
        if self._batch is not None:
            self._piled_up = PILED_UP_MAX
            self._loop.add_reader(self._socket.fileno(), self._drain_piled_up)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self.backlog.finish()

    def _drain_piled_up(self) -> None:
        if self.backlog:
            return
        self._piled_up -= BATCH
        if self._drain_batch() or self._piled_up <= 0:
            self._loop.add_reader(self._socket.fileno(), self._drain_batch)

    def _drain_batch(self) -> bool:
        """Whether the socket is empty now."""
        batch, responder = self._batch, self._responder
        assert batch is not None
        exact, find, top = responder.table.exact.get, responder.table.find, responder.catalog.top
        octets, sizes, address = batch.octets, batch.sizes, batch.address
        # On a loopback address only this host can ask; elsewhere each client is looked at.
        is_open = self._is_loopback and responder.admission.admits_loopback
        admitted, may_have = responder.admission.admitted, self._may_have
        for _ in range(BATCH // SLOTS):
            lengths = batch.receive()
            self._turns += 1
            began = perf_counter() if not self._turns % SAMPLE else 0.0
            turn = self._pick()
            first = handed = 0
            at = 2  # behind the id
            for index, length in enumerate(lengths):
                key = _READ[length](octets, at)[0]
                hit = exact(key)
                if hit is not None:
                    cell, reply = hit[1], hit[(index + turn & hit[0]) + FIRST]
                else:
                    cell, reply = self._with_cookie(key, index) if key[-14:-8] == COOKIE_ALONE else find(key, turn, top)
                if reply is not None and (is_open or address(index) in admitted or may_have(index, reply)):
                    cell[0] += 1
                    size = len(reply)
                    _WRITE[size](octets, at, reply)
                    sizes[index] = size + 2
                else:
                    self.unsent += batch.send(first, index)
                    first = index + 1
                    handed += 1
                    self._put_back(bytes(octets[at - 2 : at - 2 + length]), index)
                at += STRIDE
            self.unsent += batch.send(first, len(lengths))
            if began and handed < len(lengths):
                self._latency.add(perf_counter() - began, len(lengths) - handed)
            if handed:
                self.backlog.begin()
            if len(lengths) < SLOTS:
                return True
        return False

    def _put_back(self, message: bytes, index: int) -> None:
        """A query of a batch that the table does not hold, or whose client is not known yet."""
        batch = self._batch
        assert batch is not None
        peer, source = batch.peer(index), batch.source(index)
        send = partial(self._send_from, source, peer) if source else partial(self._send, peer)
        self.backlog.put(Waiting(message, peer[0], batch.address(index), self._sampled(send)))

    def _with_cookie(self, key: bytes, index: int) -> Found:
        """The reply to a known query that has a client cookie and no other option; UNKNOWN: not that simple.

        Programs keep their cookie for a server, so all but the first of their queries end here.
        """
        batch, responder = self._batch, self._responder
        assert batch is not None
        plain, pick = key[:-14] + b"\0\0", self._pick()
        hit = responder.table.exact.get(plain)
        if hit is not None:
            cell, reply = hit[1], hit[(pick & hit[0]) + FIRST]
        else:
            cell, reply = responder.table.find(plain, pick, responder.catalog.top)
            if reply is None:
                return UNKNOWN
        client = key[-CLIENT_OCTETS:]
        who = batch.address(index) + client
        cookie = responder.cookie_options.get(who)
        if cookie is None:
            cookie = responder.cookie_at_hand(client, batch.peer(index)[0], who)
        if cookie is None or len(reply) + 2 + COOKIE_OPTION_OCTETS > WITHOUT_EDNS:
            return UNKNOWN
        # An OPT record without options ends in its length; else it has a reason (EDE), and the cookie goes before it.
        return cell, reply[:-1] + cookie if reply[-2:] == b"\0\0" else with_option(reply, cookie[1:])

    def _drain(self) -> None:
        receive, send, pick = self._socket.recvfrom, self._socket.sendto, self._pick
        responder = self._responder
        exact, find, top = responder.table.exact.get, responder.table.find, responder.catalog.top
        known = responder.admission.known.get
        for _ in range(BATCH):
            try:
                data, peer = receive(QUERY_OCTETS_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier reply, reported here; it was read by this call
            key = data[2:]
            hit = exact(key)
            if hit is not None:
                cell, reply = hit[1], hit[(pick() & hit[0]) + FIRST]
            else:
                cell, reply = find(key, pick(), top)
            if reply is not None and (client := known(peer[0])) is not None and client.is_free:
                cell[0] += 1
                try:
                    send(data[:2] + reply, peer)
                except OSError:
                    self.unsent += 1
                continue
            responder.respond(data, peer[0], is_tcp=False, send=self._sampled(partial(self._send, peer)))

    def _sampled(self, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """*send*; of one query in SAMPLE, with a look at the clock."""
        self._handed += 1
        return send if self._handed % SAMPLE else partial(self._send_timed, send, perf_counter())

    def _send_timed(self, send: Callable[[bytes], None], began: float, reply: bytes) -> None:
        send(reply)
        self._latency.add(perf_counter() - began)

    def _send(self, peer: Any, reply: bytes) -> None:
        self.cut += reply[2] >> 1 & 1
        try:
            self._socket.sendto(reply, peer)
        except OSError:
            self.unsent += 1

    def _drain_wildcard(self) -> None:
        for _ in range(BATCH):
            try:
                data, control, _, peer = self._socket.recvmsg(QUERY_OCTETS_MAX, 128)
            except BlockingIOError:
                return
            except OSError:
                continue
            source = _source(control)
            send = self._sampled(partial(self._send_from, source, peer))
            self._responder.respond(data, peer[0], is_tcp=False, send=send)

    def _send_from(self, source: Source, peer: Any, reply: bytes) -> None:
        self.cut += reply[2] >> 1 & 1
        try:
            self._socket.sendmsg([reply], source, 0, peer)
        except OSError:
            self.unsent += 1


def _guard(batch: Batch, responder: Responder) -> Callable[[int, bytes], bool]:
    """Whether the client of a datagram is known to the loop as limited, and its network still has tokens. The responder decides about
    all others."""

    def may_have(index: int, reply: bytes) -> bool:
        credit = responder.admission.credits.get(batch.address(index))
        if credit is None or credit[kind := KINDS[reply[1] & 15]] <= 0:
            return False
        credit[kind] -= 1 + len(reply) // OCTETS_A_TOKEN
        return True

    return may_have


def _nothing(_index: int, _reply: bytes) -> bool:
    return False


def _source(control: Source) -> Source:
    """The control message that makes a reply leave from the address its query was sent to."""
    for level, kind, octets in control:
        if (level, kind, len(octets)) == SOURCE_KINDS[socket.AF_INET]:
            # struct in_pktinfo: ifindex, the local address, the destination; index 0: let the routing table choose the link
            return [(level, kind, bytes(4) + octets[4:8] + bytes(4))]
        if (level, kind, len(octets)) == SOURCE_KINDS[socket.AF_INET6]:
            return [(level, kind, octets)]
    return []
