"""The names of one message from outside, decompressed (RFC 1035 §4.1.4): each suffix once, and never at more than a bounded cost.

A message of 64 KiB can hold thousands of pointers to chains of sixteen pointers to names of 127 labels; read one by one they would cost a
tenth of a second. Here what a pointer leads to is remembered, and every label and pointer that is stepped over counts.
"""

from __future__ import annotations

from dnsdisco.errors import WireError
from dnsdisco.wire.name import LABEL_OCTETS_MAX, NAME_OCTETS_MAX, POINTED_MIN, POINTERS_MAX

# Labels and pointers in all names of a message: 64 KiB of name servers with names of four labels, none of them compressed, have ten thousand.
# Owners that are the same octets as the one before are compared, not read.
STEPS_MAX = 12_288


class NameReader:
    """`steps`: how many labels and pointers have been stepped over."""

    __slots__ = ("_known", "_message", "_owners", "steps")

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._known: dict[int, tuple[bytes, int]] = {}  # by where it begins: what pointers lead to, and where its own octets end
        self._owners: dict[int, bytes] = {}  # by where it begins: in lower case
        self.steps = 0

    def read(self, at: int) -> tuple[bytes, int]:
        """Like name.read(). Raises WireError, also when the message has cost STEPS_MAX."""
        message = self._message
        if at + 1 < len(message) and message[at] >= 0xC0:  # nothing but a pointer, to what has been read before
            target = (message[at] & 0x3F) << 8 | message[at + 1]
            if target < at and (found := self._known.get(target)) is not None and found[1] <= at:
                return found[0], at + 2
        return self._read(at, 0)

    def lower(self, at: int) -> bytes:
        """The name at *at* in lower case."""
        message = self._message
        if message[at] >= 0xC0 and at + 1 < len(message):  # an owner that is but a pointer, as nearly all are
            target = (message[at] & 0x3F) << 8 | message[at + 1]
            if not POINTED_MIN <= target < at:
                raise WireError(_NOT_BACKWARDS)
            found = self._owners.get(target)
            if found is None:
                name, end = self._read(target, 1)
                if end > at:
                    raise WireError(_NOT_BACKWARDS)
                found = self._owners[target] = name.lower()
            return found
        return self._read(at, 0)[0].lower()

    def _read(self, at: int, pointers: int) -> tuple[bytes, int]:
        message, begin, steps = self._message, at, self.steps + 1
        try:
            while 0 < (length := message[at]) <= LABEL_OCTETS_MAX:
                at += 1 + length
                steps += 1
            if length > LABEL_OCTETS_MAX:
                target = (length & 0x3F) << 8 | message[at + 1]
        except IndexError:
            raise WireError("a name runs past the end of the message") from None
        if steps > STEPS_MAX:
            raise WireError("names that would cost too much to read")
        self.steps = steps
        if not length:
            name, end = message[begin : at + 1], at + 1
        elif length < 0xC0:
            raise WireError(f"label type {length >> 6} does not exist")
        elif not POINTED_MIN <= target < begin or pointers >= POINTERS_MAX:
            raise WireError(_NOT_BACKWARDS)
        else:
            found = self._known.get(target)
            if found is None:
                found = self._known[target] = self._read(target, pointers + 1)
            rest, rest_end = found
            if rest_end > begin:  # what was written before cannot go on behind what points to it
                raise WireError(_NOT_BACKWARDS)
            name, end = message[begin:at] + rest, at + 2
        if len(name) > NAME_OCTETS_MAX:
            raise WireError("a name that is too long")
        return name, end


_NOT_BACKWARDS = "a compression pointer that does not go backwards to a name, or too many of them"
