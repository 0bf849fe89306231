"""The message that goes to an upstream, and the judgement of what comes back (RFC 1035 §4.1, RFC 5452 §9.1, RFC 6891 §6.1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import auto, Enum
from itertools import islice

from dnsdisco.errors import WireError
from dnsdisco.wire.constants import AD, CD, FORMERR, NOTIMP, PADDING, rcode_to_text, RD, REFUSED, SERVFAIL
from dnsdisco.wire.edns import opt_record, option
from dnsdisco.wire.name import NAME_OCTETS_MAX
from dnsdisco.wire.name_reader import NameReader, STEPS_MAX
from dnsdisco.wire.parse import POINTER_TO_QUESTION
from dnsdisco.wire.query import HEADER_OCTETS
from dnsdisco.wire.rdata_forms import check, Form, LONGER, SIZES

SENT_FLAGS = RD | AD | CD  # what of a client's header goes upstream; the rest has no meaning in a query
PADDED_OCTETS = 128  # an encrypted query is padded to a multiple of this (RFC 8467 §4.1)

_OPT = {dnssec_ok: opt_record(dnssec_ok=dnssec_ok) for dnssec_ok in (False, True)}
_UNHELPFUL = frozenset((SERVFAIL, REFUSED))  # another upstream may know better
_REJECTING = frozenset((FORMERR, NOTIMP))  # perhaps of EDNS (RFC 6891 §7)
_ANY, _SOA, _OPT_TYPE = b"\0\xff", b"\0\6", b"\0\x29"
_OPT_HEAD = b"\0\0\x29"  # the root's OPT record


class Verdict(Enum):
    """The relation of a datagram, or of a message on a stream, to the question that was asked."""

    USABLE = auto()
    OVERLONG = auto()  # usable, with octets after its last record, which are to be cut off
    UNHELPFUL = auto()  # SERVFAIL or REFUSED to our question
    LAME = auto()  # no answer, from a server that is neither an authority nor a resolver: a referral, or nothing at all
    REJECTED = (
        auto()
    )  # FORMERR, NOTIMP or BADVERS to our question, or to nothing but our id: perhaps it does not take EDNS (RFC 6891 §7)
    TRUNCATED = auto()
    WRONG = auto()  # not a reply to us: passed over
    NEAR_MISS = auto()  # a reply with a wrong id: an attacker may be guessing (RFC 5452 §9)
    OTHER_CASE = auto()  # our id and our question, but for the case of the name, which was chance: ask where nobody can forge
    DOUBTFUL = auto()  # our id, but no question, or records that cannot be read: the same


def query_tail(question: bytes, flags: int, *, dnssec_ok: bool, has_edns: bool = True, is_padded: bool = False) -> bytes:
    """A query without its id: everything after the first two octets. OPT is our own, never the client's (RFC 6891 §6.1.1)."""
    head = (flags & SENT_FLAGS).to_bytes(2, "big") + (b"\0\1\0\0\0\0\0\1" if has_edns else b"\0\1\0\0\0\0\0\0")
    if not has_edns:
        return head + question
    if not is_padded:
        return head + question + _OPT[dnssec_ok]
    octets = HEADER_OCTETS + len(question) + len(_OPT[dnssec_ok]) + 4
    return head + question + opt_record(option(PADDING, bytes(-octets % PADDED_OCTETS)), dnssec_ok=dnssec_ok)


def judge(reply: bytes, message_id: int, question: bytes, *, is_stream: bool = False, is_mixed: bool = False) -> Verdict:
    """Compare *reply* with what was asked: QR, opcode, id, and the whole question, octet by octet.

    The case of the name counts only where it *is_mixed* by chance: some servers write every name in small letters. Linear in the octets
    of *reply*.
    """
    if len(reply) < HEADER_OCTETS or reply[2] & 0xF8 != 0x80:  # QR=1, opcode QUERY
        return Verdict.WRONG
    if reply[0] << 8 | reply[1] != message_id:
        return Verdict.NEAR_MISS
    rcode = reply[3] & 15
    end = HEADER_OCTETS + len(question)
    if reply[4:6] != b"\0\1":
        if (
            reply[4:6] != b"\0\0"
            or len(reply) > HEADER_OCTETS + len(_OPT[False])
            or not (rcode in _UNHELPFUL or rcode in _REJECTING)
        ):
            return Verdict.WRONG
        if rcode in _REJECTING:
            return Verdict.REJECTED
        return Verdict.UNHELPFUL if is_stream else Verdict.DOUBTFUL
    asked = reply[HEADER_OCTETS:end]
    if asked != question:
        if not is_same_question(asked, question):
            return Verdict.WRONG
        if is_mixed:
            return Verdict.OTHER_CASE
    if reply[2] & 2:
        return Verdict.TRUNCATED
    if rcode in _UNHELPFUL:
        return Verdict.UNHELPFUL
    if rcode in _REJECTING or (not rcode and is_badvers(reply, end)):
        return Verdict.REJECTED
    end = end_of_records(reply, end)
    if not end:
        return Verdict.DOUBTFUL
    if not (rcode or reply[3] & 0x80 or reply[2] & 4 or reply[6] or reply[7]) and not has_soa(reply, HEADER_OCTETS + len(question)):
        return Verdict.LAME
    return Verdict.USABLE if end == len(reply) else Verdict.OVERLONG


def is_badvers(reply: bytes, end: int) -> bool:
    """True if only an OPT record follows the question, which ends at *end*, and holds rcode 16 (RFC 6891 §6.1.3)."""
    return reply[6:12] == b"\0\0\0\0\0\1" and reply[end : end + 3] == _OPT_HEAD and reply[end + 5 : end + 6] == b"\1"


