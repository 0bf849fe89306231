"""Answers of the cache that are wanted again and again, in the table that the datagram loop reads, for a moment.

Their TTLs go down, so what is compiled is right for about a second. Kept for a quarter of one, it spares a busy name nearly all of the
longer way; the moment over, the next one who asks takes that way again, where the cache counts, ages and renews.
"""

from __future__ import annotations

from collections.abc import Callable

from dnsdisco.answer.table import Exact, is_exact
from dnsdisco.cache.entry import Entry
from dnsdisco.wire.query import HEADER_OCTETS, Query

MOMENT_S = 0.25  # between two calls of drop(); entries with less to live are not taken
ENTRIES_MAX = 2048  # dropped at once, in less than a millisecond


class Fleeting:
    """*exact*: the table's. *learn*: told at the end how often an entry was given: entry, qtype, hits."""

    def __init__(self, exact: dict[bytes, Exact], learn: Callable[[Entry, int, int], None]) -> None:
        self._exact, self._learn = exact, learn
        self._kept: list[tuple[bytes, Exact, Entry, int]] = []

    def takes(self, message: bytes, query: Query, entry: Entry, now: float) -> bool:
        """Whether it is worth while, and safe: only the name in *message* may have letters (see Table.keep_exact).

        Not below arpa: there, an instance that comes makes an answer ours at once.
        """
        return (
            len(self._kept) < ENTRIES_MAX
            and entry.expires_at - now > MOMENT_S
            and not entry.target
            and query.labels[-1:] != (b"arpa",)
            and message[2:].lower() not in self._exact
            and is_exact(message, HEADER_OCTETS + len(query.question))
        )

    def keep(self, message: bytes, query: Query, entry: Entry, reply: bytes) -> None:
        """Give *reply*, with another id and the name as it is spelled, to all whose query is *message*."""
        key, end = message[2:].lower(), HEADER_OCTETS + len(query.question)
        exact: Exact = (reply[2:HEADER_OCTETS], end, [reply[end:]], 0, [0])
        self._exact[key] = exact
        self._kept.append((key, exact, entry, query.qtype))

    def drop(self) -> None:
        """The moment is over, or what was kept is wrong. O(entries)."""
        kept, self._kept = self._kept, []
        for key, exact, entry, qtype in kept:
            if self._exact.get(key) is exact:
                del self._exact[key]
            hits = exact[-1][0]
            if hits:
                self._learn(entry, qtype, hits)
