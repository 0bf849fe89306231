"""Questions drawn from a seed: names that exist, nearly exist and do not, in any spelling, of any type, with any flags and sizes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.conformance.decoded import AD, CD, DO, RD
from tests.conformance.probes import header, opt
from tests.conformance.zonedata import ZoneData

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, NAPTR, DS, RRSIG, DNSKEY, HTTPS, ANY, CAA = (
    1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 35, 43, 46, 48, 65, 255, 257,
)  # fmt: skip
_COMMON = (A, A, A, AAAA, AAAA, SRV, SRV, TXT, CNAME, MX)
_SELDOM = (NS, SOA, PTR, HINFO, NAPTR, DS, RRSIG, DNSKEY, HTTPS, ANY, CAA, 17, 44, 64, 666, 65280, 65534)
_LABELS = (b"nothere", b"a", b"_tcp", b"_udp", b"all", b"v1", b"*", b"\0", b"\xff\x20", b"x.y", b"w" * 63, b"www", b"123")


@dataclass(frozen=True)
class Asked:
    """`qname`: wire form, as spelled. `size`: of the OPT record; None: no EDNS."""

    number: int
    qname: bytes
    qtype: int
    flags: int
    size: int | None
    dnssec_ok: bool
    is_tcp: bool

    def message(self) -> bytes:
        question = self.qname + self.qtype.to_bytes(2, "big") + b"\0\1"
        octets = header(self.flags, (1, 0, 0, 0 if self.size is None else 1)) + question
        octets = (self.number & 0xFFFF).to_bytes(2, "big") + octets[2:]
        return octets if self.size is None else octets + opt(size=self.size, ttl=DO if self.dnssec_ok else 0)

    def __str__(self) -> str:
        flags = "".join(f" {name}" for name, bit in (("rd", RD), ("ad", AD), ("cd", CD)) if self.flags & bit)
        edns = "" if self.size is None else f" edns {self.size}{' do' if self.dnssec_ok else ''}"
        return f"#{self.number} {shown(self.qname)} TYPE{self.qtype}{flags}{edns} {'tcp' if self.is_tcp else 'udp'}"


def shown(name: bytes) -> str:
    """As in a master file."""
    text, at = "", 0
    while length := name[at]:
        label = name[at + 1 : at + 1 + length]
        text += "".join(chr(o) if 0x21 <= o < 0x7F and o not in b'.\\;"()' else f"\\{o:03d}" for o in label) + "."
        at += 1 + length
    return text or "."


def generate(data: ZoneData, seed: int, count: int, *, is_recursive: bool) -> Iterator[Asked]:
    """*count* questions; the same *seed* gives the same ones. *is_recursive*: to be forwarded, so mostly with RD."""
    source = random.Random(seed)
    zone = labels_of(data.zone)
    owners = sorted({(*labels_of(record.owner), *zone) for record in data.records} | {zone, (b"ns", b"dns", *zone)})
    for number in range(count):
        labels = _name(source, owners, zone)
        rd = RD if source.random() < (0.97 if is_recursive else 0.5) else 0
        size = source.choice((None, 512, 1232, 1232, 1232, 1220, 900))
        yield Asked(
            number,
            _spelled(source, labels),
            source.choice(_COMMON if source.random() < 0.75 else _SELDOM),
            rd | (AD if source.random() < 0.1 else 0) | (CD if source.random() < 0.1 else 0),
            size,
            size is not None and source.random() < 0.3,
            source.random() < 0.15,
        )


def _name(source: random.Random, owners: list[tuple[bytes, ...]], zone: tuple[bytes, ...]) -> tuple[bytes, ...]:
    owner = source.choice(owners)
    kind = source.random()
    if kind < 0.55:
        return owner
    if kind < 0.65:  # above one that is there: an empty non-terminal, or another name
        return owner[min(source.randrange(1, 3), len(owner) - len(zone)) :]
    if kind < 0.8:  # below one
        return _bounded((*(source.choice(_LABELS) for _ in range(source.randrange(1, 3))), *owner))
    if kind < 0.9:  # nowhere
        return _bounded((*(source.choice(_LABELS) for _ in range(source.randrange(1, 4))), *zone))
    if kind < 0.97 and len(owner) > len(zone):  # beside one: a label put differently
        label = bytearray(owner[0])
        label[source.randrange(len(label))] = source.choice(b"abc0-_ .\0\xff")
        return (bytes(label), *owner[1:])
    return source.choice(((b"www", b"elsewhere", b"example"), (b"example",), zone[1:], (), (b"x" + zone[0], *zone[1:])))


def _bounded(labels: tuple[bytes, ...]) -> tuple[bytes, ...]:
    while sum(map(len, labels)) + len(labels) + 1 > 255:
        labels = labels[1:]
    return labels


def _spelled(source: random.Random, labels: tuple[bytes, ...]) -> bytes:
    """In wire form, one time in four with letters of either case."""
    octets = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if source.random() >= 0.25:
        return octets
    mixed = bytes(o ^ 0x20 if chr(o).isascii() and chr(o).isalpha() and source.random() < 0.5 else o for o in octets)
    return _with_lengths(mixed, labels)


def _with_lengths(octets: bytes, labels: tuple[bytes, ...]) -> bytes:
    """*octets* with the length octets of *labels*: 65 is a letter, too."""
    whole, at = bytearray(octets), 0
    for label in labels:
        whole[at] = len(label)
        at += 1 + len(label)
    return bytes(whole)


def labels_of(text: str) -> tuple[bytes, ...]:
    r"""Of a name in presentation form, `\.` and `\DDD` read; lower case."""
    labels, label, at = [], bytearray(), 0
    if text in ("", "@"):
        return ()
    while at < len(text):
        if text[at] == "\\":
            if text[at + 1 : at + 4].isdecimal():
                label.append(int(text[at + 1 : at + 4]))
                at += 4
            else:
                label.append(ord(text[at + 1]))
                at += 2
            continue
        if text[at] == ".":
            labels.append(bytes(label))
            label = bytearray()
        else:
            label.append(ord(text[at]))
        at += 1
    return tuple(each.lower() for each in (*labels, bytes(label)) if each)