def is_denial(reply: bytes, question: bytes) -> bool:
    """A usable *reply* that has no record of the type asked: NXDOMAIN, NODATA, an alias without an end. Linear in its octets."""
    if reply[3] & 15:
        return True
    qtype = question[-4:-2]
    answers = islice(_types_at(reply, HEADER_OCTETS + len(question)), reply[6] << 8 | reply[7])
    return not any(qtype == _ANY or reply[at : at + 2] == qtype for at in answers)


def has_soa(reply: bytes, end: int) -> bool:
    """A record of *reply*, whose question *end*s there, is a SOA: it denies, and does not refer to other servers."""
    return any(reply[at : at + 2] == _SOA for at in _types_at(reply, end))


def short_lived(reply: bytes, end: int, ttl: int) -> bytes:
    """*reply*, whose question *end*s there, with no TTL above *ttl* seconds."""
    shortened = bytearray(reply)
    for at in _types_at(reply, end):
        if reply[at : at + 2] != _OPT_TYPE and int.from_bytes(reply[at + 4 : at + 8], "big") > ttl:
            shortened[at + 4 : at + 8] = ttl.to_bytes(4, "big")
    return bytes(shortened)


def _types_at(reply: bytes, at: int) -> Iterator[int]:
    """The offsets of the records' types in *reply*, whose records begin at *at* and can be read."""
    for _ in range((reply[6] << 8 | reply[7]) + (reply[8] << 8 | reply[9]) + (reply[10] << 8 | reply[11])):
        while 0 < (length := reply[at]) < 0x40:
            at += 1 + length
        at += 2 if length else 1
        yield at
        at += 10 + (reply[at + 8] << 8 | reply[at + 9])


def as_asked(reply: bytes, question: bytes, *, is_overlong: bool = False) -> bytes:
    """*reply* with *question* as it was asked (its case may have changed), and nothing after its last record."""
    end = HEADER_OCTETS + len(question)
    if reply[HEADER_OCTETS:end] != question:
        reply = reply[:HEADER_OCTETS] + question + reply[end:]
    return reply[: end_of_records(reply, end)] if is_overlong else reply


def relayable(reply: bytes, question: bytes) -> bytes:
    """An error *reply* whose records can be read, for the reason that its EDE may give; else b""."""
    if reply[4:6] != b"\0\1" or not end_of_records(reply, HEADER_OCTETS + len(question)):
        return b""
    return as_asked(reply, question, is_overlong=True)


def folded(question: bytes) -> bytes:
    """*question* with its name in lower case. Type and class keep their octets: HTTPS (65) is not type 97."""
    return question[:-4].lower() + question[-4:]


def mixed_case(question: bytes, bits: int) -> bytes:
    """*question* with the case of each letter of its name set by the next of *bits*: an attacker has to guess these as well
    (draft-vixie-dnsext-dns0x20). Octets of a length are below 64, and letters above it."""
    name = bytearray(question[:-4])
    for at, octet in enumerate(name):
        if 0x41 <= octet & 0xDF <= 0x5A:
            name[at] = octet & 0xDF | (bits & 1) << 5
            bits >>= 1
    return bytes(name) + question[-4:]


def is_same_question(one: bytes, other: bytes) -> bool:
    """Equal but for the case of the name (RFC 4343 §3)."""
    return one[-4:] == other[-4:] and one[:-4].lower() == other[:-4].lower()


def end_of_records(message: bytes, at: int) -> int:
    """The offset behind the last record of *message*, whose records begin at *at*; 0: they cannot be read.

    Owners are stepped over, not read, so no pointer can cost more than its two octets; a pointer that does not go backwards to a
    name is a fault, and so are more labels than any message needs. The data of answer and authority is to have the form of its type (wire/rdata_forms.py);
    the additional section is not looked at.
    """
    labels = 0
    relayed = (message[6] << 8 | message[7]) + (message[8] << 8 | message[9])
    owner = POINTER_TO_QUESTION  # of the record before: those of a set are the same octets
    longer: list[tuple[int, int, Form]] = []
    try:
        for number in range(relayed + (message[10] << 8 | message[11])):
            if message.startswith(owner, at):
                at += len(owner)
            else:
                begin = at
                while 0 < (length := message[at]) < 0x40:
                    at += 1 + length
                    labels += 1
                    if at - begin > NAME_OCTETS_MAX - 1:
                        return 0
                if not length:
                    at += 1
                elif length >= 0xC0 and HEADER_OCTETS <= (length & 0x3F) << 8 | message[at + 1] < begin:
                    at += 2
                else:
                    return 0
                if labels > STEPS_MAX:
                    return 0
                owner = message[begin:at]
            octets = message[at + 8] << 8 | message[at + 9]
            if number < relayed:
                rtype = message[at : at + 2]
                if SIZES.get(rtype, octets) != octets:
                    return 0
                if (form := LONGER.get(rtype)) is not None:
                    longer.append((at + 10, at + 10 + octets, form))
            at += 10 + octets
    except IndexError:  # the message ends before its records do
        return 0
    return at if at <= len(message) and not (longer and not _are_readable(message, longer)) else 0


def _are_readable(message: bytes, places: list[tuple[int, int, Form]]) -> bool:
    """The data at each of *places*, from and to, has its form."""
    reader = NameReader(message)
    try:
        for data, end, form in places:
            check(message, data, end, form, reader)
    except (IndexError, WireError):
        return False
    return True


def rcode_text(reply: bytes) -> str:
    """The rcode of a reply that was no help, for a log line."""
    return rcode_to_text(reply[3] & 15 or 16)
