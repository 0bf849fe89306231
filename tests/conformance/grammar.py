"""Messages drawn from a seed: put together as a query is, with a part of it wrong now and then, and octets changed here and there."""

from __future__ import annotations

import random
import struct

from tests.answer.test_rows import ROWS
from tests.conformance.edns_compliance import TYPES
from tests.conformance.probes import header, name, opt, option, PROBES, soa

_NAMES = sorted({row[0] for row in ROWS} | {"version.bind", "id.server", "www.example.com", "svc.internal", "all.down.svc.local"})
_QTYPES = [*TYPES.values(), 64, 65, 255, 65280, 65535]
_FORBIDDEN = [0, 41, 249, 250, 251, 252, 253, 254]
_LABELS = (b"a", b"_tcp", b"_http", b"all", b"v1", b"web", b"*", b"\0", b"\xff", b"x.y", b" ", b"w" * 63, b"WEB", b"svc", b"local")
_BROKEN_NAMES = (
    b"\xc0\x0c", b"\xc0\x20", b"\xff\xff", b"\x03web\xc0\x00", b"\x40" + b"a" * 64 + b"\0", b"\x80aaaa\0", b"\x41\x01", b"\x3fabc", b"\xc0",
    b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x3f" + b"d" * 63 + b"\0", b"\1a" * 127 + b"\0", b"\1a" * 128 + b"\0",
)  # fmt: skip
_OPTION_CODES = (3, 3, 8, 9, 10, 10, 10, 11, 12, 15, 0, 100, 65535)
_CHANGED_OCTETS = (0, 1, 0x3F, 0x40, 0xC0, 0xFF)
UDP_OCTETS_MAX = 1232


