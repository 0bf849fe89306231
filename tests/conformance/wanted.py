"""A question of a standard's test list, what its reply has to be, and the judge of both.

`faults` names what is wrong with a reply in the words that the public EDNS compliance test uses: `noaa`, `nosoa`, `echoed`, `mbz` …
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.conformance.decoded import AA, AD, CD, decode, Decoded, DO, Malformed, QR, RA, RD, SOA, TC, Z
from tests.conformance.probes import header, name, opt, option

IN, A = 1, 1
BEYOND = frozenset(("nodo", "nocd"))  # the RFCs ask for it, the public lists (of unsigned data) do not; we do of ourselves
NOERROR, NOTIMP, BADVERS = 0, 4, 16
UNKNOWN_OPTION = 100
NSID, EXPIRE, COOKIE, SUBNET = 3, 9, 10, 8
CLIENT_COOKIE = b"12345678"
# What the four options hold that a server may know: NSID and EXPIRE nothing, a client cookie, the subnet 0.0.0.0/0.
OPTIONS = {
    "nsid": option(NSID),
    "expire": option(EXPIRE),
    "cookie": option(COOKIE, CLIENT_COOKIE),
    "subnet": option(SUBNET, b"\0\1\0\0"),
    "unknown": option(UNKNOWN_OPTION),
}


@dataclass(frozen=True)
class Edns:
    version: int = 0
    flags: int = 0
    size: int = 4096
    options: bytes = b""

    def octets(self) -> bytes:
        return opt(self.options, size=self.size, ttl=self.version << 16 | self.flags)


@dataclass(frozen=True)
class Wanted:
    """`soa`: in the answer section, or not there; None: whatever is right for the type. `max_octets`: over UDP."""

    soa: bool | None = True
    rcode: int = NOERROR
    is_empty: bool = False  # a header and nothing else
    is_flagless: bool = False  # and of its flags only QR
    is_cut: bool = False  # TC over UDP, for more does not fit
    max_octets: int = 65535


@dataclass(frozen=True)
class Asked:
    """One question of a list. *flags*: of the header, without RD. `is_stream`: over TCP, whatever the others use."""

    title: str
    text: str  # what it says in dig's words
    zone: str
    qname: str | None = None
    qtype: int = SOA
    flags: int = 0
    opcode: int = 0
    edns: Edns | None = None
    wanted: Wanted = field(default_factory=Wanted)
    is_stream: bool = False
    is_header_only: bool = False

    def message(self, *, is_recursive: bool) -> bytes:
        flags = self.flags | self.opcode << 11 | (RD if is_recursive and not self.opcode else 0)
        if self.is_header_only:
            return header(flags, (0, 0, 0, 0))
        question = name(self.qname or self.zone) + self.qtype.to_bytes(2, "big") + IN.to_bytes(2, "big")
        if self.edns is None:
            return header(flags, (1, 0, 0, 0)) + question
        return header(flags, (1, 0, 0, 1)) + question + self.edns.octets()


def faults(asked: Asked, octets: bytes | None, *, is_recursive: bool, is_tcp: bool, offers_recursion: bool) -> list[str]:
    """What is wrong with the reply; nothing, if it is as it should be. *offers_recursion*: RA, as the server shows it elsewhere."""
    if octets is None:
        return ["timeout"]
    try:
        reply = decode(octets)
    except Malformed as error:
        return [f"malformed ({error})"]
    sent = asked.message(is_recursive=is_recursive)
    flags = sent[2] << 8 | sent[3]
    found = _header_faults(asked, reply, flags)
    if asked.wanted.is_empty:
        return found + _emptiness_faults(asked.wanted, reply)
    if reply.question != sent[12 : 12 + len(reply.question)] or reply.questions != 1:
        found.append("mismatch")
    found += _flag_faults(asked, reply, flags, is_recursive=is_recursive, is_tcp=is_tcp, offers_recursion=offers_recursion)
    found += _edns_faults(asked, reply)
    wanted = asked.wanted
    if wanted.soa and not reply.has(SOA) and not (wanted.is_cut and not is_tcp):
        found.append("nosoa")
    if wanted.soa is False and reply.has(SOA):
        found.append("soa")
    if not is_tcp and len(octets) > wanted.max_octets:
        found.append("toobig")
    return found


def _header_faults(asked: Asked, reply: Decoded, flags: int) -> list[str]:
    found = []
    if reply.id != 0x1234 or not reply.flags & QR or reply.opcode != flags >> 11 & 15:
        found.append("mismatch")
    if reply.rcode != asked.wanted.rcode:
        found.append(f"rcode {reply.rcode}")
    if reply.flags & Z:
        found.append("z")
    return found


def _emptiness_faults(wanted: Wanted, reply: Decoded) -> list[str]:
    """What an unknown operation is answered with: no section, and no flag, whose meaning for it nobody knows (RFC 8906 §8.1.4)."""
    found = [] if reply.is_empty else ["notempty"]
    bits = {"aa": AA, "tc": TC, "rd": RD, "ra": RA, "ad": AD, "cd": CD} if wanted.is_flagless else {"aa": AA}
    return found + [tag for tag, bit in bits.items() if reply.flags & bit]


def _flag_faults(
    asked: Asked, reply: Decoded, flags: int, *, is_recursive: bool, is_tcp: bool, offers_recursion: bool
) -> list[str]:
    found = []
    is_served = reply.rcode == NOERROR
    if bool(reply.flags & AA) != (is_served and not is_recursive):
        found.append("aa" if reply.flags & AA else "noaa")
    if bool(reply.flags & RD) != bool(flags & RD):
        found.append("rd" if reply.flags & RD else "nord")
    if bool(reply.flags & RA) != offers_recursion and is_served:
        found.append("ra" if reply.flags & RA else "nora")
    if reply.flags & AD:
        found.append("ad")  # nothing here is signed
    if reply.flags & CD and not flags & CD:
        found.append("cd")
    if flags & CD and not reply.flags & CD:
        found.append("nocd")  # RFC 4035 §3.1.6, §3.2.2
    if bool(reply.flags & TC) != (asked.wanted.is_cut and not is_tcp):
        found.append("tc" if reply.flags & TC else "notc")
    return found


def _edns_faults(asked: Asked, reply: Decoded) -> list[str]:
    sent, opt = asked.edns, reply.opt
    if sent is None or opt is None:
        return ["opt"] if opt else ["noopt"] if sent else []
    found = []
    if opt.version:
        found.append("version")
    if opt.flags & ~DO:
        found.append("mbz")
    if opt.flags & DO and not sent.flags & DO:
        found.append("do")
    if sent.flags & DO and not opt.flags & DO:
        found.append("nodo")  # RFC 3225 §3
    if any(code == UNKNOWN_OPTION for code, _ in opt.options):
        found.append("echoed")
    asked_for = {code for code, _ in _options(sent.options)}
    for code, octets in opt.options:
        if code == COOKIE and not (octets[:8] == CLIENT_COOKIE and (16 <= len(octets) <= 40)):
            found.append("badcookie")
        if code in (NSID, COOKIE, SUBNET, EXPIRE) and code not in asked_for:
            found.append(f"unasked {code}")
    return found


def _options(octets: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(octets):
        code, length = int.from_bytes(octets[at : at + 2], "big"), int.from_bytes(octets[at + 2 : at + 4], "big")
        found.append((code, octets[at + 4 : at + 4 + length]))
        at += 4 + length
    return found
