"""Odd and malformed input, one row a probe: its octets, and what is to come back. docs/odd-input.md is made from this table.

`expected`: "-" for silence, else the rcode's name; `shape` says more where more is promised.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

ZONE = "svc.local"


class Probe(NamedTuple):
    title: str
    message: bytes
    expected: str
    source: str
    shape: Callable[[bytes], bool] = lambda reply: True


def name(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in text.split(".") if label) + b"\0"


def header(flags: int = 0x0100, counts: tuple[int, int, int, int] = (1, 0, 0, 0)) -> bytes:
    return struct.pack("!HHHHHH", 0x1234, flags, *counts)


def question(qname: bytes | None = None, qtype: int = 1, qclass: int = 1, zone: str = ZONE) -> bytes:
    return (name(f"web.{zone}") if qname is None else qname) + struct.pack("!HH", qtype, qclass)


def opt(options: bytes = b"", *, size: int = 1232, ttl: int = 0, owner: bytes = b"\0", length: int | None = None) -> bytes:
    return owner + struct.pack("!HHIH", 41, size, ttl, len(options) if length is None else length) + options


def option(code: int, octets: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("!HH", code, len(octets) if length is None else length) + octets


def soa(rtype: int = 6) -> bytes:
    """Of the question's name."""
    return b"\xc0\x0c" + struct.pack("!HHIH", rtype, 1, 0, 24) + b"\xc0\x0c\xc0\x0c" + struct.pack("!5I", 1, 2, 3, 4, 5)


def tsig(key: str = "key.example") -> bytes:
    algorithm = name("hmac-sha256")
    rdata = algorithm + bytes(6) + struct.pack("!HH", 300, 32) + bytes(32) + struct.pack("!HHH", 0x1234, 0, 0)
    return name(key) + struct.pack("!HHIH", 250, 255, 0, len(rdata)) + rdata


def rcode_of(reply: bytes) -> int:
    """With its extended bits, if there is an OPT record at the end of a reply without other additional records."""
    return reply[3] & 15


def _counts(reply: bytes) -> tuple[int, ...]:
    return struct.unpack("!4H", reply[4:12])


def _bare(reply: bytes) -> bool:
    return len(reply) == 12 and not reply[2] & 0x07 and not reply[3] & 0xF0


def _no_question(reply: bytes) -> bool:
    return _counts(reply)[0] == 0


def _has_opt(reply: bytes) -> bool:
    return _counts(reply)[3] == 1


def _answers(count: int) -> Callable[[bytes], bool]:
    return lambda reply: _counts(reply)[1] == count


def _cookie(reply: bytes) -> bool:
    return b"\0\x0a\0\x1812345678\1\0\0\0" in reply


def long_name(octets: int, zone: str) -> bytes:
    """A name of so many octets, in *zone*."""
    end = name(zone)
    labels = []
    left = octets - len(end)
    while left:
        length = min(63, left - 1) if left != 65 else 62  # never a last label without an octet
        labels.append(bytes((length,)) + bytes((ord("a") + len(labels),)) * length)
        left -= 1 + length
    return b"".join(labels) + end