class Grammar:
    """`message` fits a datagram; `large` is for a stream, up to 64 KiB."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._seeds = [probe.message for probe in PROBES if len(probe.message) > 12]

    def message(self) -> bytes:
        source = self._random
        kind = source.random()
        message = source.choice(self._seeds) if kind < 0.15 else self._composed()
        if kind < 0.35:
            message = self._mutated(message)
        elif kind < 0.37:
            message = source.randbytes(source.randrange(0, 80))
        return message[:UDP_OCTETS_MAX]

    def large(self) -> bytes:
        """One part of it as long as it can be."""
        source = self._random
        question = self._qname() + struct.pack("!HH", 1, 1)
        room = 65535 - 12 - len(question) - 11 - source.randrange(200)
        kind = source.randrange(6)
        if kind == 0:
            record = opt((option(source.choice(_OPTION_CODES), b"12345678"[: source.randrange(9)]) * room)[: room - room % 4])
        elif kind == 1:
            record = opt(option(source.choice(_OPTION_CODES), bytes(room - 4)))
        elif kind == 2:
            record = b"\1a" * (room // 2) + b"\0" + struct.pack("!HHIH", 1, 1, 0, 0)
        elif kind == 3:
            record = (
                name("x") + struct.pack("!HHIH", source.choice((1, 250, 65280)), 255, 0, room - 16) + source.randbytes(room - 16)
            )
        elif kind == 4:
            record = self._tsig(bytes(room - 800))
        else:
            record = source.randbytes(room)
        return (header(counts=(1, 0, 0, 1)) + question + record)[:65535]

    def _composed(self) -> bytes:
        source = self._random
        flags = source.choice((0x0100, 0x0100, 0x0100, 0, 0x0110, 0x0120, 0x0130, 0x0140, 0x0700))
        if source.random() < 0.08:
            flags = source.randrange(0x10000)
        elif source.random() < 0.08:
            flags |= source.randrange(16) << 11
        questions = [self._question() for _ in range(1 if source.random() < 0.95 else source.randrange(3))]
        records = [self._record() for _ in range(source.choices((0, 1, 2, 3), (25, 60, 12, 3))[0])]
        counts = [len(questions), 0, 0, len(records)]
        if source.random() < 0.03:  # as IXFR has its client's SOA
            questions = [self._qname() + struct.pack("!HH", source.choice((251, 251, 251, 252, 1)), 1)]
            counts = [1, 0, 1, len(records)]
            records.insert(0, soa(source.choice((6, 6, 6, 1))))
        if source.random() < 0.06:
            counts[source.randrange(4)] = source.choice((0, 1, 2, 255, 65535))
        tail = source.randbytes(source.randrange(1, 20)) if source.random() < 0.03 else b""
        octets = header(flags, tuple(counts)) + b"".join(questions) + b"".join(records) + tail
        return source.randbytes(2) + octets[2:]

    def _question(self) -> bytes:
        source = self._random
        qname = source.choice(_BROKEN_NAMES) if source.random() < 0.06 else self._qname()
        qtype = source.choice(_FORBIDDEN) if source.random() < 0.05 else source.choice((1, 1, 28, 33, 16, source.choice(_QTYPES)))
        qclass = source.choice((0, 2, 3, 3, 4, 42, 254, 255)) if source.random() < 0.08 else 1
        return qname + struct.pack("!HH", qtype, qclass)

    def _qname(self) -> bytes:
        source = self._random
        octets = name(source.choice(_NAMES))
        kind = source.random()
        if kind < 0.3:
            octets = b"".join(bytes((len(label),)) + label for label in source.choices(_LABELS, k=source.randrange(1, 4))) + octets
        elif kind < 0.35:
            octets = b"\1a" * source.randrange(1, (255 - len(octets)) // 2 + 1) + octets
        if len(octets) > 255:
            octets = name(source.choice(_NAMES))
        return _swapped(octets, source) if kind > 0.8 else octets

    def _record(self) -> bytes:
        source = self._random
        kind = source.random()
        if kind < 0.85:
            return self._opt()
        if kind < 0.93:
            return self._tsig()
        owner = source.choice((b"\0", name("x.example"), b"\xc0\x0c", *_BROKEN_NAMES))
        data = source.randbytes(source.randrange(0, 40))
        length = len(data) if source.random() < 0.8 else source.randrange(70)
        return owner + struct.pack("!HHIH", source.choice((1, 41, 250, 2, 65280)), source.choice((1, 255, 512)), 0, length) + data

    def _opt(self) -> bytes:
        source = self._random
        options = b"".join(self._option() for _ in range(source.choice((0, 0, 1, 1, 2, 3, 8))))
        ttl = source.choice((0, 0, 0, 0x8000, 0x8000, 0x40, 1 << 16, 255 << 16, 1 << 24))
        size = source.choice((512, 1232, 1232, 4096, 0, 1, 511, 65535))
        owner = b"\0" if source.random() < 0.95 else source.choice((name("x"), b"\xc0\x0c", *_BROKEN_NAMES))
        length = None if source.random() < 0.95 else source.choice((0, len(options) + 4, max(len(options) - 1, 0), 65535))
        return opt(options, size=size, ttl=ttl, owner=owner, length=length)

    def _option(self) -> bytes:
        source = self._random
        code = source.choice(_OPTION_CODES)
        octets = source.randbytes(source.choice((8, 8, 8, 24, 24, 16, 40, 41, 7, 4) if code == 10 else (0, 0, 2, 4, 20)))
        return option(code, octets, None if source.random() < 0.95 else source.choice((0, len(octets) + 1, 65535)))

    def _tsig(self, mac: bytes = b"\0" * 32) -> bytes:
        source = self._random
        key = name("key.example") if source.random() < 0.8 else source.choice((b"\0", b"\xc0\x0c", *_BROKEN_NAMES))
        algorithm = name("hmac-sha256") if source.random() < 0.8 else source.choice((b"\0", b"\xc0\x0c", *_BROKEN_NAMES))
        rdata = algorithm + source.randbytes(6) + struct.pack("!HH", 300, len(mac)) + mac + struct.pack("!HHH", 0x1234, 0, 0)
        if source.random() < 0.1:
            rdata = rdata[: source.randrange(len(rdata))]
        return key + struct.pack("!HHIH", 250, 255, 0, len(rdata)) + rdata

    def _mutated(self, octets: bytes) -> bytes:
        source, message = self._random, bytearray(octets)
        for _ in range(source.randrange(1, 4)):
            at = source.randrange(len(message))
            kind = source.randrange(5)
            if kind == 0:
                message[at] ^= 1 << source.randrange(8)
            elif kind == 1:
                message[at] = source.choice(_CHANGED_OCTETS)
            elif kind == 2:
                del message[at:]
                message += b"\0" * (12 - len(message))
            elif kind == 3:
                message[at:at] = source.randbytes(source.randrange(1, 9))
            else:
                piece = message[at : at + source.randrange(1, 30)]
                to = source.randrange(len(message))
                message[to:to] = piece
        return bytes(message)


def _swapped(qname: bytes, source: random.Random) -> bytes:
    """In letters of either case."""
    octets, at = bytearray(qname), 0
    while octets[at]:
        for place in range(at + 1, at + 1 + octets[at]):
            if chr(octets[place]).isascii() and chr(octets[place]).isalpha() and source.random() < 0.5:
                octets[place] ^= 0x20
        at += 1 + octets[at]
    return bytes(octets)
