"""A client that waits for an answer, and the last step of every answer that is made for one client: encode it, count it, send it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dnsdisco.answer.prepared import encode
from dnsdisco.answer.table import Table
from dnsdisco.answer.trace import Trace
from dnsdisco.model.choice import Draw
from dnsdisco.wire.query import Query
from dnsdisco.wire.reply import Reply


class Client(NamedTuple):
    """A query, and how to answer it. `limit`: octets that the reply may have. `options`: for its OPT record. `trace`: the steps are wanted."""

    query: Query
    peer: str
    is_local: bool
    limit: int
    options: bytes
    send: Callable[[bytes], None]
    trace: Trace | None = None


class ReplySender:
    """`recursion`: RA is set, by the configuration."""

    def __init__(self, table: Table, draw: Draw) -> None:
        """*table*: counts the answers."""
        self.recursion = True
        self._table, self._draw = table, draw

    def count(self, client: Client, rcode: int) -> None:
        """One answer with that *rcode*. An explanation is none."""
        if client.trace is None:
            self._table.cell(client.query.qtype, rcode)[0] += 1

    def reply(self, client: Client, reply: Reply, *, recursion: bool = True) -> None:
        query, _, _, limit, options, send, _ = client
        self.count(client, reply.rcode)
        send(encode(reply, query, recursion=self.recursion and recursion, options=options, limit=limit, draw=self._draw))
