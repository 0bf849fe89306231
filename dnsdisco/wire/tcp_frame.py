"""Messages on a stream: two octets of length before each (RFC 1035 §4.2.2), however the segments fall (RFC 7766 §8)."""

from __future__ import annotations

from dnsdisco.errors import WireError

LENGTH_OCTETS = 2
MESSAGE_OCTETS_MIN = 12  # a header; nothing shorter is DNS (RFC 1035 §4.1.1)
MESSAGE_OCTETS_MAX = 65535  # the most that two octets can count

_COMPACT_OCTETS = 16 * 1024  # read octets are let go of in steps: a shift for each message would make a full segment O(n²)


def frame(message: bytes) -> bytes:
    """*message* with its length before it, to be written at once: a lone length costs some peers a time-out (RFC 7766 §8).

    Raises WireError (no rcode) when it is longer than MESSAGE_OCTETS_MAX.
    """
    octets = len(message)
    if octets > MESSAGE_OCTETS_MAX:
        raise WireError(f"a message of {octets} octets does not fit a stream's length field", None)
    return octets.to_bytes(LENGTH_OCTETS, "big") + message


class FrameReader:
    """Octets in, whole messages out, in order. Holds no more than was received and not yet taken: the caller bounds what it reads.

    After a WireError nothing that follows can be trusted to begin where a message begins: close the stream.
    """

    __slots__ = ("_at", "_buffer")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0  # where the next length begins

    @property
    def octets_held(self) -> int:
        """Received and not taken yet: whole messages and the beginning of one."""
        return len(self._buffer) - self._at

    @property
    def is_between_messages(self) -> bool:
        """True if no octet is held, not even the first one of a length."""
        return self._at == len(self._buffer)

    def receive(self, octets: bytes) -> None:
        """Take what the stream gave, any number of octets."""
        self._buffer += octets

    def next_message(self) -> bytes | None:
        """The next whole message, or None until more has been received. Raises WireError for a length that no message can have."""
        buffer, at = self._buffer, self._at
        if len(buffer) - at < LENGTH_OCTETS:
            self._compact()
            return None
        octets = buffer[at] << 8 | buffer[at + 1]
        if octets < MESSAGE_OCTETS_MIN:
            raise WireError(f"a message of {octets} octets on a stream", None)
        begin = at + LENGTH_OCTETS
        end = begin + octets
        if end > len(buffer):
            self._compact()
            return None
        self._at = end
        message = bytes(buffer[begin:end])
        if end == len(buffer) or end > _COMPACT_OCTETS:
            self._compact()
        return message

    def _compact(self) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
