"""Padding of replies on encrypted transports (RFC 7830, RFC 8467): their sizes must not reveal to an eavesdropper which names are asked."""

from __future__ import annotations

from dnsdisco.errors import WireError
from dnsdisco.wire.constants import OPT, PADDING
from dnsdisco.wire.parse import places
from dnsdisco.wire.query import HEADER_OCTETS
from dnsdisco.wire.tcp_frame import MESSAGE_OCTETS_MAX

BLOCK_OCTETS = 468  # RFC 8467 §4.1: the size whose multiples reveal the least for their cost
OPTION_HEAD_OCTETS = 4


def padded(reply: bytes, block_octets: int = BLOCK_OCTETS) -> bytes:
    """*reply*, one of ours, with a padding option that makes it a multiple of *block_octets* long (or as long as a message may be).

    Unchanged when it does not end in an OPT record, which alone can carry the option: after a TSIG error.
    """
    room = MESSAGE_OCTETS_MAX - len(reply)
    if room < OPTION_HEAD_OCTETS or len(reply) < HEADER_OCTETS:
        return reply
    try:
        found = places(reply, 0 if reply[4:6] != b"\0\0" else HEADER_OCTETS)
    except WireError:  # not ours, then
        return reply
    if not found or found[-1].rtype != OPT:
        return reply
    octets = min(-(len(reply) + OPTION_HEAD_OCTETS) % block_octets, room - OPTION_HEAD_OCTETS)
    length_at = found[-1].data - 2
    length = int.from_bytes(reply[length_at : length_at + 2], "big") + OPTION_HEAD_OCTETS + octets
    option = PADDING.to_bytes(2, "big") + octets.to_bytes(2, "big") + bytes(octets)
    return b"".join((reply[:length_at], length.to_bytes(2, "big"), reply[length_at + 2 :], option))
