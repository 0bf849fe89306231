"""The names by which this server recognises its own questions: others cannot guess them, and every worker knows them.

    16 letters . 16 letters . zone        TXT, class IN

The letters are base32 of 20 octets: when it was made (3 octets of seconds), a digest of the upstream and its zone (3), chance (4), and ten
octets of a keyed BLAKE2s (RFC 7693) of all of these. A process with the key recognises the name; without the key nobody can make such a
name or foresee the next. No label is fixed: with a name that is publicly known, anybody could disable an upstream.
"""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

from dnsdisco.wire.constants import IN, TXT
from dnsdisco.wire.name import NAME_OCTETS_MAX

VALID_S = 10  # a mark that comes back later is not accepted: a person who saw one cannot use it for long
ZONE_OCTETS_MAX = NAME_OCTETS_MAX - 34  # below a longer one there is no room for a mark

_LABEL_OCTETS = 16
_TAIL = TXT.to_bytes(2, "big") + IN.to_bytes(2, "big")
_AGES = 1 << 24
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz234567")


class ProbeName(NamedTuple):
    """`question`: what is asked. `proof`: the RDATA of the answer by which a worker reports that the question came back to it."""

    question: bytes
    proof: bytes


class ProbeNames:
    """*secret*: 16 octets or more, equal in all workers. *now* everywhere: seconds of a clock that all workers share."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, tag: bytes, zone: bytes, now: float, chance: bytes) -> ProbeName:
        """*tag*: of tag_of(); *zone*: lower-cased wire form, at most ZONE_OCTETS_MAX; *chance*: 4 octets from the system's CSPRNG."""
        begin = (int(now) % _AGES).to_bytes(3, "big") + tag + chance
        text = base64.b32encode(begin + self._digest(b"mark", begin + zone)).lower()
        qname = b"\x10" + text[:_LABEL_OCTETS] + b"\x10" + text[_LABEL_OCTETS:] + zone
        return ProbeName(qname + _TAIL, self._proof(begin + zone))

    def read(self, question: bytes, now: float) -> tuple[bytes, bytes, bytes] | None:
        """The tag, the zone and the proof, if a worker of this server asked *question* within VALID_S; else None. The case does not matter."""
        if question[-4:] != _TAIL or question[0] != _LABEL_OCTETS or question[17:18] != b"\x10":
            return None
        text = (question[1:17] + question[18:34]).lower()
        if not _LETTERS.issuperset(text):
            return None
        octets = base64.b32decode(text.upper())
        begin, zone = octets[:10], question[34:-4].lower()
        if octets[10:] != self._digest(b"mark", begin + zone):  # not in constant time: a mark has 80 bits and is used once
            return None
        if (int(now) - int.from_bytes(begin[:3], "big")) % _AGES > VALID_S:
            return None
        return begin[3:6], zone, self._proof(begin + zone)

    def tag_of(self, upstream: str) -> bytes:
        """The digest of *upstream* in a name; it does not reveal the upstream."""
        return hashlib.blake2s(upstream.encode(), digest_size=3, key=self._secret, person=b"upstream").digest()

    def _digest(self, person: bytes, octets: bytes) -> bytes:
        return hashlib.blake2s(octets, digest_size=10, key=self._secret, person=person).digest()

    def _proof(self, octets: bytes) -> bytes:
        text = base64.b32encode(self._digest(b"proof", octets)).lower()
        return bytes((len(text),)) + text
