"""The names of one message that somebody else wrote, decompressed (RFC 1035 §4.1.4): each suffix once, and never at more than a bounded cost.

A message of 64 KiB can hold thousands of pointers to chains of sixteen pointers to names of 127 labels; read one by one they would cost a
tenth of a second. Here what a pointer leads to is remembered, and every label and pointer that is stepped over counts.
"""

from __future__ import annotations

from dnsdisco.errors import WireError
from dnsdisco.wire.name import LABEL_OCTETS_MAX, NAME_OCTETS_MAX, POINTERS_MAX

STEPS_MAX = (
    8192  # labels and pointers in all names of a message: 64 KiB without any compression have fewer, at seven octets a label
)


class NameReader:
    """`steps`: how many labels and pointers have been stepped over."""

    __slots__ = ("_known", "_message", "_owners", "steps")

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._known: dict[int, bytes] = {}  # by where it begins: what pointers lead to
        self._owners: dict[int, bytes] = {}  # by where it begins: in lower case
        self.steps = 0

    def read(self, at: int) -> tuple[bytes, int]:
        """As name.read(). Raises WireError, also when the message has cost STEPS_MAX."""
        return self._read(at, 0)

    def lower(self, at: int) -> bytes:
        """The name at *at* in lower case."""
        message = self._message
        if message[at] >= 0xC0 and at + 1 < len(message):  # an owner that is but a pointer, as nearly all are
            target = (message[at] & 0x3F) << 8 | message[at + 1]
            if target >= at:
                raise WireError(_NOT_BACKWARDS)
            found = self._owners.get(target)
            if found is None:
                found = self._owners[target] = self._read(target, 1)[0].lower()
            return found
        return self._read(at, 0)[0].lower()

    def _read(self, at: int, pointers: int) -> tuple[bytes, int]:
        message, begin, steps = self._message, at, self.steps
        size = len(message)
        while True:
            steps += 1
            if at >= size or at - begin >= NAME_OCTETS_MAX:
                raise WireError("a name that is too long, or runs past the end of the message")
            if steps > STEPS_MAX:
                raise WireError("names that would cost too much to read")
            length = message[at]
            if not length:
                name, end = message[begin : at + 1], at + 1
                break
            if length >= 0xC0:
                if at + 1 >= size:
                    raise WireError("a compression pointer is cut short")
                target = (length & 0x3F) << 8 | message[at + 1]
                if target >= begin or pointers >= POINTERS_MAX:
                    raise WireError(_NOT_BACKWARDS)
                rest = self._known.get(target)
                if rest is None:
                    self.steps = steps
                    rest = self._known[target] = self._read(target, pointers + 1)[0]
                    steps = self.steps
                name, end = message[begin:at] + rest, at + 2
                break
            if length > LABEL_OCTETS_MAX:
                raise WireError(f"label type {length >> 6} does not exist")
            at += 1 + length
        self.steps = steps
        if len(name) > NAME_OCTETS_MAX:
            raise WireError("a name that is too long")
        return name, end


_NOT_BACKWARDS = "a compression pointer that does not go backwards, or too many of them"