def probes(zone: str = ZONE) -> list[Probe]:
    """The table for *zone*, where `web` has one address, and `auth` nothing below it."""

    def ask(qname: bytes | None = None, qtype: int = 1, qclass: int = 1) -> bytes:
        return question(qname, qtype, qclass, zone)

    def with_opt(record: bytes) -> bytes:
        return header(counts=(1, 0, 0, 1)) + ask() + record

    address = name(f"web.{zone}") + struct.pack("!HHIH", 1, 1, 5, 4) + bytes((192, 0, 2, 1))
    return [
        # nothing that could be answered
        Probe("empty datagram", b"", "-", "RFC 1035 §4.1.1"),
        Probe("11 octets", header()[:11], "-", "RFC 1035 §4.1.1"),
        Probe("a reply (QR=1)", header(0x8180) + ask(), "-", "RFC 1035 §7.3"),
        Probe("a FORMERR reply", header(0x8181, (0, 0, 0, 0)), "-", "RFC 1035 §7.3"),
        # the question
        Probe("header only, QDCOUNT=0", header(counts=(0, 0, 0, 0)), "FORMERR", "RFC 9619 §4", _no_question),
        Probe(
            "QDCOUNT=0 with a client cookie",
            header(counts=(0, 0, 0, 1)) + opt(option(10, b"12345678")),
            "NOERROR",
            "RFC 7873 §5.4",
            _cookie,
        ),
        *(
            Probe(
                f"QDCOUNT=0 with {title}",
                header(counts=(0, 0, 0, 1)) + opt(option(10, b"12345678" + server)),
                "BADCOOKIE",
                "RFC 7873 §5.4",
                _cookie,
            )
            for title, server in (
                ("a server cookie of another make", b"another!"),
                ("a server cookie that no server made", b"\1\0\0\0" + bytes(12)),
                ("a server cookie of 32 octets", bytes(32)),
            )
        ),
        Probe("QDCOUNT=0 with an OPT without cookie", header(counts=(0, 0, 0, 1)) + opt(), "FORMERR", "RFC 9619 §4", _has_opt),
        Probe("QDCOUNT=1, no question", header(), "FORMERR", "RFC 1035 §4.1.2", _no_question),
        Probe("question cut in its name", header() + name(f"web.{zone}")[:6], "FORMERR", "RFC 1035 §4.1.2", _no_question),
        Probe("question cut in its class", header() + ask()[:-1], "FORMERR", "RFC 1035 §4.1.2", _no_question),
        Probe("two questions", header(counts=(2, 0, 0, 0)) + ask() * 2, "FORMERR", "RFC 9619 §4"),
        Probe("QDCOUNT=2, one question", header(counts=(2, 0, 0, 0)) + ask(), "FORMERR", "RFC 9619 §4"),
        Probe("QDCOUNT=65535", header(counts=(65535, 0, 0, 0)) + ask(), "FORMERR", "RFC 9619 §4"),
        Probe("an octet of garbage at the end", header() + ask() + b"\0", "FORMERR", "RFC 1035 §4.1"),
        Probe("200 octets of garbage at the end", header() + ask() + b"\xff" * 200, "FORMERR", "RFC 1035 §4.1"),
        Probe("a pointer to itself as name", header() + ask(b"\xc0\x0c"), "FORMERR", "RFC 1035 §4.1.4", _no_question),
        Probe("a forward pointer as name", header() + ask(b"\xc0\x20"), "FORMERR", "RFC 1035 §4.1.4", _no_question),
        Probe("a pointer into the header", header() + ask(b"\x03web\xc0\x00"), "FORMERR", "RFC 1035 §4.1.4", _no_question),
        Probe("label type 01 (64 octets)", header() + ask(b"\x40" + b"a" * 64 + b"\0"), "FORMERR", "RFC 6891 §5", _no_question),
        Probe("label type 10", header() + ask(b"\x80" + b"a" * 10 + b"\0"), "FORMERR", "RFC 1035 §4.1.4", _no_question),
        Probe("name of 256 octets", header() + ask(long_name(256, zone)), "FORMERR", "RFC 1035 §2.3.4", _no_question),
        Probe("name of 255 octets", header() + ask(long_name(255, zone)), "NXDOMAIN", "RFC 1035 §2.3.4"),
        Probe("label with NUL", header() + ask(b"\x03a\0b" + name(zone)), "NXDOMAIN", "RFC 2181 §11"),
        Probe("label with 0xff", header() + ask(b"\x03a\xffb" + name(zone)), "NXDOMAIN", "RFC 2181 §11"),
        Probe("label with a dot", header() + ask(b"\x07x.y.web" + name(zone)), "NXDOMAIN", "RFC 2181 §11"),
        Probe("label with a space", header() + ask(b"\x03a b" + name(zone)), "NXDOMAIN", "RFC 2181 §11"),
        Probe("the root", header() + ask(b"\0", 2), "REFUSED", "no upstream in this table"),
        # records that are not for a query
        Probe("a record in the answer section", header(counts=(1, 1, 0, 0)) + ask() + address, "FORMERR", "RFC 1035 §4.1"),
        Probe("a record in the authority section", header(counts=(1, 0, 1, 0)) + ask() + address, "FORMERR", "RFC 1035 §4.1"),
        Probe(
            "an A record in the additional section",
            header(counts=(1, 0, 0, 1)) + ask() + address,
            "NOERROR",
            "RFC 1035 §4.1",
            _answers(1),
        ),
        Probe("three additional records", header(counts=(1, 0, 0, 3)) + ask() + address * 3, "FORMERR", "bound of our own"),
        Probe(
            "an additional record with a name of 256 octets",
            header(counts=(1, 0, 0, 1)) + ask() + long_name(256, zone) + struct.pack("!HHIH", 1, 1, 0, 0),
            "FORMERR",
            "RFC 1035 §2.3.4",
        ),
        Probe("ARCOUNT=1, no record", header(counts=(1, 0, 0, 1)) + ask(), "FORMERR", "RFC 1035 §4.1"),
        Probe("an additional record cut short", header(counts=(1, 0, 0, 1)) + ask() + address[:-2], "FORMERR", "RFC 1035 §4.1"),
        Probe("ANCOUNT=65535, no record", header(counts=(1, 65535, 0, 0)) + ask(), "FORMERR", "RFC 1035 §4.1"),
        # EDNS
        Probe("two OPT records", header(counts=(1, 0, 0, 2)) + ask() + opt() * 2, "FORMERR", "RFC 6891 §6.1.1", _has_opt),
        Probe("OPT not at the root", with_opt(opt(owner=name("x"))), "FORMERR", "RFC 6891 §6.1.2", _has_opt),
        Probe("OPT in the answer section", header(counts=(1, 1, 0, 0)) + ask() + opt(), "FORMERR", "RFC 6891 §6.1.1"),
        Probe("OPT with RDLENGTH past the end", with_opt(opt(b"", length=20)), "FORMERR", "RFC 6891 §6.1.2"),
        Probe("option past its record", with_opt(opt(option(3, b"", length=9))), "FORMERR", "RFC 6891 §6.1.2", _has_opt),
        Probe("option cut in its header", with_opt(opt(b"\0\3\0")), "FORMERR", "RFC 6891 §6.1.2", _has_opt),
        Probe("OPT with size 0", with_opt(opt(size=0)), "NOERROR", "RFC 6891 §6.2.3", _has_opt),
        Probe("OPT with size 65535", with_opt(opt(size=65535)), "NOERROR", "RFC 6891 §6.2.5", _has_opt),
        Probe("EDNS version 1", with_opt(opt(ttl=1 << 16)), "BADVERS", "RFC 6891 §6.1.3", _has_opt),
        Probe("EDNS version 255", with_opt(opt(ttl=255 << 16)), "BADVERS", "RFC 6891 §6.1.3", _has_opt),
        Probe("unknown EDNS flags", with_opt(opt(ttl=0x40)), "NOERROR", "RFC 6891 §6.1.4", lambda reply: reply[-4:-2] == b"\0\0"),
        Probe(
            "unknown option 100",
            with_opt(opt(option(100, b"x"))),
            "NOERROR",
            "RFC 6891 §6.1.2",
            lambda reply: reply[-2:] == b"\0\0",
        ),
        Probe("300 options", with_opt(opt(option(100) * 300)), "NOERROR", "RFC 6891 §6.1.2", _has_opt),
        Probe("513 options", with_opt(opt(option(100) * 513)), "FORMERR", "bound of our own", _has_opt),
        Probe("cookie of 4 octets", with_opt(opt(option(10, b"1234"))), "FORMERR", "RFC 7873 §5.2.2", _has_opt),
        Probe("cookie of 8 octets", with_opt(opt(option(10, b"12345678"))), "NOERROR", "RFC 9018 §4", _cookie),
        Probe("cookie of 9 octets", with_opt(opt(option(10, b"123456789"))), "FORMERR", "RFC 7873 §5.2.2", _has_opt),
        Probe("cookie of 41 octets", with_opt(opt(option(10, b"1" * 41))), "FORMERR", "RFC 7873 §5.2.2", _has_opt),
        Probe(
            "client subnet of an unknown family",
            with_opt(opt(option(8, b"\0\x63\x20\0abcd"))),
            "NOERROR",
            "RFC 7871 §7.1",
            _has_opt,
        ),
        Probe(
            "NSID twice", with_opt(opt(option(3) * 2)), "NOERROR", "RFC 5001 §2.1", lambda reply: reply.count(b"\0\3\0\4here") == 1
        ),
        Probe("keepalive over UDP", with_opt(opt(option(11))), "NOERROR", "RFC 7828 §3.2", lambda reply: reply[-2:] == b"\0\0"),
        # header bits
        Probe("TC=1", header(0x0300) + ask(), "NOERROR", "RFC 8906 §8.1.3", _answers(1)),
        Probe("AA=1", header(0x0500) + ask(), "NOERROR", "RFC 8906 §8.1.3", _answers(1)),
        Probe("Z=1", header(0x0140) + ask(), "NOERROR", "RFC 8906 §8.1.3.3", lambda reply: not reply[3] & 0x40),
        Probe("AD=1, CD=1", header(0x0130) + ask(), "NOERROR", "RFC 6840 §5.7", lambda reply: reply[3] & 0x30 == 0x10),
        # other operations
        *(
            Probe(f"opcode {opcode}", header(opcode << 11 | 0x0700 | 0x00F0, (0, 0, 0, 0)), "NOTIMP", "RFC 8906 §8.1.4", _bare)
            for opcode in (1, 2, 3, 6, 7, 15)
        ),
        Probe("NOTIFY", header(4 << 11 | 0x0400) + ask(name(zone), 6), "REFUSED", "RFC 1996 §3", _bare),
        Probe(
            "NOTIFY with its SOA",
            header(4 << 11 | 0x0400, (1, 1, 0, 0)) + ask(name(zone), 6) + soa(),
            "REFUSED",
            "RFC 1996 §3.7",
            _bare,
        ),
        Probe("UPDATE", header(5 << 11) + ask(name(zone), 6), "REFUSED", "RFC 2136 §3", _bare),
        Probe("UPDATE with a change", header(5 << 11, (1, 0, 1, 0)) + ask(name(zone), 6) + soa(), "REFUSED", "RFC 2136 §3", _bare),
        # classes and types
        Probe("class CH, another name", header() + ask(name("authors.bind"), 16, 3), "REFUSED", "RFC 4892 §2"),
        Probe("class ANY", header() + ask(qclass=255), "REFUSED", "RFC 6895 §3.2"),
        Probe("class NONE", header() + ask(qclass=254), "REFUSED", "RFC 6895 §3.2"),
        Probe("class 42", header() + ask(qclass=42), "REFUSED", "RFC 6895 §3.2"),
        Probe("class 0", header() + ask(qclass=0), "REFUSED", "RFC 6895 §3.2"),
        Probe("qtype 0", header() + ask(qtype=0), "FORMERR", "RFC 6895 §3.1"),
        *(
            Probe(f"qtype {title}", header() + ask(qtype=qtype), "FORMERR", "RFC 6895 §3.1")
            for title, qtype in (("OPT", 41), ("TSIG", 250), ("TKEY", 249))
        ),
        Probe("qtype ANY", header() + ask(qtype=255), "NOERROR", "RFC 8482 §4.2", _answers(1)),
        Probe("AXFR over UDP", header() + ask(name(zone), 252), "REFUSED", "RFC 5936 §4.2"),
        Probe("IXFR", header() + ask(name(zone), 251), "REFUSED", "RFC 1995 §4"),
        Probe("IXFR with the client's SOA", header(counts=(1, 0, 1, 0)) + ask(name(zone), 251) + soa(), "REFUSED", "RFC 1995 §3"),
        Probe(
            "IXFR with the client's SOA and OPT",
            header(counts=(1, 0, 1, 1)) + ask(name(zone), 251) + soa() + opt(),
            "REFUSED",
            "RFC 1995 §3",
            _has_opt,
        ),
        Probe("IXFR with two SOA", header(counts=(1, 0, 2, 0)) + ask(name(zone), 251) + 2 * soa(), "FORMERR", "RFC 1995 §3"),
        Probe("IXFR with an A", header(counts=(1, 0, 1, 0)) + ask(name(zone), 251) + soa(rtype=1), "FORMERR", "RFC 1995 §3"),
        Probe("IXFR, its SOA cut short", header(counts=(1, 0, 1, 0)) + ask(name(zone), 251) + soa()[:-1], "FORMERR", "RFC 1995 §3"),
        Probe("AXFR with an SOA", header(counts=(1, 0, 1, 0)) + ask(name(zone), 252) + soa(), "FORMERR", "RFC 5936 §2.1"),
        Probe("A with an SOA", header(counts=(1, 0, 1, 0)) + ask() + soa(), "FORMERR", "RFC 1035 §4.1.1"),
        Probe("RRSIG", header() + ask(qtype=46), "NOERROR", "RFC 4035 §3.1", _answers(0)),
        Probe("type 65535", header() + ask(qtype=65535), "NOERROR", "RFC 3597 §3", _answers(0)),
        Probe(
            "TSIG with an unknown key",
            header(counts=(1, 0, 0, 1)) + ask() + tsig(),
            "NOTAUTH",
            "RFC 8945 §5.2.1",
            lambda reply: b"\0\x11\0\0" in reply[-6:],
        ),
        Probe("TSIG before OPT", header(counts=(1, 0, 0, 2)) + ask() + tsig() + opt(), "FORMERR", "RFC 8945 §5.1"),
        Probe(
            "TSIG cut short",
            header(counts=(1, 0, 0, 1)) + ask() + name("k") + struct.pack("!HHIH", 250, 255, 0, 2) + b"\0\0",
            "FORMERR",
            "RFC 8945 §5.1",
        ),
        Probe("empty non-terminal", header() + ask(name(f"_tcp.web.{zone}")), "NOERROR", "RFC 4592 §2.2.2", _answers(0)),
        Probe("below a name without records below it", header() + ask(name(f"x.y.auth.{zone}")), "NXDOMAIN", "RFC 8020 §2"),
        Probe("localhost", header() + ask(name("localhost")), "NOERROR", "RFC 6761 §6.3", _answers(1)),
        Probe("x.invalid", header() + ask(name("x.invalid")), "NXDOMAIN", "RFC 6761 §6.4"),
        Probe("x.onion", header() + ask(name("x.onion")), "NXDOMAIN", "RFC 7686 §2"),
    ]


PROBES = probes()
