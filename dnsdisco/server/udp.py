"""The datagram loop: drains the socket, answers what the table of compiled answers holds, hands the rest to the responder.

Three ways through one socket, one idea: in batches where the system has them (`batch.py`), one by one elsewhere, and one by one with
the address asked where a socket listens on all of them. `tests/server/test_udp.py` runs the same questions through each.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from functools import partial
from itertools import cycle
from time import perf_counter
from typing import Any

from dnsdisco.server import batch as batching
from dnsdisco.server.batch import Batch, SLOTS, STRIDE
from dnsdisco.server.latency import Latency, SAMPLE
from dnsdisco.server.serve import Responder
from dnsdisco.wire.edns import COOKIE_ALONE
from dnsdisco.wire.query import HEADER_OCTETS
from dnsdisco.wire.reply import WITHOUT_EDNS

BATCH = 128  # datagrams per wake-up: the loop's other work waits for at most this many answers, about half a millisecond
QUERY_OCTETS_MAX = batching.SLOT_OCTETS  # more is no query; what is cut to this is malformed and answered as such
COOKIE_OPTION_OCTETS = 28  # client and server cookie and their option header, which fit one octet of RDLEN
_PICKS = 4093  # a prime, so that the picks do not keep step with anything

_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)
_IPV6_PKTINFO = getattr(socket, "IPV6_PKTINFO", 50)


class UdpListener:
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
        self.unsent = 0  # replies that the kernel would not take
        self._socket = sock
        self._responder = responder
        self._loop = loop
        self._pick = cycle([random.randrange(1 << 30) for _ in range(_PICKS)]).__next__  # noqa: S311  which order comes first is no secret
        self._host = sock.getsockname()[0]
        self._is_loopback = self._host == "::1" or self._host.startswith("127.")
        self._batch = Batch(sock) if in_batches else None
        self._latency = latency or Latency()
        self._turns = self._handed = 0  # batches; queries that the table does not hold

    def start(self) -> None:
        self._socket.setblocking(False)
        # A socket that listens on every address has to say for each reply which of them it comes from (RFC 2181 §4.1).
        if self._host in ("0.0.0.0", "::"):  # noqa: S104
            drain = self._drain_wildcard
        else:
            drain = self._drain if self._batch is None else self._drain_batch
        self._loop.add_reader(self._socket.fileno(), drain)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())

    def _drain_batch(self) -> None:
        batch, responder, pick = self._batch, self._responder, self._pick
        assert batch is not None
        exact, denials, octets, reply = responder.table.exact.get, responder.table.denials.get, batch.octets, batch.reply
        top = responder.catalog.top
        # On a loopback address only this host can ask; elsewhere each client is looked at.
        is_open = self._is_loopback and responder.admission.admits_loopback
        known = responder.admission.known.get
        for _ in range(BATCH // SLOTS):
            lengths = batch.receive()
            self._turns += 1
            began = perf_counter() if not self._turns % SAMPLE else 0.0
            at = 0
            for index, length in enumerate(lengths):
                key = bytes(octets[at + 2 : at + length]).lower()
                hit = exact(key)
                if hit is None and length > HEADER_OCTETS:
                    rest = 11 + key[10]  # behind the first label
                    hit = denials(key[:11] + key[rest:])
                    if hit is not None and key[10:rest] in top:
                        hit = None
                    elif hit is None and key[-14:-8] == COOKIE_ALONE and (size := self._with_cookie(key, at, index)):
                        reply(index, size)
                        at += STRIDE
                        continue
                if hit is not None and (is_open or ((client := known(batch.peer(index)[0])) is not None and client[0])):
                    head, end, tails, cell = hit
                    cell[0] += 1
                    tail = tails[pick() % len(tails)] if len(tails) > 1 else tails[0]
                    octets[at + 2 : at + 12] = head
                    size = end + len(tail)
                    octets[at + end : at + size] = tail
                    reply(index, size)
                else:
                    peer = batch.peer(index)
                    send = self._sampled(partial(self._send, peer))
                    responder.respond(bytes(octets[at : at + length]), peer[0], is_tcp=False, send=send)
                at += STRIDE
            answers = batch.waiting
            self.unsent += batch.send()
            if began and answers:
                self._latency.add(perf_counter() - began, answers)
            if len(lengths) < SLOTS:
                return

    def _with_cookie(self, key: bytes, at: int, index: int) -> int:
        """Write the reply to a known query that has a client cookie and no other option over it; its size, 0: not that simple.

        Programs keep their cookie for a server, so all but the first of their queries end here.
        """
        assert self._batch is not None
        responder = self._responder
        peer = self._batch.peer(index)[0]
        client = responder.admission.known.get(peer)
        hit = responder.table.exact.get(key[:-14] + b"\0\0")
        if hit is None or client is None or not client[0]:
            return 0
        head, end, tails, cell = hit
        tail = tails[self._pick() % len(tails)] if len(tails) > 1 else tails[0]
        octets, last = self._batch.octets, at + len(key) + 2
        cookie = responder.known_cookie(bytes(octets[last - 8 : last]), peer)
        size = end + len(tail) + COOKIE_OPTION_OCTETS
        if cookie is None or tail[-2:] != b"\0\0" or size > WITHOUT_EDNS:
            return 0
        cell[0] += 1
        octets[at + 2 : at + 12] = head
        octets[at + end : at + size] = tail[:-1] + cookie
        return size

    def _drain(self) -> None:
        receive, send, pick = self._socket.recvfrom, self._socket.sendto, self._pick
        responder = self._responder
        exact, known = responder.table.exact.get, responder.admission.known.get
        for _ in range(BATCH):
            try:
                data, peer = receive(QUERY_OCTETS_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier reply, told here; it was read by this call
            hit = exact(data[2:].lower())
            if hit is not None and (client := known(peer[0])) is not None and client[0]:
                head, end, tails, cell = hit
                cell[0] += 1
                tail = tails[pick() % len(tails)] if len(tails) > 1 else tails[0]
                try:
                    send(data[:2] + head + data[12:end] + tail, peer)
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

    def _send_from(self, source: list[tuple[int, int, bytes]], peer: Any, reply: bytes) -> None:
        try:
            self._socket.sendmsg([reply], source, 0, peer)
        except OSError:
            self.unsent += 1


def _source(control: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """The control message that makes a reply leave from the address its query was sent to."""
    for level, kind, octets in control:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            # struct in_pktinfo: ifindex, the local address, the destination; index 0: let the routing table choose the link
            return [(level, kind, bytes(4) + octets[8:12] + bytes(4))]
        if level == socket.IPPROTO_IPV6 and kind == _IPV6_PKTINFO:
            return [(level, kind, octets)]
    return []
