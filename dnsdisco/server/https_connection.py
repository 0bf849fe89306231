"""One client's connection for DNS over HTTPS: requests in, responses out in whatever order they come (RFC 8484)."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Protocol

from dnsdisco.server.connection import ClientConnection, Owner
from dnsdisco.server.doh import message_of, NotAQuery, reason_of, refusal_response, reply_response, Request, Response
from dnsdisco.server.http1 import Http1
from dnsdisco.server.http2 import Http2
from dnsdisco.server.tls_stream import TlsStream

TURN_S = 0.001  # of digesting requests before the datagrams have their turn; one takes a third of it
STUCK_OCTETS_MAX = 64 * 1024  # of responses that a client's windows hold back, and it gets no more; late ones may come on top
UNREAD_OCTETS_MAX = 512 * 1024  # unsent and held back together, with the answers that come late; beyond it the client is dropped
LINGER_S = 1.0  # for a client to read why it is sent away, before the rest of what it sends resets the connection


class HttpVersion(Protocol):
    """A version of HTTP (`http1.py`, `http2.py`)."""

    is_over: bool
    is_dead: bool
    fault: str

    @property
    def has_more(self) -> bool: ...
    @property
    def is_between_requests(self) -> bool: ...
    @property
    def is_sated(self) -> bool: ...
    @property
    def begun_at(self) -> float | None: ...
    @property
    def stuck_octets(self) -> int: ...

    def receive(self, octets: bytes, now: float) -> None: ...
    def digest(self) -> Request | None: ...
    def answer(self, stream: int, response: Response) -> None: ...
    def overdue(self, now: float, seconds: float) -> Request | None: ...
    def end_of_input(self) -> None: ...
    def outgoing(self) -> bytes: ...
    def goodbye(self) -> bytes: ...


class _OpenRequest:
    """A question that has been handed to the responder. It counts until it is answered, also when the client gave it up."""

    __slots__ = ("asked_at", "stream")

    def __init__(self, stream: int, asked_at: float) -> None:
        self.stream, self.asked_at = stream, asked_at


class HttpsConnection(ClientConnection):
    """Bounded as a connection of TCP is, and in what HTTP adds; what costs more than an answer takes turns."""

    __slots__ = ("_http", "_is_collecting", "_is_digesting", "_lingers_until", "_paths", "_stuck_at", "_stuck_octets", "_waiting")

    def __init__(self, stream: TlsStream, peer: str, server: Owner, *, is_remote: bool, paths: Collection[bytes]) -> None:
        super().__init__(stream, peer, server, is_remote=is_remote)
        self._http: HttpVersion | None = None
        self._paths = paths
        self._waiting: dict[_OpenRequest, None] = {}
        self._stuck_at = 0.0  # when the client's windows last let something through, or began to hold back
        self._stuck_octets = 0
        self._is_collecting = self._is_digesting = False
        self._lingers_until: float | None = None

    @property
    def is_idle(self) -> bool:
        is_between = self._http is None or self._http.is_between_requests
        return is_between and not (self._waiting or self.stream.unsent or self._is_digesting)

    @property
    def begun_at(self) -> float | None:
        is_ours = self._http is None or self._waiting or self.stream.unsent or self._is_digesting
        return None if is_ours or self._http is None else self._http.begun_at

    def look(self, now: float) -> None:
        http, limits = self._http, self._server.limits
        if self._lingers_until is not None and now > self._lingers_until:
            self._end_of_lingering()
        elif http is not None and self._stuck_octets and now - self._stuck_at > limits.unread_s:
            self.end("unread", is_reset=True)
        elif http is not None and self._lingers_until is None:
            is_news = False
            for asked in [asked for asked in self._waiting if now - asked.asked_at > limits.answer_s]:
                del self._waiting[asked]
                self._refuse(http, asked.stream, 504, reason_of(504))
                is_news = True
            while (request := http.overdue(now, limits.message_s)) is not None:
                self._server.counters["slow"] += 1
                self._refuse(http, request.stream, request.status, reason_of(request.status))
            self._pour()
            if is_news or http.is_over:
                self.go_on()

    def end(self, reason: str, *, is_reset: bool = False) -> None:
        stream, http = self.stream, self._http
        if http is not None and not (is_reset or stream.has_ended or stream.unsent) and self._lingers_until is None:
            stream.put(http.goodbye())
            stream.flush()
        super().end(reason, is_reset=is_reset)

    def ended(self, reason: str) -> None:
        self._http = None
        super().ended(reason)

    def stop_reading(self) -> None:
        if self._lingers_until is not None:
            self._end_of_lingering()
        elif self._http is None:
            super().stop_reading()
        else:
            self.stream.stop_reading()
            self.go_on()

    def is_slow(self, now: float) -> bool:
        return False  # each request has its own time

    # requests

    def established(self, protocol: str | None) -> None:
        is_2 = protocol == "h2"
        self._server.counters["http2" if is_2 else "http1"] += 1
        self._http = Http2() if is_2 else Http1()
        self.stream.put(self._http.outgoing())
        self.stream.flush()

    def received(self, octets: bytes) -> None:
        if self._http is not None and self._lingers_until is None:
            self._http.receive(octets, self.touched_at)
            self._digest_later()

    def _digest_later(self) -> None:
        if not self._is_digesting:
            self._is_digesting = True
            self.stream.read_on(is_wanted=False)
            self._server.turns.take(self._digest)

    def _digest(self) -> None:
        """Read the received octets for a moment; the rest follows in another turn."""
        self._is_digesting = False
        http, server = self._http, self._server
        if self.stream.has_ended or http is None:
            return
        until = server.now() + TURN_S
        self._is_collecting = True
        while http.has_more and not self.stream.has_ended and not self._is_full:
            request = http.digest()
            if request is not None:
                self._ask(http, request)
            if server.now() > until:
                break
        self._is_collecting = False
        self._pour()
        self.go_on()

    def _ask(self, http: HttpVersion, request: Request) -> None:
        server = self._server
        server.counters["requests"] += 1
        try:
            message = message_of(request, self._paths)
        except NotAQuery as refused:
            self._refuse(http, request.stream, refused.status, str(refused))
            return
        if len(self._waiting) >= server.limits.in_flight or http.stuck_octets >= STUCK_OCTETS_MAX:
            self._refuse(http, request.stream, 503, reason_of(503))
            return
        server.counters["questions"] += 1
        asked = _OpenRequest(request.stream, server.now())
        self._waiting[asked] = None
        send = partial(self._answered, asked)
        server.responder.respond(message, self.peer, is_tcp=True, is_encrypted=True, transport="https", send=send)

    def _answered(self, asked: _OpenRequest, reply: bytes) -> None:
        """The responder's way back: at once or later."""
        http = self._http
        if self.stream.has_ended or http is None or asked not in self._waiting:
            return
        del self._waiting[asked]
        self.touch()
        self._server.counters["status_200"] += 1
        http.answer(asked.stream, reply_response(reply))
        if not self._is_collecting:
            self._pour()
            self.go_on()

    def _refuse(self, http: HttpVersion, stream: int, status: int, reason: str) -> None:
        self._server.counters[f"status_{status}"] += 1
        http.answer(stream, refusal_response(status, reason))

    # responses

    @property
    def _is_full(self) -> bool:
        """True if no more input is taken, because the client does not read. Replies that its windows hold back do not count: it has to send updates."""
        return len(self.stream.unsent) >= self._server.limits.pause_octets

    @property
    def _wants_octets(self) -> bool:
        """Read on: what comes can be digested, so that nothing piles up behind a request that waits for its answer."""
        return not (self._is_full or (self._http is not None and self._http.is_sated))

    def _pour(self) -> None:
        """Send to the client what HTTP has ready."""
        http = self._http
        if self.stream.has_ended or http is None:
            return
        octets = http.outgoing()
        if octets:
            self.stream.put(octets)
        stuck = http.stuck_octets
        if len(self.stream.unsent) + stuck > UNREAD_OCTETS_MAX:
            self.end("unread", is_reset=True)
            return
        if not self._stuck_octets or stuck < self._stuck_octets:
            self._stuck_at = self._server.now()
        self._stuck_octets = stuck
        self.stream.flush()

    def go_on(self) -> None:
        """Room has been made, or something was answered: digest what was left lying, then read on, or end."""
        http = self._http
        if self.stream.has_ended or http is None or self._lingers_until is not None:
            return
        if self._is_digesting:
            return
        if http.has_more:
            if not self._is_full:
                self._digest_later()
        elif http.is_over:  # its own decision: there may be more to come in
            self.stream.read_on(is_wanted=False)
            if http.is_dead or not (self._waiting or http.stuck_octets):
                self._linger(http)
        elif not self.stream.is_open:
            self._end_if_done()
        else:
            self.stream.read_on(is_wanted=self._wants_octets)

    def _end_if_done(self) -> None:
        http = self._http
        if http is None:
            self.end("closed")
            return
        if not (self._waiting or http.stuck_octets):
            http.end_of_input()
            self._pour()
            if not (self.stream.has_ended or self.stream.unsent):
                self.end("closed")

    def _linger(self, http: HttpVersion) -> None:
        """Everything is sent. Close our side, and read what the client still sends, so that it can read our last octets."""
        if self.stream.unsent:
            return  # it goes on when that has been sent
        self.stream.put(http.goodbye())
        self.stream.end_writing()
        if self.stream.has_ended:
            return
        self._lingers_until = self._server.now() + LINGER_S
        self.stream.read_on(is_wanted=True)

    def _end_of_lingering(self) -> None:
        self.end((self._http.fault if self._http is not None else "") or "closed")
