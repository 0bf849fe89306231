"""Answers of the cache that are wanted again and again, in the table that the datagram loop reads.

Their TTLs go down, so each is right for a moment. When it is over, those that were given in it are made anew where they stand, if the
cache would give them still; the others are dropped, and the next query takes the longer way again, where the cache counts and
renews what it holds.
"""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.answer.table import Exact, is_exact, NAME_AT, Table
from dnsdisco.cache.cache import Cache
from dnsdisco.cache.entry import CacheEntry
from dnsdisco.wire.query import HEADER_OCTETS, Query

MOMENT_S = 0.25  # between two calls of renew(); entries with less to live are not taken
ENTRIES_MAX = 2048
RENEWED_MAX = 1024  # at once, in about a millisecond; with more than that, the others take the longer way once


class _HotEntry(NamedTuple):
    exact_key: bytes
    exact: Exact  # with a cell of its own
    entry: CacheEntry
    cache_key: bytes
    qtype: int
    opt: bytes


class HotEntries:
    """The cached answers that stand in *table*. Each use of one is counted in *table* and *cache*."""

    def __init__(self, table: Table, cache: Cache) -> None:
        self._table, self._cache = table, cache
        self._exact = table.exact
        self._kept: list[_HotEntry] = []

    def takes(self, message: bytes, query: Query, entry: CacheEntry, now: float) -> bool:
        """True if keeping it pays and is safe: only the name in *message* may have letters (see Table.keep_exact).

        Never below arpa: there, a new instance can make the answer ours at any moment.
        """
        return (
            len(self._kept) < ENTRIES_MAX
            and entry.expires_at - now > MOMENT_S
            and not entry.target
            and query.labels[-1:] != (b"arpa",)
            and message[2:].lower() not in self._exact
            and is_exact(message, HEADER_OCTETS + len(query.question))
        )

    def keep(self, message: bytes, query: Query, entry: CacheEntry, cache_key: bytes, reply: bytes, now: float) -> None:
        """Give *reply*, with another id and the name as it is spelled, to all whose query is *message*."""
        key, end = message[2:].lower(), HEADER_OCTETS + len(query.question)
        exact = (0, [0], end - 2, reply[2:HEADER_OCTETS] + key[NAME_AT : end - 2] + reply[end:])
        self._exact[key] = exact
        self._kept.append(_HotEntry(key, exact, entry, cache_key, query.qtype, reply[end + len(entry.body(now)) :]))

    def renew(self, now: float) -> None:
        """The moment is over. O(entries)."""
        kept, self._kept = self._kept, []
        for each in kept:
            mask, cell, end, reply = each.exact
            if self._exact.get(each.exact_key) is not each.exact:
                self._count(each)
            elif cell[0] and len(self._kept) < RENEWED_MAX and self._cache.holds(each.cache_key, each.entry, now):
                self._count(each)
                exact = (mask, cell, end, reply[:end] + each.entry.body(now) + each.opt)
                self._exact[each.exact_key] = exact
                self._kept.append(each._replace(exact=exact))
            else:
                del self._exact[each.exact_key]
                self._count(each)

    def drop(self) -> None:
        """Drop all of them, because they may be wrong now. O(entries)."""
        kept, self._kept = self._kept, []
        for each in kept:
            if self._exact.get(each.exact_key) is each.exact:
                del self._exact[each.exact_key]
            self._count(each)

    def _count(self, kept: _HotEntry) -> None:
        cell = kept.exact[1]
        if cell[0]:
            self._table.cell(kept.qtype, kept.entry.rcode)[0] += cell[0]
            self._cache.given(kept.entry, cell[0])
            cell[0] = 0
