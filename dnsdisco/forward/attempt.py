"""One upstream asked once: over a fresh connected UDP socket, on a kept stream, or over HTTPS. What comes back is judged and reported to the exchange."""

from __future__ import annotations

import os
import socket
from typing import Protocol

from dnsdisco.forward.context import Context
from dnsdisco.forward.message import judge, mixed_case, query_tail, Verdict
from dnsdisco.forward.stream import Sending
from dnsdisco.forward.upstream import Upstream
from dnsdisco.wire.name import NAME_OCTETS_MAX

DATAGRAMS_A_TURN = 16  # read from one socket in one turn of the loop: a flood on it must not hold up other sockets
DATAGRAM_OCTETS = 4096  # we ask for 1232; one that is longer is cut, cannot be read, and is settled over TCP


class Asking(Protocol):
    """The exchange that an attempt belongs to, and that gets its result."""

    question: bytes
    flags: int
    dnssec_ok: bool

    def on_reply(self, attempt: Attempt, verdict: Verdict, reply: bytes) -> None: ...
    def on_failure(self, attempt: Attempt, kind: str, reason: str) -> None: ...


class Attempt:
    """The base of all kinds. `doubts`: how often this upstream's replies to the question were in doubt. `is_late`: it was counted as late."""

    __slots__ = ("asked_at", "context", "doubts", "exchange", "has_edns", "is_late", "upstream")

    is_stream = False
    repeats = 0

    def __init__(self, exchange: Asking, upstream: Upstream, context: Context, *, has_edns: bool, doubts: int = 0) -> None:
        self.exchange = exchange
        self.upstream = upstream
        self.context = context
        self.has_edns = has_edns
        self.doubts = doubts
        self.is_late = False
        self.asked_at = context.now()

    def start(self) -> None:
        """Send. Raises OSError when the system will not; then nothing is left open."""
        raise NotImplementedError

    def repeat(self) -> bool:
        """Send the same octets on the same socket again: a guesser gains nothing. False: this kind is not repeated."""
        return False

    def close(self) -> None:
        """Wait no longer. May be called twice."""
        raise NotImplementedError


