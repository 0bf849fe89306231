"""A reply encoded once for every client that asks the same question: all but its header, its question and its OPT record."""

from __future__ import annotations

from collections import Counter
from math import gcd

from dnsdisco.model.choice import Draw, Ranking
from dnsdisco.model.turns import at_once, PART, Turns
from dnsdisco.wire.compressed import Writer
from dnsdisco.wire.constants import AA, CNAME, DNAME, RA, SOA
from dnsdisco.wire.envelope import counts_of, flags_for, header, message, opt_for
from dnsdisco.wire.query import HEADER_OCTETS, Query
from dnsdisco.wire.reply import assemble, encode_record, RECORD_OCTETS_MIN, RECORDS_MAX, Reply, RR, TCP_OCTETS_MAX

ORDERS = 32  # prepared orders of one answer; exact shares for weights up to about 1:31
ORDERS_OCTETS_MAX = 32 * 1024  # of all the orders of one answer together; a large answer has fewer of them
ORDERS_MIN = 4


class Answer:
    """The answer section of *reply*, encoded record by record as they are needed: of 20,000 a client gets some hundred."""

    __slots__ = ("_encoded", "_fixed", "_qname", "_records", "kept", "ranking")

    def __init__(self, reply: Reply, qname: bytes) -> None:
        self.ranking = None if reply.ranks is None else Ranking(reply.ranks)
        self._records, self._qname = reply.answer, qname
        self._encoded: dict[int, bytes] = {}
        drawn = len(reply.ranks or ())
        self._fixed = len(reply.answer) - drawn
        self.kept = self._fixed + min(drawn, reply.max_answers or drawn)  # records that a client gets, if they fit

    def record(self, index: int) -> bytes:
        octets = self._encoded.get(index)
        if octets is None:
            octets = self._encoded[index] = encode_record(self._records[index], self._qname)
        return octets

    def ordered(self, draw: Draw, limit: int) -> list[bytes]:
        """The records in an order by rank, cut to `max_answers`; those without a rank stay in front. Where not all fit in *limit*
        octets, more of them than do."""
        head = [self.record(index) for index in range(self._fixed)]
        if self.ranking is None:
            return head
        most = min(self.kept - self._fixed, limit // RECORD_OCTETS_MIN + 1)
        return head + [self.record(self._fixed + index) for index in self.ranking.order(draw, most)]

    def is_long(self, limit: int) -> bool:
        """ordered() takes longer than a turn of the loop should."""
        return self.ranking is not None and min(self.kept, limit // RECORD_OCTETS_MIN) > PART

    def ordered_in_turns(self, draw: Draw, limit: int) -> Turns[list[bytes]]:
        made = [self.record(index) for index in range(self._fixed)]
        assert self.ranking is not None
        order = self.ranking.order(draw, min(self.kept - self._fixed, limit // RECORD_OCTETS_MIN + 1))
        for at in range(0, len(order), PART):
            yield
            made += [self.record(self._fixed + index) for index in order[at : at + PART]]
        return made

    def encode(self) -> Turns[None]:
        """All records now, so that record() has them at hand."""
        for at in range(0, len(self._records), PART):
            if at:
                yield
            for index in range(at, min(at + PART, len(self._records))):
                self.record(index)

    def orders(self, count: int, draw: Draw) -> Turns[Counter[bytes]]:
        """Whole answers in the orders that one is to be picked from, and how often each is among them."""
        assert self.ranking is not None
        head = b"".join([self.record(index) for index in range(self._fixed)])
        made: Counter[bytes] = Counter()
        orders = yield from self.ranking.orders(count, draw, self.kept - self._fixed)
        for order, times in orders.items():
            made[b"".join([head, *[self.record(self._fixed + index) for index in order]])] += times
        return made


class Prepared:
    """`bodies`: the records after the question, one body for each order, a power of two; none, where no message holds them all.

    `is_negative`: nothing but one SOA. `is_drawn`: another drawing would have other orders, and instances in front that had no turn in
    this one.
    """

    __slots__ = ("answer", "bodies", "counts", "exact_keys", "is_drawn", "is_negative", "longest", "reply", "rest")

    def __init__(self, reply: Reply, qname: bytes, draw: Draw) -> None:
        at_once(self._make(reply, qname, draw))

    @classmethod
    def in_turns(cls, reply: Reply, qname: bytes, draw: Draw) -> Turns[Prepared]:
        prepared = cls.__new__(cls)
        yield from prepared._make(reply, qname, draw)
        return prepared

    def _make(self, reply: Reply, qname: bytes, draw: Draw) -> Turns[None]:
        self.reply = reply
        if len(reply.answer) > PART:
            yield
        self.answer = answer = Answer(reply, qname)
        authority = [encode_record(record, qname) for record in reply.authority]
        additional: list[bytes] = []
        for at in range(0, len(reply.additional), PART):
            if at:
                yield
            additional += [encode_record(record, qname) for record in reply.additional[at : at + PART]]
        self.rest = (authority, additional)
        self.bodies, self.is_drawn = yield from _bodies(answer, b"".join(authority) + b"".join(additional), draw)
        self.counts = counts_of(answer.kept & 0xFFFF, len(authority))
        self.longest = max(map(len, self.bodies), default=TCP_OCTETS_MAX)
        self.is_negative = not reply.answer and not additional and len(authority) == 1 and _is_soa_above(reply.authority[0], qname)
        self.exact_keys: list[bytes] = []

    def share_bodies(self, bodies: list[bytes]) -> None:
        """Use *bodies*, whose one element is our one SOA and changes when the serial does."""
        self.bodies = bodies
        self.rest = (bodies, [])

    def octets(
        self, query: Query, *, recursion: bool, options: bytes, limit: int, draw: Draw, ordered: list[bytes] | None = None
    ) -> bytes:
        """The message for *query*: joined where it fits in *limit* octets, else cut to it. *ordered*: the answer in an order for it alone."""
        reply = self.reply
        opt = opt_for(query, options, reply.ede, reply.rcode)
        body = self.bodies[int(draw() * len(self.bodies))] if self.bodies else None
        flags = _flags(reply, query, recursion=recursion)
        if body is None or HEADER_OCTETS + len(query.question) + len(body) + len(opt) > limit:
            sections = (self.answer.ordered(draw, limit) if ordered is None else ordered, *self.rest)
            return assemble(query, flags, reply.rcode, sections, options=options, ede=reply.ede, limit=limit)
        return message(query, flags, reply.rcode, self.counts, (body,), opt, additional=len(reply.additional))

    def exact(self, query: Query, *, recursion: bool, limit: int) -> tuple[bytes, bytes] | None:
        """The header after the id and the OPT record for clients that send the very octets of *query*; None if they may not fit."""
        reply = self.reply
        opt = opt_for(query, ede=reply.ede, rcode=reply.rcode)
        if HEADER_OCTETS + len(query.question) + self.longest + len(opt) > limit:
            return None
        additional = len(reply.additional) + bool(opt)
        return header(query, _flags(reply, query, recursion=recursion), reply.rcode, self.counts, additional)[2:], opt


def between(head: bytes, bodies: list[bytes], tail: bytes) -> list[bytes]:
    """Each of *bodies* with *head* before it and *tail* behind; what is one object stays one."""
    made = {id(body): head + body + tail for body in bodies}
    return [made[id(body)] for body in bodies]


def encode(reply: Reply, query: Query, *, recursion: bool, options: bytes, limit: int, draw: Draw) -> bytes:
    """The message for a reply that is not kept. A chain of aliases, which has an order, is written compressed: it may come from
    upstreams' messages, and what fitted in theirs has to fit in ours."""
    qname = query.qname or b"\0"
    if reply.ranks is None and reply.answer and reply.answer[0].rtype in (CNAME, DNAME):
        writer = Writer(qname)
        answer, authority, additional = (writer.section(part, limit) for part in (reply.answer, reply.authority, reply.additional))
    else:
        answer = Answer(reply, qname).ordered(draw, limit)
        authority = [encode_record(record, qname) for record in reply.authority]
        additional = [encode_record(record, qname) for record in reply.additional]
    flags = _flags(reply, query, recursion=recursion)
    return assemble(query, flags, reply.rcode, (answer, authority, additional), options=options, ede=reply.ede, limit=limit)


def _bodies(answer: Answer, rest: bytes, draw: Draw) -> Turns[tuple[list[bytes], bool]]:
    """The answer in so many orders that each instance has its share of the first place, with *rest* behind; and whether these were
    drawn, in part.

    Equal ones are one object. Two instances have but two orders, and what is not there is in no cache's way.
    """
    if answer.kept > RECORDS_MAX:
        return [], False  # each client gets the front of an order of its own
    if answer.kept > PART:
        yield from answer.encode()
        yield
    whole = b"".join(answer.ordered(draw, TCP_OCTETS_MAX))
    if answer.ranking is None or answer.kept == 0:
        return [whole + rest], False
    count = max(ORDERS_MIN, min(ORDERS, ORDERS_OCTETS_MAX // max(1, len(whole) + len(rest))))
    count = 1 << count.bit_length() - 1
    if len(whole) + len(rest) > TCP_OCTETS_MAX:
        return [], False
    counts = yield from answer.orders(count, draw)
    part = gcd(*counts.values())
    bodies = [body + rest for body, times in counts.items() for _ in range(times // part)]
    if len(bodies) > len(counts):  # shuffled, because they are also picked in turn: equal ones should not follow each other
        bodies.sort(key=lambda _: draw())
    return bodies, not answer.ranking.is_settled(count)


def _is_soa_above(record: RR, qname: bytes) -> bool:
    return record.rtype == SOA and qname.endswith(record.owner)


def _flags(reply: Reply, query: Query, *, recursion: bool) -> int:
    """AD never: our own data are not DNSSEC-validated."""
    return flags_for(query, (AA if reply.is_authoritative else 0) | (RA if recursion else 0))
