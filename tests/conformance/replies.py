"""Replies of an upstream that means harm: up to 64 KiB, made so that reading them costs as much as it can, reproducible by seed."""

from __future__ import annotations

import random
import struct

from dnsdisco.wire import name

QNAME = name.from_text("www.example.test")
ROOM = 65535
QTYPES = (1, 5, 15, 16, 28, 33, 46, 255)


def question(qtype: int) -> bytes:
    return QNAME + struct.pack("!HH", qtype, 1)


BASE = 12 + len(question(1))


def record(owner: bytes, rtype: int, rdata: bytes, ttl: int = 60) -> bytes:
    return owner + struct.pack("!HHIH", rtype, 1, ttl, len(rdata)) + rdata


def pointer(at: int) -> bytes:
    return struct.pack("!H", 0xC000 | at)


def message(qtype: int, *sections: list[bytes], rcode: int = 0) -> bytes:
    counts = [len(section) for section in (*sections, [], [], [])[:3]]
    return struct.pack("!HBBHHHH", 0, 0x81, 0x80 | rcode, 1, *counts) + question(qtype) + b"".join(map(b"".join, sections))


def labels(count: int) -> bytes:
    return b"\1a" * count


def ladder(at: int) -> tuple[bytes, list[int]]:
    """Octets to stand at *at*: names of ever more labels, each a pointer to the one before, up to what is just allowed; where each begins."""
    octets, begins = labels(3) + b"\0", [at]
    for _ in range(14):
        begins.append(at + len(octets))
        octets += labels(7) + pointer(begins[-2])
    return octets, begins


def repeated(one: bytes, before: int = 0, most: int = 65535) -> list[bytes]:
    return [one] * min((ROOM - BASE - before) // len(one), most)


def worst() -> dict[str, bytes]:
    """By what each tries."""
    head = len(record(b"\0", 16, b""))
    octets, begins = ladder(BASE + head)
    chain = record(b"\0", 16, octets)
    deep = pointer(begins[-1])
    long = labels(126) + b"\0"
    most = 2047
    return {
        "many records": message(1, repeated(record(b"\xc0\x0c", 1, b"\1\2\3\4"))),
        "as many as are read": message(1, repeated(record(b"\xc0\x0c", 1, b"\1\2\3\4"), most=2048)),
        "the smallest records": message(1, repeated(record(b"\0", 1, b""))),
        "owners at the end of a chain of pointers": message(1, [chain, *repeated(record(deep, 1, b""), len(chain), most)]),
        "aliases at the end of a chain": message(1, [chain, *repeated(record(deep, 5, deep), len(chain), most)]),
        "owners of many labels": message(1, repeated(record(long, 1, b""))),
        "owners all different": message(
            1, [chain, *(record(pointer(BASE + head + at), 1, b"") for at in range(0, len(octets), 2) for _ in range(17))]
        ),
        "names in the data": message(15, [chain, *repeated(record(b"\xc0\x0c", 15, b"\0\1" + deep), len(chain), most)]),
        "names in the data, everything asked": message(
            255, [chain, *repeated(record(b"\xc0\x0c", 15, b"\0\1" + deep), len(chain), most)]
        ),
        "signatures": message(1, repeated(record(b"\xc0\x0c", 46, b"\0\1" + bytes(17) + b"s"), most=2048)),
        "denials": message(1, [], [chain, *repeated(record(deep, 47, b"\0\0\0"), len(chain), most)]),
        "zones that might enclose the name": message(
            1, [], [chain, *repeated(record(deep, 6, b"\0\0" + bytes(20)), len(chain), most)], rcode=3
        ),
        "origins of an alias": message(
            1, [record(b"\xc0\x0c", 5, b"\1x\xc0\x10"), *repeated(record(b"\xc0\x10", 39, labels(100) + b"\0"), 64)]
        ),
        "many small labels in front of everything": message(1, repeated(record(labels(20) + b"\xc0\x0c", 1, b""), most=2048)),
    }


class Replies:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def large(self) -> bytes:
        """Up to 64 KiB of records whose owners and data point anywhere backwards, at names, at labels, at pointers."""
        source = self._random
        qtype = source.choice(QTYPES)
        octets, begins = ladder(BASE + len(record(b"\0", 16, b"")))
        first = record(b"\0", 16, octets)
        targets = [12, *begins, *(begin + 2 * source.randrange(7) for begin in begins)]
        records, size = [first], len(first)
        most = source.choice((100, 2048, 2048, 4000))
        rtypes = (qtype, qtype, 5, 39, 46, 47, source.choice((1, 2, 6, 15, 33, 50, 65000)))
        while len(records) < most:
            own = labels(source.choice((0, 0, 0, 1, 3, 60)))
            owner = own + source.choice((b"\0", b"\xc0\x0c", b"\xc0\x0c", pointer(source.choice(targets))))
            data = source.choice((b"", b"\1\2\3\4", b"\xc0\x0c", pointer(source.choice(targets)), labels(90) + b"\0"))
            one = record(
                owner, source.choice(rtypes), source.choice((b"", b"\0\1", bytes(18))) + data, source.choice((0, 60, 1 << 31))
            )
            if BASE + size + len(one) > ROOM:
                break
            records.append(one)
            size += len(one)
        cut = source.choice((0, len(records), source.randrange(len(records))))
        return message(qtype, records[:cut], records[cut:], rcode=source.choice((0, 0, 0, 3)))
