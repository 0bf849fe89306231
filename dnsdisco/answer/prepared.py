"""A reply encoded once for every client that asks the same question: all but its header, its question and its OPT record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import gcd

from dnsdisco.wire import edns as edns_room
from dnsdisco.wire.constants import SOA
from dnsdisco.wire.query import HEADER_OCTETS, Query
from dnsdisco.wire.reply import assemble, encode_record, Reply, reply_flags, RR
from dnsdisco.zone.order import Draw, orders, weighted_order

ORDERS = 32  # prepared orders of one answer; exact shares for weights up to about 1:31
ORDERS_OCTETS_MAX = 32 * 1024  # of all the orders of one answer together; a large answer has fewer of them
ORDERS_MIN = 4


class Prepared:
    """`bodies`: the records after the question, one body for each order, a power of two. `is_negative`: nothing but one SOA.

    `is_drawn`: another drawing would have other orders, and instances in front that had no turn in this one.
    """

    __slots__ = ("bodies", "counts", "exact_keys", "is_drawn", "is_negative", "longest", "reply", "sections")

    def __init__(self, reply: Reply, qname: bytes, draw: Draw) -> None:
        self.reply = reply
        answer = [encode_record(record, qname) for record in reply.answer]
        authority = [encode_record(record, qname) for record in reply.authority]
        additional = [encode_record(record, qname) for record in reply.additional]
        self.sections = (answer, authority, additional)
        rest = b"".join(authority) + b"".join(additional)
        kept = len(answer)
        if reply.weights is not None and reply.max_answers:
            kept = min(kept, kept - len(reply.weights) + reply.max_answers)
        count = 1
        if len(reply.weights or ()) > 1:
            size = sum(map(len, answer)) * kept // len(answer) + len(rest)
            count = max(ORDERS_MIN, min(ORDERS, ORDERS_OCTETS_MAX // size))
            count = 1 << count.bit_length() - 1
        self.bodies = _bodies(answer, reply, count, draw, rest)
        self.is_drawn = count > 1 and not _is_even(reply.weights or (), count)
        self.counts = b"".join(number.to_bytes(2, "big") for number in (kept, len(authority), len(additional)))
        self.longest = max(map(len, self.bodies))
        self.is_negative = not answer and not additional and len(authority) == 1 and _is_soa_above(reply.authority[0], qname)
        self.exact_keys: list[bytes] = []

    def share_bodies(self, bodies: list[bytes]) -> None:
        """Use *bodies*, whose one element is our one SOA and changes when the serial does."""
        self.bodies = bodies
        self.sections = ([], bodies, [])

    def octets(self, query: Query, *, recursion: bool, options: bytes, limit: int, draw: Draw) -> bytes:
        """The message for *query*: joined where it fits in *limit* octets, else cut to it."""
        reply = self.reply
        flags = reply_flags(query, is_authoritative=reply.is_authoritative, recursion=recursion)
        ede = b"".join(edns_room.ede_option(*error) for error in reply.ede) if query.edns is not None else b""
        body = self.bodies[int(draw() * len(self.bodies))]
        size = HEADER_OCTETS + len(query.question) + len(body) + edns_room.OPT_OCTETS + len(options) + len(ede)
        if size > limit or reply.rcode > 15:
            answer, authority, additional = self.sections
            ordered = _ordered(answer, reply, draw)
            sections = (ordered, authority, additional)
            return assemble(query, flags, reply.rcode, sections, options=options, ede=reply.ede, limit=limit)
        counts, opt = self.counts, b""
        if query.edns is not None:
            opt = edns_room.opt_record(options + ede, dnssec_ok=query.edns.dnssec_ok)
            counts = _one_more(counts)
        return b"".join(
            (query.id.to_bytes(2, "big"), (flags | reply.rcode).to_bytes(2, "big"), b"\0\1", counts, query.question, body, opt)
        )

    def exact(self, query: Query, *, recursion: bool, limit: int) -> tuple[bytes, bytes] | None:
        """The header after the id and the OPT record for clients that send the very octets of *query*; None if they may not fit."""
        reply = self.reply
        opt = b""
        counts = self.counts
        if query.edns is not None:
            ede = b"".join(edns_room.ede_option(*error) for error in reply.ede)
            opt = edns_room.opt_record(ede, dnssec_ok=query.edns.dnssec_ok)
            counts = _one_more(counts)
        if HEADER_OCTETS + len(query.question) + self.longest + len(opt) > limit or reply.rcode > 15:
            return None
        flags = reply_flags(query, is_authoritative=reply.is_authoritative, recursion=recursion) | reply.rcode
        return flags.to_bytes(2, "big") + b"\0\1" + counts, opt


def between(head: bytes, bodies: list[bytes], tail: bytes) -> list[bytes]:
    """Each of *bodies* with *head* before it and *tail* behind; what is one object stays one."""
    made = {id(body): head + body + tail for body in bodies}
    return [made[id(body)] for body in bodies]


def encode(reply: Reply, query: Query, *, recursion: bool, options: bytes, limit: int, draw: Draw) -> bytes:
    """The message for a reply that is not kept."""
    qname = query.qname or b"\0"
    answer = [encode_record(record, qname) for record in reply.answer]
    sections = (
        _ordered(answer, reply, draw),
        [encode_record(record, qname) for record in reply.authority],
        [encode_record(record, qname) for record in reply.additional],
    )
    flags = reply_flags(query, is_authoritative=reply.is_authoritative, recursion=recursion)
    return assemble(query, flags, reply.rcode, sections, options=options, ede=reply.ede, limit=limit)


def _ordered(answer: list[bytes], reply: Reply, draw: Draw) -> list[bytes]:
    """The answer's records in an order by weight, cut to `max_answers`; the records without a weight stay in front."""
    if reply.weights is None:
        return answer
    fixed = len(answer) - len(reply.weights)
    head, tail = answer[:fixed], answer[fixed:]
    return head + [tail[index] for index in weighted_order(reply.weights, draw)[: reply.max_answers or len(tail)]]


def _bodies(answer: list[bytes], reply: Reply, count: int, draw: Draw, rest: bytes) -> list[bytes]:
    """*count* orders of the answer's records as _ordered() makes them, with *rest* behind; fewer, where those have the same shares.

    Equal ones are one object. Two instances have but two orders, and what is not there is in no cache's way.
    """
    if count == 1 or reply.weights is None:
        return [b"".join(_ordered(answer, reply, draw)) + rest]
    fixed = len(answer) - len(reply.weights)
    head, tail, limit = b"".join(answer[:fixed]), answer[fixed:], reply.max_answers or len(answer)
    counts: Counter[bytes] = Counter()
    for order, times in orders(reply.weights, count, draw).items():
        counts[b"".join((head, *(tail[index] for index in order[:limit]), rest))] += times
    part = gcd(*counts.values())
    bodies = [body for body, times in counts.items() for _ in range(times // part)]
    if len(bodies) > len(counts):  # they are picked in turn, too: the same one should not come in many that follow each other
        bodies.sort(key=lambda _: draw())
    return bodies


def _is_even(weights: Sequence[int], count: int) -> bool:
    """Two instances whose shares come out even in *count* orders: nothing of these is left to chance."""
    total = sum(weights)
    return len(weights) == 2 and total > 0 and weights[0] * count % total == 0


def _is_soa_above(record: RR, qname: bytes) -> bool:
    return record.rtype == SOA and qname.endswith(record.owner)


def _one_more(counts: bytes) -> bytes:
    return counts[:4] + (int.from_bytes(counts[4:], "big") + 1).to_bytes(2, "big")
