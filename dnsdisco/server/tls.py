"""TLS around a stream, without a socket: octets in, octets out (RFC 8446, RFC 5246; RFC 7858, RFC 8310 for DNS)."""

from __future__ import annotations

import ssl
from contextlib import suppress


class TlsSession:
    """One connection's. What OpenSSL needs for it is made with its first octets: a client that only connects costs nothing."""

    __slots__ = ("_context", "_ssl", "has_more", "incoming", "is_cut", "is_established", "outgoing")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._ssl: ssl.SSLObject | None = None
        self.incoming = ssl.MemoryBIO()  # what the client has sent
        self.outgoing = ssl.MemoryBIO()  # what it is to be sent
        self.is_established = False
        self.is_cut = False  # nothing more comes in, though no TLS alert announced it. OpenSSL would not write after that
        self.has_more = False  # read() may find more without anything new coming in

    @property
    def protocol(self) -> str | None:
        """The protocol that ALPN has agreed on."""
        return self._ssl.selected_alpn_protocol() if self._ssl is not None else None

    @property
    def is_resumed(self) -> bool:
        return self._ssl is not None and bool(self._ssl.session_reused)

    def shake(self) -> None:
        """One step of the handshake. Raises ssl.SSLError when it fails; `outgoing` then has the alert."""
        if self._ssl is None:
            self._ssl = self._context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.is_established = True

    def read(self, octets_max: int) -> tuple[bytes, bool]:
        """Returns the octets that can be read, up to about *octets_max*, and whether the client has announced the end. Raises ssl.SSLError."""
        assert self._ssl is not None
        parts: list[bytes] = []
        octets = 0
        self.has_more = False
        while octets < octets_max:
            try:
                part = self._ssl.read(octets_max)
            except ssl.SSLWantReadError:
                return b"".join(parts), self.is_cut
            except ssl.SSLZeroReturnError:
                part = b""
            if not part:
                return b"".join(parts), True
            parts.append(part)
            octets += len(part)
            if not (self.incoming.pending or self._ssl.pending()):
                return b"".join(parts), self.is_cut
        self.has_more = True
        return b"".join(parts), False

    def seal(self, octets: bytes) -> bytes:
        """The octets as TLS records to send. Raises ssl.SSLError."""
        assert self._ssl is not None
        self._ssl.write(octets)
        return self.outgoing.read()

    def release(self) -> None:
        """Free OpenSSL's memory for it, some 30 KiB, now and not when the collector finds that it is unused."""
        self._ssl = None
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.has_more = False

    def close(self) -> bytes:
        """The alert that announces the end, if there is a session to end."""
        if not self.is_established or self._ssl is None:
            return b""
        with suppress(ssl.SSLError):  # it waits for the client's own, which we do not
            self._ssl.unwrap()
        return self.outgoing.read()
