"""Readers of octets: questions, record data, messages on a stream."""

from __future__ import annotations

import struct
from functools import cache

from dnsdisco.errors import WireError
from dnsdisco.presentation import rdata
from dnsdisco.wire import presentation
from dnsdisco.wire.constants import type_from_text
from dnsdisco.wire.parse import RecordPlace
from dnsdisco.wire.tcp_frame import frame, FrameReader, MESSAGE_OCTETS_MIN
from dnsdisco.wire.tokens import tokenize
from tests.conformance import slowest
from tests.conformance.oracle import judge
from tests.conformance.probes import PROBES
from tests.conformance.rdata_table import ROWS
from tests.fuzz.cuts import pieces
from tests.fuzz.reader import Reader
from tests.kit import Answers


@cache
def _answers() -> Answers:
    return Answers(recursion=False)


def _query(message: bytes) -> None:
    """The reply to any message is the one that is due."""
    for is_tcp in (False, True):
        replies: list[bytes] = []
        _answers().responder.respond(message, "127.0.0.1", is_tcp=is_tcp, send=replies.append)
        assert len(replies) <= 1
        assert not (wrong := judge(message, replies[0] if replies else None, is_tcp=is_tcp)), wrong


def _octets(message: bytes) -> None:
    """Type, length of what stands before it, octets: shown on one line, and read back."""
    if len(message) < 3:
        return
    rtype, at = struct.unpack("!HB", message[:3])
    shown = rdata.text(message, RecordPlace(1, 0, rtype, 1, 0, min(3 + at, len(message)), len(message)))
    assert shown.isascii()
    assert shown.isprintable()
    octets = message[3 + at :]
    if rtype in presentation.META_TYPES or rtype in (0, 41) or len(octets) > presentation.RDATA_OCTETS_MAX:
        return
    try:
        read = presentation.from_words(rtype, tokenize(shown), ())
    except WireError:
        assert shown.startswith("\\#"), shown  # octets that are wrong for their type are shown as they are, and refused
        return
    if b"\xc0" not in octets:  # else a name of it may have been decompressed
        assert read == octets, shown


def _frames(stream: bytes) -> None:
    """However a stream is cut, its messages come in order, and the fault where a length is too short."""
    expected, at, is_broken = [], 0, False
    while at + 2 <= len(stream):
        octets = int.from_bytes(stream[at : at + 2], "big")
        if is_broken := octets < MESSAGE_OCTETS_MIN:
            break
        if at + 2 + octets > len(stream):
            break
        expected.append(stream[at + 2 : at + 2 + octets])
        at += 2 + octets
    for cut in pieces(stream):
        reader, got, has_failed = FrameReader(), [], False
        for piece in cut:
            reader.receive(piece)
            try:
                while (message := reader.next_message()) is not None:
                    got.append(message)
            except WireError:
                has_failed = True
                break
        assert got == expected
        assert has_failed == is_broken
        assert is_broken or reader.octets_held == len(stream) - at
    assert b"".join(map(frame, expected)) == stream[:at]


def _row(kind: str, text: str) -> bytes:
    octets = presentation.from_words(type_from_text(kind), tokenize(text), ())
    return struct.pack("!HB", type_from_text(kind), 0) + octets


_MESSAGES = tuple(probe.message for probe in PROBES if len(probe.message) < 1300)
_COSTLY = tuple(message for is_tcp, message in slowest.load() if not is_tcp)

READERS = {
    "query": Reader(
        (*_MESSAGES, *_COSTLY),
        (b"\xc0\x0c", b"\0", b"\0\1\0\1", b"\3svc\5local\0", b"\0\0\x29", b"\0\x0a\0\x08CookieAb", b"\0\x0f", b"\0\xfb", b"\xff" * 4),
        _query,
        count=1_000_000,
    ),
    "octets": Reader(
        tuple(_row(*row) for row in ROWS), (b"\0", b"\xc0\x00", b"\xff", b"\1a\0", b"\0\1", b'"', b"\\", b";"), _octets, count=1_000_000
    ),
    "stream": Reader(
        (*map(frame, _MESSAGES[:40]), frame(bytes(12)) * 3, frame(bytes(300)) + b"\0\x0b", b"\0", b"\xff\xff" + bytes(40)),
        (b"\0", b"\0\x0c", b"\0\x0b", frame(bytes(12)), b"\1\0", b"\xff\xff"),
        _frames,
        count=1_000_000,
    ),
}  # fmt: skip
