"""One client's TCP connection: questions in, replies out in whatever order they come (RFC 7766 §6.2.1.1, §7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dnsdisco.errors import WireError
from dnsdisco.server.connection import ClientConnection, Owner, Send
from dnsdisco.server.stream import Stream, StreamState
from dnsdisco.wire.tcp_frame import frame, FrameReader

_ENDED = StreamState.ENDED  # asked once a message: not through a property
FLUSH_OCTETS = 16 * 1024  # replies to one segment go out together, in pieces of this size


class TcpConnection(ClientConnection):
    """DNS messages, each behind its length."""

    __slots__ = ("_asked_at", "_frames", "_in_flight", "_is_collecting", "_message_at", "_respond", "_send")

    def __init__(self, stream: Stream, peer: str, server: Owner, *, is_remote: bool) -> None:
        super().__init__(stream, peer, server, is_remote=is_remote)
        self._send: Send = self.send  # bound once, not once a question
        respond = server.responder.respond
        self._respond: Callable[..., None] = partial(respond, is_encrypted=True) if stream.is_encrypted else respond
        self._frames = FrameReader()
        self._in_flight = 0
        self._asked_at = self.touched_at
        self._message_at: float | None = None  # when a message's first octet came whose last has not
        self._is_collecting = False

    @property
    def is_idle(self) -> bool:
        return not (self._in_flight or self.stream.unsent) and self._frames.is_between_messages

    @property
    def begun_at(self) -> float | None:
        return None if self._in_flight or self.stream.unsent else self._message_at

    def send(self, reply: bytes) -> None:
        """The responder's way back: one reply, at once or later."""
        stream = self.stream
        if stream.state is _ENDED:
            return
        self._in_flight = max(self._in_flight - 1, 0)
        self.touch()
        if len(stream.unsent) >= self._server.limits.unsent_octets:
            self.end("unread", is_reset=True)
            return
        stream.put(frame(reply))
        if not self._is_collecting:
            stream.flush()
            self.go_on()
        elif len(stream.unsent) >= FLUSH_OCTETS:
            stream.flush()

    def look(self, now: float) -> None:
        if self._in_flight and now - self._asked_at > self._server.limits.answer_s:
            self._in_flight = 0  # these were dropped; no answer will come
            self.go_on()

    def is_slow(self, now: float) -> bool:
        return self._message_at is not None and now - self._message_at > self._server.limits.message_s

    # octets in

    def received(self, octets: bytes) -> None:
        if self._message_at is None:
            self._message_at = self.touched_at
        self._frames.receive(octets)
        self._take()

    def _take(self) -> None:
        """Hand over the whole messages that are here, as long as there is room for their answers; send the replies together."""
        server, frames, stream = self._server, self._frames, self.stream
        limits, unsent = server.limits, stream.unsent
        self._is_collecting = True
        taken = 0
        while self._in_flight < limits.in_flight and len(unsent) < limits.pause_octets and stream.state is not _ENDED:
            try:
                message = frames.next_message()
            except WireError:
                self._is_collecting = False
                stream.flush()  # what came before the fault is answered
                self.end("malformed")
                return
            if message is None:
                break
            taken += 1
            self._in_flight += 1
            self._asked_at = self.touched_at
            self._respond(message, self.peer, is_tcp=True, send=self._send)
        self._is_collecting = False
        server.counters["questions"] += taken
        if stream.has_ended:
            return
        if frames.is_between_messages:
            self._message_at = None
        elif taken or self._message_at is None:
            self._message_at = server.now()  # another message has begun, or we go on after a pause
        stream.flush()
        self._pace()

    def _pace(self) -> None:
        """Read on, or not: while the bounds are reached, the client has to wait, in its own kernel."""
        stream, limits = self.stream, self._server.limits
        if stream.has_ended:
            return
        is_full = self._in_flight >= limits.in_flight or len(stream.unsent) >= limits.pause_octets
        if is_full:
            self._message_at = None  # that it does not come is our doing
        stream.read_on(is_wanted=not is_full and stream.is_open)
        self._end_if_done()

    def go_on(self) -> None:
        """Room has been made: take what was left lying, then read on."""
        stream, limits = self.stream, self._server.limits
        if stream.has_ended:
            return
        if stream.is_reading or (not stream.is_open and self._frames.is_between_messages):
            self._end_if_done()
        elif self._in_flight < limits.in_flight // 2 + 1 and len(stream.unsent) < limits.pause_octets:
            self._take()

    def _end_if_done(self) -> None:
        if not self.stream.is_open and not (self._in_flight or self.stream.unsent):
            self.end("closed")
