"""Answers that take longer than a turn of the loop should: one part of one of them a turn, each made once for all clients that ask meanwhile.

A change of the data does not stop such an answer: it was right when it was asked for. It is not kept then.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from dnsdisco.answer.decision import Settled
from dnsdisco.answer.prepared import Prepared
from dnsdisco.answer.table import Table
from dnsdisco.model.choice import Draw
from dnsdisco.model.turns import Turns
from dnsdisco.server.reply_sender import Client
from dnsdisco.wire.constants import SERVFAIL
from dnsdisco.wire.reply import fault_reply, Reply
from dnsdisco.zone.catalog import Catalog

WAITING_MAX = 1024  # clients that wait for such answers; as many as there are questions to upstreams
CLIENTS_A_TURN = 8  # given the answer before the loop's other users have a turn: half a millisecond
TOO_MANY_WAIT = "too many wait for long answers"


class _LongAnswer(NamedTuple):
    decision: Settled
    prepared: Prepared | None  # where it may be kept
    is_kept: bool = False


@dataclass(slots=True)
class _UnderWay:
    clients: list[
        tuple[bytes | None, Client]
    ]  # each behind its query, where the table may keep the answer for the very octets of it
    touched: set[object] = field(default_factory=set)


class LongAnswers:
    """Event loop only."""

    def __init__(
        self,
        table: Table,
        catalog: Catalog,
        faults: Counter[str],
        draw: Draw,
        now: Callable[[], float],
        *,
        settle: Callable[[bytes | None, Client, Settled], None],
        give: Callable[[bytes | None, Client, Prepared], None],
    ) -> None:
        """*settle*: answers a client by a decision that is not to be kept. *give*: gives it a prepared answer."""
        self.waiting = 0  # clients
        self._table, self._catalog, self._faults, self._draw, self._now = table, catalog, faults, draw, now
        self._settle, self._give = settle, give
        self._under_way: dict[bytes, _UnderWay] = {}
        self._jobs: deque[Turns[None]] = deque()

    def __contains__(self, question: bytes) -> bool:
        return question in self._under_way

    def begin(self, question: bytes, decision: Turns[Settled], plain: bytes | None, client: Client) -> None:
        """Go on with the *decision* about *question* (QNAME in lower case, QTYPE, QCLASS)."""
        if self._may_wait():
            self._under_way[question] = _UnderWay([(plain, client)])
            self._run(self._for_all(question, decision))

    def join(self, question: bytes, plain: bytes | None, client: Client) -> None:
        if self._may_wait():
            self._under_way[question].clients.append((plain, client))

    def explain(self, decision: Turns[Settled], client: Client) -> None:
        """Go on with the *decision* for *client* alone, whose steps are recorded. Nothing is kept."""
        if self._may_wait():
            self._run(self._alone(decision, client))

    def send(self, client: Client, prepared: Prepared, *, recursion: bool) -> None:
        """A large answer, put together in an order for this client alone."""
        if self._may_wait():
            self._run(self._for_one(client, prepared, recursion=recursion))

    def changed(self, touched: set[object]) -> None:
        """The catalog has changed in *touched*."""
        for each in self._under_way.values():
            each.touched |= touched

    def _may_wait(self) -> bool:
        if self.waiting >= WAITING_MAX:
            self._faults[TOO_MANY_WAIT] += 1
            return False
        self.waiting += 1
        return True

    def _for_all(self, question: bytes, decision: Turns[Settled]) -> Turns[None]:
        made = yield from self._made(question, decision)
        for number, (plain, client) in enumerate(self._under_way.pop(question).clients):
            if number % CLIENTS_A_TURN == 0:
                yield
            self.waiting -= 1
            with self._counting_faults():
                if made is None:
                    client.query.fault = SERVFAIL
                    client.send(fault_reply(client.query))
                elif made.prepared is None:
                    self._settle(plain, client, made.decision)
                else:
                    self._give(plain if made.is_kept else None, client, made.prepared)

    def _made(self, question: bytes, decision: Turns[Settled]) -> Turns[_LongAnswer | None]:
        """The long answer; None if making it failed."""
        try:
            return (yield from self._make(question, decision))
        except Exception as error:  # noqa: BLE001  as in _counting_faults()
            self._count(error)
            return None

    def _make(self, question: bytes, decision: Turns[Settled]) -> Turns[_LongAnswer]:
        clears, serial = self._table.clears, self._catalog.serial
        settled = yield from decision
        if not isinstance(settled, Reply) or settled.depends_on is None:
            return _LongAnswer(settled, None)
        prepared = yield from Prepared.in_turns(settled, question[:-4], self._draw)
        is_right = clears == self._table.clears and self._under_way[question].touched.isdisjoint(settled.depends_on)
        if is_right and (serial == self._catalog.serial or not prepared.is_negative):  # else it has the SOA of before
            self._table.keep(question, prepared, self._now())
            return _LongAnswer(settled, prepared, is_kept=True)
        return _LongAnswer(settled, prepared)

    def _alone(self, decision: Turns[Settled], client: Client) -> Turns[None]:
        with self._counting_faults():
            settled = yield from decision
            self._settle(None, client, settled)
        self.waiting -= 1

    def _for_one(self, client: Client, prepared: Prepared, *, recursion: bool) -> Turns[None]:
        query, _, _, limit, options, send, _ = client
        with self._counting_faults():
            ordered = yield from prepared.answer.ordered_in_turns(self._draw, limit)
            yield
            send(prepared.octets(query, recursion=recursion, options=options, limit=limit, draw=self._draw, ordered=ordered))
        self.waiting -= 1

    @contextmanager
    def _counting_faults(self) -> Iterator[None]:
        """Log and count a fault of ours, so that it costs this one answer, not the loop."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self._count(error)

    def _count(self, error: Exception) -> None:
        self._faults[f"{type(error).__name__} while answering"] += 1

    def _run(self, job: Turns[None]) -> None:
        self._jobs.append(job)
        if len(self._jobs) == 1:
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """One part of the oldest, which then waits until each other has had its turn."""
        try:
            next(self._jobs[0])
        except StopIteration:
            self._jobs.popleft()
        else:
            self._jobs.rotate(-1)
        if self._jobs:
            asyncio.get_running_loop().call_soon(self._take_turn)