class UdpAttempt(Attempt):
    __slots__ = ("_is_mixed", "_message_id", "_query", "_question", "_sock", "_wrong_replies", "repeats")

    def start(self) -> None:
        exchange, context = self.exchange, self.context
        self._message_id = context.random_id()
        self._question = exchange.question
        self._is_mixed = self.upstream.is_case_random and self.upstream.mixes_case(self.asked_at)
        if self._is_mixed:
            self._question = mixed_case(exchange.question, int.from_bytes(os.urandom(NAME_OCTETS_MAX // 8 + 1), "big"))
        self._query = self._message_id.to_bytes(2, "big") + query_tail(
            self._question, exchange.flags, dnssec_ok=exchange.dnssec_ok, has_edns=self.has_edns
        )
        self._wrong_replies = 0
        self.repeats = 0
        self._sock: socket.SocketType | None = None
        family, place = self.upstream.place
        # SocketType is what socket.socket wraps: without the wrapper it costs half.
        sock = socket.SocketType(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            # Connected: the kernel chooses an unpredictable port and passes on only what comes from this upstream (RFC 5452 §9.2).
            sock.connect(place)
            sock.send(self._query)
        except OSError:
            sock.close()
            raise
        self._sock = sock
        context.statistics.sent_udp += 1
        context.poller.add(sock.fileno(), self._on_readable)

    def repeat(self) -> bool:
        if self._sock is None:
            return False
        statistics = self.context.statistics
        statistics.sent_udp += 1
        statistics.repeats += 1
        self.repeats += 1
        try:
            self._sock.send(self._query)
        except OSError as error:
            self.exchange.on_failure(self, "refused", error.strerror or str(error))
        return True

    def close(self) -> None:
        if self._sock is not None:
            self.context.poller.remove(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _on_readable(self) -> None:
        statistics = self.context.statistics
        for _ in range(DATAGRAMS_A_TURN):
            assert self._sock is not None
            try:
                reply = self._sock.recv(DATAGRAM_OCTETS)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # an ICMP error: no server listens there, or there is no route
                self.exchange.on_failure(self, "refused", error.strerror or str(error))
                return
            verdict = judge(reply, self._message_id, self._question, is_mixed=self._is_mixed)
            if verdict is Verdict.WRONG:
                statistics.wrong_replies += 1
                self._wrong_replies += 1
                if self._wrong_replies < self.context.limits.wrong_replies:
                    continue
                statistics.floods += 1
                verdict = Verdict.DOUBTFUL
            self.exchange.on_reply(self, verdict, reply)
            return


class StreamAttempt(Attempt):
    __slots__ = ("_is_second", "_sendings", "tail")

    is_stream = True

    def start(self) -> None:
        exchange = self.exchange
        self.tail = query_tail(
            exchange.question,
            exchange.flags,
            dnssec_ok=exchange.dnssec_ok,
            has_edns=self.has_edns,
            is_padded=self.upstream.is_encrypted,
        )
        self._is_second = False
        sending = self.upstream.streams.ask(self)
        if sending is None:
            raise OSError("every connection to it is full")
        self._sendings = [sending]

    def close(self) -> None:
        sendings, self._sendings = self._sendings, []
        for sending in sendings:
            sending.connection.forget(sending)

    def on_message(self, sending: Sending, message: bytes) -> None:
        self._sendings.remove(sending)
        self.close()
        self.exchange.on_reply(self, judge(message, sending.message_id, self.exchange.question, is_stream=True), message)

    def on_doubt(self, sending: Sending) -> None:
        self._ask_again(sending)  # each connection is doubted once, so these are as many as fit the deadline

    def on_lost(self, sending: Sending, kind: str, reason: str) -> None:
        if sending not in self._sendings:
            return
        self._sendings.remove(sending)
        connection = sending.connection
        if connection.has_answered and connection.proven_at > sending.sent_at:
            self._is_second = False  # it answers a few questions on each connection: as long as it goes on, so do we
        # A kept connection may be closed just as we send: that says nothing about the upstream (RFC 7766 §6.2.4).
        may_ask_again = connection.has_answered and not self._is_second
        if not self._sendings and not (may_ask_again and self._ask_again(sending)):
            self.exchange.on_failure(self, kind, reason)

    def _ask_again(self, sending: Sending) -> bool:
        """Once more, on a connection of which more is known than of that one: opened since, or heard since."""
        self._is_second = True
        again = self.upstream.streams.ask(self, proven_since=sending.sent_at)
        if again is not None:
            self._sendings.append(again)
        return again is not None


class HttpsAttempt(Attempt):
    __slots__ = ("_is_over", "query", "silence_s")

    is_stream = True

    def start(self) -> None:
        exchange = self.exchange
        # Id 0: equal questions are equal requests (RFC 8484 §4.1). Padded, for TLS hides everything but the length (RFC 8467 §4.1).
        self.query = b"\0\0" + query_tail(
            exchange.question, exchange.flags, dnssec_ok=exchange.dnssec_ok, has_edns=self.has_edns, is_padded=True
        )
        self._is_over = False
        # Opening costs three round trips: one that usually takes long is not doubted before its time.
        self.silence_s = max(self.context.limits.stream_silence_s, min(2 * self.upstream.health.smoothed_s, 1.0))
        assert self.upstream.https is not None
        if not self.upstream.https.ask(self):
            raise OSError("as many questions as may be are on their way to it")

    def close(self) -> None:
        """The request goes on to its end, which frees its place on the connection; its result is dropped."""
        self._is_over = True

    def on_message(self, message: bytes) -> None:
        if not self._is_over:
            self._is_over = True
            self.exchange.on_reply(self, judge(message, 0, self.exchange.question, is_stream=True), message)

    def on_fault(self, kind: str, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            self.exchange.on_failure(self, kind, reason)


def kind_of(upstream: Upstream, *, is_stream: bool = False) -> type[Attempt]:
    """The kind of attempt for *upstream*: UDP first, or the one transport that it was written with. *is_stream*: UDP cannot be used."""
    if upstream.https is not None:
        return HttpsAttempt
    return StreamAttempt if is_stream or upstream.is_encrypted else UdpAttempt
