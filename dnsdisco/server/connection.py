"""One client's connection: what is spoken on a stream. Its server calls it, and so does its stream.

Subclasses: `tcp_connection.py` (DNS messages), `https_connection.py` (HTTP requests).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dnsdisco.server.stream import Stream, StreamServer

Send = Callable[[bytes], None]


class MessageResponder(Protocol):
    """The part that answers a message (`serve.py`). *is_encrypted* is given only for an encrypted stream."""

    def respond(
        self, message: bytes, peer: str, *, is_tcp: bool, send: Send, is_encrypted: bool = False, transport: str = ""
    ) -> None: ...


class Owner(StreamServer, Protocol):
    """The server that a connection belongs to (`tcp.py`)."""

    responder: MessageResponder

    def ended(self, connection: ClientConnection, reason: str) -> None: ...

    def touched(self, connection: ClientConnection) -> None: ...


class ClientConnection:
    """Bounded in what it reads ahead, in what waits, and in what is unsent; the bounds are the server's."""

    __slots__ = ("_server", "is_remote", "peer", "stream", "touched_at")

    def __init__(self, stream: Stream, peer: str, server: Owner, *, is_remote: bool) -> None:
        self.stream = stream
        self.peer = peer
        self.is_remote = is_remote
        self.touched_at = server.now()  # when the client last did something, or we last answered
        self._server = server

    # called by the server

    @property
    def is_idle(self) -> bool:
        """True if nothing is unanswered, half read or unsent."""
        raise NotImplementedError

    @property
    def begun_at(self) -> float | None:
        """The instant at which the client began the message that it has not sent whole; None: there is none, or it waits for us."""
        raise NotImplementedError

    def start(self) -> None:
        self.stream.start(self)

    def look(self, now: float) -> None:
        """Do what is due with time; called now and then."""
        raise NotImplementedError

    def is_slow(self, now: float) -> bool:
        """True if the client takes too long to send what it has begun."""
        raise NotImplementedError

    def stop_reading(self) -> None:
        """Take no more questions; answer those that were asked, then end. Also called by the stream, when the client has ended its side."""
        self.stream.stop_reading()
        self._end_if_done()

    def end(self, reason: str, *, is_reset: bool = False) -> None:
        """Close. *reason* becomes a counter. A second call does nothing."""
        self.stream.end(reason, is_reset=is_reset)

    # called by the stream

    def established(self, protocol: str | None) -> None:
        """The handshake is done, and this *protocol* was agreed on (ALPN)."""

    def received(self, octets: bytes) -> None:
        """The client has sent *octets*."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Room has been made in what is unsent."""
        raise NotImplementedError

    def touch(self) -> None:
        self.touched_at = self._server.now()
        self._server.touched(self)

    def ended(self, reason: str) -> None:
        """The stream has ended."""
        self._server.ended(self, reason)

    def _end_if_done(self) -> None:
        """End once all is answered, if no more questions are taken."""
        raise NotImplementedError
