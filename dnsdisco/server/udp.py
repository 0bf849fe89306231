"""The datagram loop: drains the socket, answers what the table of compiled answers holds, hands the rest to the responder.

One loop for every way through a socket: in batches where the system has them (`batch.py`), else one by one (`one_by_one.py`), and in both
with the address that was asked where a socket listens on all of them. `tests/server/test_udp.py` runs the same questions through each.
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

from dnsdisco.answer.fast_path import ALONE_OCTETS
from dnsdisco.answer.table import FIRST
from dnsdisco.server import batch as batching
from dnsdisco.server.batch import Batch, SLOTS, Source, STRIDE
from dnsdisco.server.latency import Latency, SAMPLE
from dnsdisco.server.miss_queue import MissQueue, Waiting
from dnsdisco.server.one_by_one import OneByOne
from dnsdisco.server.recorded_batch import RecordedBatch
from dnsdisco.server.recorder import Recorder
from dnsdisco.server.serve import EXACT_OCTETS_MAX, Responder
from dnsdisco.server.statistics import UdpStatistics
from dnsdisco.sockaddr import is_loopback, REACHED_AT

PILED_UP_MAX = 16_384  # datagrams: what a receive buffer of 4 MiB holds at the most. More than that is a flood
BATCH = 128  # datagrams per wake-up: the loop's other work waits for at most this many answers, about half a millisecond
QUERY_OCTETS_MAX = batching.SLOT_OCTETS  # more is no query; what is cut to this is malformed and answered as such
PART_OCTETS_MAX = EXACT_OCTETS_MAX  # of what is looked up in the table, and of what it holds
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
        self._fast_path = responder.fast_path
        self._loop = loop
        self._pick = cycle([random.randrange(1 << 30) for _ in range(_PICKS)]).__next__  # noqa: S311  which order comes first is no secret
        host = sock.getsockname()[0]
        self._is_loopback = is_loopback(host)
        # A socket that listens on every address has to set for each reply which of them it comes from (RFC 2181 §4.1).
        is_wildcard = host in REACHED_AT
        self._batch: Batch | OneByOne | RecordedBatch = (Batch if in_batches else OneByOne)(sock, has_source=is_wildcard)
        self._latency = latency or Latency()
        self._turns = self._handed = 0  # batches; queries that the table does not hold
        self._piled_up = 0  # datagrams that may still be read one batch after the other
        self.backlog = MissQueue(responder, loop)

    def serves(self, sock: socket.socket) -> bool:
        return sock is self._socket

    def start(self) -> None:
        self._socket.setblocking(False)
        self.catch_up()

    def catch_up(self) -> None:
        """Nobody has read for a while, because the worker before us died or this one stood still. What has piled up is no flood: all of it
        is answered, one batch after the other, and the rest waits in the kernel, where it outlives us."""
        self._piled_up = PILED_UP_MAX
        self._loop.add_reader(self._socket.fileno(), self._drain_piled_up)

    def record(self, recorder: Recorder | None) -> None:
        """Show *recorder* what is sent from now on; None: no longer."""
        batch = self._batch.batch if isinstance(self._batch, RecordedBatch) else self._batch
        self._batch = batch if recorder is None else RecordedBatch(batch, recorder)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self.backlog.finish()

    def _drain_piled_up(self) -> None:
        if self.backlog:
            return
        self._piled_up -= BATCH
        if self._drain() or self._piled_up <= 0:
            self._loop.add_reader(self._socket.fileno(), self._drain)

    def _drain(self) -> bool:
        """Read and answer a batch; True if the socket is empty now."""
        batch, fast_path = self._batch, self._fast_path
        exact, find, top = fast_path.table.exact.get, fast_path.table.find, fast_path.catalog.top
        cookies, with_cookie, admission = fast_path.cookies, fast_path.with_cookie, fast_path.admission
        octets, sizes, clients = batch.octets, batch.sizes, batch.clients
        # On a loopback address only this host can ask; elsewhere each client is looked at.
        is_open = self._is_loopback and admission.admits_loopback
        admitted, may_have = admission.admitted, admission.may_have
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
                is_free = is_open
                if hit is not None:  # read here: a call would cost a tenth of a hit
                    cell, reply = hit[1], hit[(index + turn & hit[0]) + FIRST]
                elif (end := key[-ALONE_OCTETS:]) in cookies:
                    cell, reply, is_free = with_cookie(cookies[end], key, index + turn, clients[index], is_open)
                else:
                    cell, reply = find(key, turn, top)
                if reply is not None and (is_free or clients[index] in admitted or may_have(clients[index], reply)):
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
        peer, source = batch.peer(index), batch.source(index)
        send: Callable[[bytes], None] = partial(self._send, source, peer)
        self._handed += 1
        if not self._handed % SAMPLE:
            send = partial(self._send_timed, send, perf_counter())
        self.backlog.put(Waiting(message, peer[0], batch.clients[index], send))

    def _send_timed(self, send: Callable[[bytes], None], began: float, reply: bytes) -> None:
        send(reply)
        self._latency.add(perf_counter() - began)

    def _send(self, source: Source, peer: Any, reply: bytes) -> None:
        self.cut += reply[2] >> 1 & 1
        try:
            if source:
                self._socket.sendmsg([reply], source, 0, peer)
            else:
                self._socket.sendto(reply, peer)
        except OSError:
            self.unsent += 1
