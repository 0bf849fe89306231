"""A reply's octets as plain values for printing (RFC 1035 §4, RFC 6891, RFC 8914)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from dnsdisco.presentation import rdata
from dnsdisco.wire import name
from dnsdisco.wire.constants import EDE, OPT, rcode_to_text, type_to_text
from dnsdisco.wire.parse import places

SECTIONS = {1: "answer", 2: "authority", 3: "additional"}

_FLAGS = {0x8000: "qr", 0x0400: "aa", 0x0200: "tc", 0x0100: "rd", 0x0080: "ra", 0x0020: "ad", 0x0010: "cd"}
_CLASSES = {1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}

EDE_WORDS = {  # RFC 8914 §4 and the IANA registry
    0: "Other", 1: "Unsupported DNSKEY Algorithm", 2: "Unsupported DS Digest Type", 3: "Stale Answer", 4: "Forged Answer",
    5: "DNSSEC Indeterminate", 6: "DNSSEC Bogus", 7: "Signature Expired", 8: "Signature Not Yet Valid", 9: "DNSKEY Missing",
    10: "RRSIGs Missing", 11: "No Zone Key Bit Set", 12: "NSEC Missing", 13: "Cached Error", 14: "Not Ready", 15: "Blocked",
    16: "Censored", 17: "Filtered", 18: "Prohibited", 19: "Stale NXDOMAIN Answer", 20: "Not Authoritative", 21: "Not Supported",
    22: "No Reachable Authority", 23: "Network Error", 24: "Invalid Data", 25: "Signature Expired before Valid", 26: "Too Early",
    27: "Unsupported NSEC3 Iterations Value", 28: "Unable to conform to policy", 29: "Synthesized",
    30: "Invalid Query Type", 31: "Rate Limited", 32: "Over Quota",
}  # fmt: skip


class PrintedRecord(NamedTuple):
    name: str
    type: str
    ttl: int
    data: str
    rclass: str = "IN"

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type, "ttl": self.ttl, "data": self.data}


@dataclass(frozen=True, slots=True)
class QueryResult:
    rcode: str
    flags: tuple[str, ...]
    answer: tuple[PrintedRecord, ...]
    authority: tuple[PrintedRecord, ...]
    additional: tuple[PrintedRecord, ...]  # without the OPT record
    ede: tuple[tuple[int, str], ...]

    @property
    def is_positive(self) -> bool:
        return self.rcode == "NOERROR" and bool(self.answer)


def decode(message: bytes) -> QueryResult:
    """Raises WireError for a message that is not whole. The question is not looked at."""
    flags = int.from_bytes(message[2:4], "big")
    rcode = flags & 15
    sections: dict[str, list[PrintedRecord]] = {section: [] for section in SECTIONS.values()}
    ede: list[tuple[int, str]] = []
    for place in places(message) if message[4:6] != b"\0\0" else ():
        if place.rtype == OPT:
            rcode |= message[place.ttl_at] << 4
            ede += _extended_errors(message[place.data : place.end])
            continue
        owner, _ = name.read(message, place.start)
        sections[SECTIONS[place.section]].append(
            PrintedRecord(
                name.to_text(owner),
                type_to_text(place.rtype),
                int.from_bytes(message[place.ttl_at : place.ttl_at + 4], "big"),
                rdata.text(message, place),
                _CLASSES.get(place.rclass, f"CLASS{place.rclass}"),
            ),
        )
    return QueryResult(
        rcode_to_text(rcode),
        tuple(word for bit, word in _FLAGS.items() if flags & bit),
        tuple(sections["answer"]),
        tuple(sections["authority"]),
        tuple(sections["additional"]),
        tuple(ede),
    )


def _extended_errors(options: bytes) -> list[tuple[int, str]]:
    found = []
    at = 0
    while at + 4 <= len(options):
        code, length = int.from_bytes(options[at : at + 2], "big"), int.from_bytes(options[at + 2 : at + 4], "big")
        data = options[at + 4 : at + 4 + length]
        if code == EDE and len(data) >= 2:
            text = data[2:].decode("utf-8", "replace").rstrip("\0")
            found.append(
                (
                    int.from_bytes(data[:2], "big"),
                    "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text),
                )
            )
        at += 4 + length
    return found
