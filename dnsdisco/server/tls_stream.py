"""A stream with TLS around it. What costs as much as many answers takes turns: the handshakes, and the records of many clients at once."""

from __future__ import annotations

import socket
import ssl

from dnsdisco.server.stream import READ_OCTETS, Stream, StreamServer, StreamState
from dnsdisco.server.tls import TlsSession


class TlsStream(Stream):
    """SHAKING until its handshake is done."""

    __slots__ = ("_is_in_turn", "_tls")

    is_encrypted = True

    def __init__(self, sock: socket.socket, server: StreamServer, context: ssl.SSLContext) -> None:
        super().__init__(sock, server)
        self.state = StreamState.SHAKING
        self._tls = TlsSession(context)
        self._is_in_turn = False  # what came in waits for its turn

    def end(self, reason: str, *, is_reset: bool = False) -> None:
        super().end(reason, is_reset=is_reset)
        self._tls.release()

    def _farewell(self) -> bytes:
        return self._tls.close()

    # octets in

    def read_on(self, *, is_wanted: bool) -> None:
        is_new = is_wanted and not self.is_reading
        super().read_on(is_wanted=is_wanted)
        if is_new and self._tls.has_more:
            self._unseal_later()

    def _came_in(self, octets: bytes) -> None:
        tls, turns = self._tls, self._server.turns
        if octets:
            tls.incoming.write(octets)
        else:
            tls.is_cut = True
        if self.state is not StreamState.SHAKING:
            if not turns.try_now(self._unseal):  # many clients at once: one of them a turn
                self.read_on(is_wanted=False)
                turns.take(self._unseal_now)
        elif octets:  # a key operation takes milliseconds: at most one a turn
            self.read_on(is_wanted=False)
            turns.take(self._shake)
        else:
            self.end("handshake_given_up")

    def _shake(self) -> None:
        if self.state is not StreamState.SHAKING:
            return
        tls, fault = self._tls, ""
        try:
            tls.shake()
        except (ssl.SSLError, ValueError):  # ValueError: a server name that no text can be made of
            fault = "handshake_failed"
        super().put(tls.outgoing.read())  # of a fault, the alert with the reason
        self.flush()
        if fault:
            self.end(fault)
        if self.has_ended:
            return
        self.read_on(is_wanted=True)
        if tls.is_established:
            self.state = StreamState.OPEN
            self._server.counters["resumed" if tls.is_resumed else "handshakes"] += 1
            self._connection.established(tls.protocol)
            self._unseal()

    def _unseal(self) -> None:
        """Take what came in, a little at a time: one record may hold 16 KiB of questions."""
        self._is_in_turn = False
        if not self.is_reading:
            return  # once it is wanted again, read_on() comes back here
        tls = self._tls
        try:
            octets, is_over = tls.read(READ_OCTETS)
        except ssl.SSLError:
            self.end("tls_broken")
            return
        self.unsent += tls.outgoing.read()
        if octets:
            self._connection.received(octets)
        else:
            self.flush()
        if is_over and not self.has_ended:
            self._connection.stop_reading()
        elif tls.has_more:
            self._unseal_later()

    def _unseal_now(self) -> None:
        if self.is_open:
            self.read_on(is_wanted=True)
            self._unseal()

    def _unseal_later(self) -> None:
        if self.is_reading and not self._is_in_turn:
            self._is_in_turn = True
            self._server.turns.take(self._unseal)

    # octets out

    def put(self, octets: bytes) -> None:
        try:
            super().put(self._tls.seal(octets))
        except ssl.SSLError:
            self.end("tls_broken")
