"""What a message is to be answered with, read off its octets by rules of this file's own (docs/odd-input.md, docs/design.md), and the judge of the reply.

It knows the services of tests/kit.py, which have no upstream: by the rows of tests/answer/test_rows.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import dns.message
import dns.name
import dns.rdata
import dns.rdatatype

from tests.answer.test_rows import ROWS
from tests.conformance.decoded import AA, AD, CD, decode, Decoded, DO, Malformed, name_at, RA, RD, SOA, TC, Z

NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS, BADCOOKIE = 0, 1, 3, 4, 5, 9, 16, 23
OPT, TKEY, TSIG, IXFR, AXFR, ANY, TXT = 41, 249, 250, 251, 252, 255, 16
NSID, COOKIE, KEEPALIVE, EDE = 3, 10, 11, 15
ZONES = ((b"svc", b"local"), (b"svc", b"internal"))
CHAOS = {(b"version", b"bind"), (b"version", b"server"), (b"id", b"server"), (b"hostname", b"bind")}
SPECIAL = (b"localhost", b"invalid", b"onion", b"alt", b"local", b"arpa")
LOCAL_OCTETS_MAX = 8192
OPTIONS_MAX = 512


class _Fault(Exception):
    """FORMERR."""


@dataclass
class Asked:
    """What could be read. `rcode`: None for silence, -1 for one that the name decides."""

    rcode: int | None = -1
    opcode: int = 0
    question: bytes = b""
    labels: tuple[bytes, ...] = ()
    qtype: int = 0
    qclass: int = 0
    has_opt: bool = False
    size: int = 0
    dnssec_ok: bool = False
    version: int = 0
    cookie: bytes = b""
    options: set[int] = field(default_factory=set)
    has_tsig: bool = False


def read(message: bytes) -> Asked:
    asked = Asked()
    if len(message) < 12 or message[2] & 0x80:
        asked.rcode = None
        return asked
    asked.opcode = message[2] >> 3 & 15
    if asked.opcode:
        asked.rcode = REFUSED if asked.opcode in (4, 5) else NOTIMP
        return asked
    try:
        _sections(message, asked)
    except _Fault:
        asked.rcode = FORMERR
        return asked
    if asked.version:
        asked.rcode = BADVERS
    elif asked.has_tsig:
        asked.rcode = NOTAUTH
    elif not asked.question:  # none of what a fuzzer makes up for a server cookie is ours
        asked.rcode = NOERROR if len(asked.cookie) == 8 else BADCOOKIE
    elif asked.qclass == 3:
        asked.rcode = NOERROR if asked.labels in CHAOS and asked.qtype in (TXT, ANY) else REFUSED
    elif asked.qclass != 1 or asked.qtype in (AXFR, IXFR):
        asked.rcode = REFUSED
    return asked


def _sections(message: bytes, asked: Asked) -> None:
    questions, answers, authorities, additionals = (int.from_bytes(message[at : at + 2], "big") for at in (4, 6, 8, 10))
    at = 12
    if questions > 1:
        raise _Fault
    if questions:
        labels, at = _plain_name(message, at)
        if at + 4 > len(message):
            raise _Fault
        asked.labels = tuple(label.lower() for label in labels)
        asked.qtype, asked.qclass = int.from_bytes(message[at : at + 2], "big"), int.from_bytes(message[at + 2 : at + 4], "big")
        at += 4
        asked.question = message[12:at]
    if answers or authorities > (asked.qtype == IXFR) or additionals > 2:
        raise _Fault
    if authorities:
        rtype, _, at = _record(message, at)
        if rtype != SOA:
            raise _Fault
    for number in range(additionals):
        at = _additional(message, at, asked, is_last=number == additionals - 1)
    if at != len(message) or (not questions and not asked.cookie) or (questions and asked.qtype in (0, OPT, TKEY, TSIG)):
        raise _Fault


def _plain_name(message: bytes, at: int) -> tuple[list[bytes], int]:
    labels, start = [], at
    while True:
        if at >= len(message) or message[at] > 63:
            raise _Fault
        if not message[at]:
            break
        labels.append(message[at + 1 : at + 1 + message[at]])
        at += 1 + message[at]
    if at + 1 - start > 255:
        raise _Fault
    return labels, at + 1


def _record(message: bytes, at: int) -> tuple[int, int, int]:
    """The type of the record at *at*, where its class stands, and where it ends."""
    start = at
    while at < len(message) and message[at] and message[at] < 0xC0:
        if message[at] > 63:
            raise _Fault
        at += 1 + message[at]
    if at >= len(message) or (at + 1 - start > 255 and message[at] == 0):
        raise _Fault
    if at - start >= 255:
        raise _Fault
    at += 1 if not message[at] else 2
    if at + 10 > len(message):
        raise _Fault
    end = at + 10 + int.from_bytes(message[at + 8 : at + 10], "big")
    if end > len(message):
        raise _Fault
    return int.from_bytes(message[at : at + 2], "big"), at + 2, end


def _additional(message: bytes, at: int, asked: Asked, *, is_last: bool) -> int:
    start = at
    rtype, at, end = _record(message, start)
    data = at + 8
    if rtype == OPT:
        if asked.has_opt:
            raise _Fault
        asked.has_opt, asked.size = True, 512
        if message[start]:
            raise _Fault
        _options(message[data:end], asked)
        asked.size = int.from_bytes(message[at : at + 2], "big")
        asked.version, asked.dnssec_ok = message[at + 3], bool(message[at + 4] & 0x80)
    elif rtype == TSIG:
        if not is_last:
            raise _Fault
        try:
            name_at(message, start)
            _, after = name_at(message, data)
        except Malformed:
            raise _Fault from None
        if after + 10 > end or _pointers(message, start) > 16 or _pointers(message, data) > 16:
            raise _Fault
        asked.has_tsig = True
    return end


def _pointers(message: bytes, at: int) -> int:
    count = 0
    while message[at]:
        if message[at] >= 0xC0:
            count += 1
            at = (message[at] & 0x3F) << 8 | message[at + 1]
        else:
            at += 1 + message[at]
    return count


def _options(octets: bytes, asked: Asked) -> None:
    at = count = 0
    cookie = b""
    seen = set()
    while at < len(octets):
        count += 1
        if count > OPTIONS_MAX or at + 4 > len(octets):
            raise _Fault
        code, length = int.from_bytes(octets[at : at + 2], "big"), int.from_bytes(octets[at + 2 : at + 4], "big")
        at += 4 + length
        if at > len(octets):
            raise _Fault
        if code == COOKIE and not cookie:
            if length != 8 and not 16 <= length <= 40:
                raise _Fault
            cookie = octets[at - length : at]
        seen.add(code)
    asked.cookie, asked.options = cookie, seen


# names


def _rows() -> dict[tuple[tuple[bytes, ...], int], tuple[int, set[tuple[int, bytes]] | None]]:
    table = {}
    for text, rtype, expected in ROWS:
        labels = tuple(label.encode() for label in text.split("."))
        number = int(dns.rdatatype.from_text(rtype))
        if expected is None:
            continue
        if isinstance(expected, str):
            table[labels, number] = (NXDOMAIN if expected == "NXDOMAIN" else NOERROR, set())
            continue
        records = set()
        for line in expected:
            _, kind, data = line.split(" ", 2)
            rdata = dns.rdata.from_text("IN", kind, data, origin=dns.name.root, relativize=False)
            records.add((int(rdata.rdtype), rdata.to_digestable()))
        table[labels, number] = (NOERROR, records)
    return table


TRUTH = _rows()
EXISTING = {labels for (labels, _), (rcode, _) in TRUTH.items() if rcode == NOERROR}


def judge(message: bytes, reply: bytes | None, *, is_tcp: bool) -> str:
    """What is wrong with *reply* to *message*; "" when nothing is."""
    asked = read(message)
    if reply is None or asked.rcode is None:
        return "" if reply is None and asked.rcode is None else "a reply where silence is due" if reply else "no reply"
    try:
        found = decode(reply)
        dns.message.from_wire(reply, keyring=False, ignore_trailing=False)
    except Exception as error:  # noqa: BLE001  whichever parser says whatever of it
        return f"cannot be read: {error!r}"
    if found.id != int.from_bytes(message[:2], "big") or not found.flags & 0x8000 or found.opcode != asked.opcode:
        return "id, QR or opcode"
    if asked.opcode:
        bits = found.flags & ~(0x8000 | 0x7800)
        return "" if len(reply) == 12 and bits == asked.rcode else "an operation's reply with more than its rcode"
    return (
        _flags(message, asked, found)
        or _edns(asked, found, is_tcp=is_tcp)
        or _size(asked, found, is_tcp=is_tcp)
        or _answer(asked, found)
    )


def _flags(message: bytes, asked: Asked, found: Decoded) -> str:
    sent = message[2] << 8 | message[3]
    if (found.flags ^ sent) & (RD | CD):
        return "RD or CD is not copied"
    if found.flags & (Z | RA | AD):
        return "Z, RA or AD is set"
    if found.question != asked.question:
        return "another question"
    if bool(found.flags & AA) != (asked.question != b"" and found.rcode in (NOERROR, NXDOMAIN)):
        return "AA"
    return ""


def _edns(asked: Asked, found: Decoded, *, is_tcp: bool) -> str:
    if (found.opt is not None) != asked.has_opt:
        return "an OPT record too many or too few"
    if found.opt is None:
        return ""
    if found.opt.version or found.opt.flags & ~DO:
        return "EDNS version or flags"
    if asked.rcode != FORMERR and bool(found.opt.flags & DO) != asked.dnssec_ok:
        return "DO is not copied"
    for code, octets in found.opt.options:
        if code == COOKIE and (len(octets) != 24 or octets[:8] != asked.cookie[:8]):
            return "a cookie that is none"
        if (
            code not in (EDE, COOKIE, NSID, KEEPALIVE)
            or (code != EDE and code not in asked.options)
            or (code == KEEPALIVE and not is_tcp)
        ):
            return f"option {code}"
    codes = [code for code, _ in found.opt.options]
    if asked.rcode != FORMERR and (COOKIE in codes) != bool(asked.cookie):
        return "a cookie without an answer"
    return "" if all(codes.count(code) == 1 for code in codes if code != EDE) else "an option twice"


def _size(asked: Asked, found: Decoded, *, is_tcp: bool) -> str:
    limit = 65535 if is_tcp else min(max(asked.size, 512), LOCAL_OCTETS_MAX) if asked.has_opt else 512
    tsig = sum(len(record.spelled) + 10 + len(record.data) for record in found.additional if record.rtype == TSIG)
    if len(found.octets) - tsig > limit:
        return f"{len(found.octets)} octets where {limit} fit"
    return "TC over TCP" if is_tcp and found.flags & TC else ""


def _answer(asked: Asked, found: Decoded) -> str:
    if asked.rcode != -1:
        if found.rcode != asked.rcode:
            return f"rcode {found.rcode}, not {asked.rcode}"
        has_records = bool(found.answer or found.authority)
        return "records beside a fault" if has_records and asked.rcode != NOERROR else ""
    labels = asked.labels
    if found.rcode == NXDOMAIN and labels in EXISTING:
        return "a name that exists is denied"
    if (
        found.rcode in (NOERROR, NXDOMAIN)
        and not found.answer
        and not any(r.rtype == SOA for r in found.authority)
        and not found.flags & TC
    ):
        return "a denial without SOA"
    if any(record.owner != found.answer[0].owner and record.owner not in _targets(found) for record in found.answer):
        return "an owner that nobody asked for"
    truth = TRUTH.get((labels, asked.qtype))
    if truth is not None:
        rcode, records = truth
        if found.rcode != rcode:
            return f"rcode {found.rcode}, not {rcode}"
        if {(record.rtype, record.data) for record in found.answer} != records and not found.flags & TC:
            return "other records"
        return ""
    if any(labels[len(labels) - 2 :] == zone for zone in ZONES) or (labels[-1:] and labels[-1] in SPECIAL):
        return "" if found.rcode in (NOERROR, NXDOMAIN) or labels[-1] == b"arpa" else f"rcode {found.rcode}"
    # `elsewhere.svc.local` and the like need an upstream, and there is none.
    return "" if found.rcode == REFUSED else f"rcode {found.rcode} for a name that is not ours"


def _targets(found: Decoded) -> set[bytes]:
    return {record.data for record in found.answer if record.rtype == 5}
