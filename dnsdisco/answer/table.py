"""The compiled answers: an answer that was given once is found again by the octets of the question.

`prepared`: question → reply without header and OPT, for any flags and EDNS options. `exact`: the octets of a whole query behind its
id, in lower case → everything there is to send. Negative answers of ours change with every serial, so they share their SOA, and are put
together when they are asked for: `absent` has them by the octets of a query, and `denials` by the same octets without the first label:
the NXDOMAIN for every name of that shape whose label is not one of the catalog's. A change of the catalog drops exactly what was made
from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable
from itertools import islice
from typing import Any, TypeAlias

from dnsdisco.answer.prepared import between, Prepared
from dnsdisco.wire.constants import TYPES
from dnsdisco.wire.edns import OPT_OCTETS
from dnsdisco.wire.query import HEADER_OCTETS, Query
from dnsdisco.wire.reply import encode_record, RR

NAME_AT = HEADER_OCTETS - 2  # everything here is counted from behind the id: there the question begins

# A mask for any number, a cell whose one element counts hits, the end of the question, and replies, one of which is to be picked.
# It is flat, and its replies are whole, since what the processor waits for is memory, and each object more is a line of its cache.
Exact: TypeAlias = tuple[Any, ...]
FIRST = 3  # where the replies begin

# The header, the end of the question, the SOA record as the one element of a list, the OPT record, and a cell. Where it stands for all
# queries of one shape, they are of one length, so the end of the question is the same for them too.
Negative: TypeAlias = tuple[bytes, int, list[bytes], bytes, list[int]]

Found: TypeAlias = tuple[list[int], bytes | None]  # a cell, and a reply
UNKNOWN: Found = ([0], None)

DENIALS_MAX = 4096  # shapes: lengths of a label times types, flags and OPT records; when full, all are forgotten
ENTRIES_MAX = 50_000  # each level: services times the types that clients ask for, with room; 2 to 3 KB each
OCTETS_MAX = 64 * 1024 * 1024  # of prepared bodies
RECORD_OCTETS = 300  # about what a record takes that is not encoded yet, in an answer too large to be prepared
EVICTED_AT_ONCE = 64  # when full: the oldest ones, few enough not to be felt by the query that pays for it
KNOWN_TYPES = frozenset(TYPES.values())  # those that are counted apart: a client can ask for 65,536
REDRAW_S = 20.0  # seconds until the orders of an answer are drawn anew, for instances that had no turn at the front


class Table:
    """`exact` is read by the datagram loop for every query, then find(); all else is for the queries that these do not know."""

    def __init__(self, entries_max: int = ENTRIES_MAX, octets_max: int = OCTETS_MAX) -> None:
        self.exact: dict[bytes, Exact] = {}
        self.absent: dict[bytes, Negative] = {}
        self.denials: dict[bytes, Negative] = {}
        self.evictions = 0
        self.clears = 0
        self.denials_forgotten = 0  # times that all of them made room
        self._entries_max = entries_max
        self._octets_max = octets_max
        self._octets = 0
        self._prepared: dict[bytes, Prepared] = {}
        self._dependents: dict[object, set[bytes]] = {}
        self._drawn: deque[tuple[float, bytes, int]] = deque()  # when it is due, and which prepared answer it was
        self._negatives: dict[tuple[bytes, int], list[bytes]] = {}  # by the owner of the SOA, and where it begins in the question
        self._heads: dict[bytes, bytes] = {}  # a few dozen: flags and counts
        self._cells: dict[tuple[int, int], list[int]] = {}

    def __len__(self) -> int:
        return len(self._prepared)

    def find(self, key: bytes, pick: int, top: Container[bytes]) -> Found:
        """The reply to a query that `exact` does not hold as it was sent: a negative one of ours, or to a name in another case.

        *key*: the query behind its id. *top*: the labels, each with its length before it, that may not be denied.
        """
        lower = key.lower()
        negative = self.absent.get(lower)
        if negative is None:
            hit = self.exact.get(lower)
            if hit is not None:
                end, reply = hit[2], hit[(pick & hit[0]) + FIRST]
                return hit[1], reply[:NAME_AT] + key[NAME_AT:end] + reply[end:]
            if len(key) <= NAME_AT:
                return UNKNOWN
            rest = NAME_AT + 1 + key[NAME_AT]  # behind the first label
            negative = self.denials.get(lower[: NAME_AT + 1] + lower[rest:])
            if negative is None or lower[NAME_AT:rest] in top:
                return UNKNOWN
        head, end, soa, opt, cell = negative
        return cell, head + key[NAME_AT:end] + soa[0] + opt

    def get(self, question: bytes) -> Prepared | None:
        """The prepared reply to *question* (QNAME in lower case, QTYPE, QCLASS)."""
        return self._prepared.get(question)

    def keep(self, question: bytes, prepared: Prepared, now: float) -> None:
        depends_on = prepared.reply.depends_on
        if depends_on is None:
            return
        self._make_room(prepared)
        if prepared.is_negative:
            prepared.share_bodies(self._shared_soa(prepared.reply.authority[0], question[:-4]))
        self._prepared[question] = prepared
        self._octets += _octets_of(prepared)
        for token in depends_on:
            self._dependents.setdefault(token, set()).add(question)
        if prepared.is_drawn:
            self._drawn.append((now + REDRAW_S, question, id(prepared)))

    def keep_exact(self, message: bytes, query: Query, prepared: Prepared, *, recursion: bool, limit: int) -> None:
        """Remember *prepared* for the very octets of *message* too, where nothing in them but the name has letters.

        The key is lower-cased as a whole; an octet of the header, the type or the OPT record that happens to be a letter could then
        stand for another one, so such queries take the longer way.
        """
        end = HEADER_OCTETS + len(query.question)
        if not is_exact(message, end) or len(self.exact) + len(self.absent) >= self._entries_max:
            return
        made = prepared.exact(query, recursion=recursion, limit=limit)
        if made is None:
            return
        head, opt = made
        key, cell = message[2:].lower(), self.cell(query.qtype, prepared.reply.rcode)
        if prepared.is_negative:
            head, opt = self._heads.setdefault(head, head), self._heads.setdefault(opt, opt) if len(opt) <= OPT_OCTETS else opt
            self.absent[key] = (head, end - 2, self._shared_soa(prepared.reply.authority[0], query.qname), opt, cell)
        else:
            replies = between(head + key[NAME_AT : end - 2], prepared.bodies, opt)
            self._octets += _octets_in(replies)
            self.exact[key] = (len(replies) - 1, cell, end - 2, *replies)
        prepared.exact_keys.append(key)

    def keep_denial(self, message: bytes, query: Query, prepared: Prepared, *, recursion: bool, limit: int) -> None:
        """Remember the NXDOMAIN in *prepared* for every name like this one: one label, of the same length, right below its zone."""
        end = HEADER_OCTETS + len(query.question)
        soa = prepared.reply.authority[0]
        first = 1 + query.qname[0]
        if not prepared.is_negative or len(query.qname) != first + len(soa.owner) or not is_exact(message, end):
            return
        made = prepared.exact(query, recursion=recursion, limit=limit)
        if made is None:
            return
        head, opt = made
        if len(self.denials) >= DENIALS_MAX:
            self.denials.clear()
            self.denials_forgotten += 1
        lower = message[2:].lower()
        shared = self._shared_soa(soa, query.qname)
        self.denials[lower[: NAME_AT + 1] + lower[NAME_AT + first :]] = (
            head,
            end - 2,
            shared,
            opt,
            self.cell(query.qtype, prepared.reply.rcode),
        )

    def forget_denials(self) -> None:
        """Drop all denials by shape: the next name may be like one of ours, and then its denial suggests that one."""
        self.denials.clear()

    def cell(self, qtype: int, rcode: int) -> list[int]:
        """A counter of answers: one list that every hit adds to. Types without a mnemonic share one, with 0 as their number."""
        if qtype not in KNOWN_TYPES:
            qtype = 0
        return self._cells.setdefault((qtype, rcode), [0])

    def counts(self) -> dict[tuple[int, int], int]:
        """Answers by (qtype, rcode) since the start."""
        return {key: cell[0] for key, cell in self._cells.items() if cell[0]}

    def drop(self, tokens: Iterable[object]) -> None:
        """Forget every answer that was made from one of *tokens*."""
        dependents = self._dependents
        for token in [token for token in tokens if token in dependents]:  # of a large service's addresses, few or none
            for question in tuple(dependents.get(token, ())):
                self._remove(question)

    def set_negative(self, soas: Iterable[RR]) -> None:
        """The zones' SOA records now: kept negative answers carry them from here on."""
        by_owner = {soa.owner: soa for soa in soas}
        for (owner, offset), shared in self._negatives.items():
            soa = by_owner.get(owner)
            if soa is not None:
                shared[0] = _soa_at(soa, offset)

    def redraw(self, now: float) -> None:
        """Forget answers whose orders are old, a few at a time; to be called some times a second."""
        left = EVICTED_AT_ONCE
        while left and self._drawn and self._drawn[0][0] <= now:
            _, question, which = self._drawn.popleft()
            if id(self._prepared.get(question)) == which:  # else a change was quicker
                self._remove(question)
                left -= 1

    def clear(self) -> None:
        self.clears += 1
        self.exact.clear()
        self.absent.clear()
        self.denials.clear()
        self._prepared.clear()
        self._dependents.clear()
        self._drawn.clear()
        self._negatives.clear()
        self._heads.clear()
        self._octets = 0

    def _make_room(self, prepared: Prepared) -> None:
        if len(self._prepared) < self._entries_max and self._octets + _octets_of(prepared) <= self._octets_max:
            return
        for question in tuple(islice(self._prepared, EVICTED_AT_ONCE)):
            self._remove(question)
            self.evictions += 1

    def _remove(self, question: bytes) -> None:
        prepared = self._prepared.pop(question, None)
        if prepared is None:
            return
        self._octets -= _octets_of(prepared)
        for key in prepared.exact_keys:
            self.absent.pop(key, None)
            exact = self.exact.pop(key, None)
            if exact is not None:
                self._octets -= _octets_in(exact[FIRST:])
        for token in prepared.reply.depends_on or ():
            dependents = self._dependents.get(token)
            if dependents is not None:
                dependents.discard(question)
                if not dependents:
                    del self._dependents[token]

    def _shared_soa(self, soa: RR, qname: bytes) -> list[bytes]:
        """The one record that all kept negative answers with this SOA and depth share, so that a new serial is one write."""
        offset = len(qname) - len(soa.owner)
        return self._negatives.setdefault((soa.owner, offset), [_soa_at(soa, offset)])


def is_exact(message: bytes, end: int) -> bool:
    """True if only the name has letters: then the message in lower case stands for no other one."""
    plain = message[2:HEADER_OCTETS] + message[end - 4 :]
    return plain.lower() == plain == plain.upper()


def _soa_at(soa: RR, offset: int) -> bytes:
    """The record as it stands behind a question whose name has *offset* octets before the zone's: one label stands for them all."""
    before = bytes((offset - 1,)) + bytes(offset - 1) if offset else b""
    return encode_record(soa, before + soa.owner)


def _octets_of(prepared: Prepared) -> int:
    return _octets_in(prepared.bodies) or RECORD_OCTETS * len(prepared.reply.answer)


def _octets_in(parts: Iterable[bytes]) -> int:
    return sum(map(len, {id(part): part for part in parts}.values()))
