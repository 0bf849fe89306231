"""HTTP/2 frames counted before they are read: sizes are refused by their header, and busywork has a budget (RFC 9113 §4.1, §10.5).

What costs us and asks for nothing: resets (CVE-2023-44487), header blocks in crumbs (CVE-2024-27316), pings, settings, priorities, windows
and empty data (CVE-2019-9511 to 9518). A client gets more of it with every request that it makes.
"""

from __future__ import annotations

from dnsdisco.server.doh import HEAD_OCTETS_MAX

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD_OCTETS = 9
FRAME_OCTETS_MAX = 16 * 1024  # the default of SETTINGS_MAX_FRAME_SIZE
BUSY_FREE = 100  # frames of a client that has asked nothing yet; one needs five
BUSY_A_REQUEST = 4  # more for each request: two windows, a priority, and one to spare
RESETS_FREE = 50
RESETS_SHARE = 2  # and one for so many requests: a client that gives up more of them than that wants something else

_DATA, _HEADERS, _RST_STREAM, _CONTINUATION = 0, 1, 3, 9
_END_STREAM = 1

PROTOCOL_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM = 1, 6, 11  # RFC 9113 §7


class Abuse(Exception):
    """The connection is to end with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Frames:
    """Octets in, whole frames out, as they came. Holds one frame at most beyond what was received and not taken."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._preface = PREFACE
        self._requests = self._busy = self._resets = 0
        self._head_octets = 0  # of the header block that is coming in

    @property
    def is_between(self) -> bool:
        """No frame, and no header block, has begun that is not whole."""
        return not self._buffer and not self._head_octets

    @property
    def is_in_head(self) -> bool:
        """A header block has begun that is not whole."""
        return bool(self._head_octets)

    @property
    def has_more(self) -> bool:
        """take() has something to give, or to complain about."""
        if self._preface:
            return bool(self._buffer)
        return len(self._buffer) >= FRAME_HEAD_OCTETS and (
            len(self._buffer) >= FRAME_HEAD_OCTETS + self._length or self._length > FRAME_OCTETS_MAX
        )

    @property
    def _length(self) -> int:
        return int.from_bytes(self._buffer[:3], "big")

    def receive(self, octets: bytes) -> None:
        self._buffer += octets

    def take(self) -> bytes:
        """The next frame (or what is there of the preface). To be called only when `has_more`. Raises Abuse."""
        if self._preface:
            size = min(len(self._preface), len(self._buffer))
            octets = bytes(self._buffer[:size])
            if not self._preface.startswith(octets):
                raise Abuse(PROTOCOL_ERROR, "this is not HTTP/2")
            self._preface = self._preface[size:]
        else:
            length = self._length
            if length > FRAME_OCTETS_MAX:
                raise Abuse(FRAME_SIZE_ERROR, "a frame is too large")
            size = FRAME_HEAD_OCTETS + length
            octets = bytes(self._buffer[:size])
            self._count(octets[3], octets[4], length)
        del self._buffer[:size]
        return octets

    def _count(self, kind: int, flags: int, length: int) -> None:
        if kind in (_HEADERS, _CONTINUATION):
            self._count_head(kind, flags, length)
        elif kind == _RST_STREAM:
            self._resets += 1
            if self._resets > RESETS_FREE + self._requests // RESETS_SHARE:
                raise Abuse(ENHANCE_YOUR_CALM, "too many requests are given up")
        elif kind != _DATA or (length == 0 and not flags & _END_STREAM):
            self._busy += 1
        if self._busy > BUSY_FREE + BUSY_A_REQUEST * self._requests:
            raise Abuse(ENHANCE_YOUR_CALM, "too many frames without a request")

    def _count_head(self, kind: int, flags: int, length: int) -> None:
        is_end = flags & 4  # END_HEADERS
        if kind == _HEADERS:
            self._requests += 1
            self._head_octets = 0
        else:
            self._busy += 1
        self._head_octets += max(length, 1)
        if self._head_octets > HEAD_OCTETS_MAX:
            raise Abuse(ENHANCE_YOUR_CALM, "the head of a request is too long")
        if is_end:
            self._head_octets = 0
