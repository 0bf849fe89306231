"""Known answers do not wait for the others, and the others are not forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import dns.message
import pytest

from dnsdisco.server import batch, miss_queue
from dnsdisco.server.miss_queue import MissQueue, Waiting, WAITING_MAX
from tests.kit import Answers
from tests.server.listening import listening

WAYS = [pytest.param(True, marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here")), False]


class Loop:
    """Calls what is to be called soon when it is told to."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)


class Slow:
    """A responder that takes *seconds* of `now` for each."""

    def __init__(self, seconds: float) -> None:
        self.answered: list[bytes] = []
        self.met: list[tuple[str, bytes]] = []
        self.now = 0.0
        self._seconds = seconds

    def respond(self, message: bytes, peer: str, *, is_tcp: bool, send: Callable[[bytes], None], client: bytes) -> None:
        assert not is_tcp
        self.met.append((peer, client))
        self.now += self._seconds
        self.answered.append(message)
        send(message)


def filled(count: int, seconds: float) -> tuple[MissQueue, Slow, Loop]:
    responder, loop = Slow(seconds), Loop()
    made = MissQueue(responder, loop, clock=lambda: responder.now)
    for number in range(count):
        made.put(Waiting(b"%d" % number, "192.0.2.1", b"\xc0\0\2\1", lambda _: None))
    return made, responder, loop


def test_a_few_quick_ones_are_answered_at_once_and_in_order():
    waiting, responder, loop = filled(5, 0.0)
    waiting.begin()
    assert responder.answered == [b"0", b"1", b"2", b"3", b"4"]
    assert responder.met == [("192.0.2.1", b"\xc0\0\2\1")] * 5
    assert not loop.soon


def test_a_turn_ends_when_its_time_is_over_and_the_next_one_is_asked_for_once():
    waiting, responder, loop = filled(3, miss_queue.TURN_S)
    waiting.begin()
    waiting.begin()  # another batch, meanwhile
    assert responder.answered == [b"0"]
    assert len(loop.soon) == 1
    loop.soon.pop()()
    loop.soon.pop()()
    assert responder.answered == [b"0", b"1", b"2"]
    assert not loop.soon
    waiting.begin()  # nobody waits
    assert not loop.soon


def test_what_comes_when_the_house_is_full_is_dropped_and_counted():
    waiting, responder, _ = filled(WAITING_MAX + 7, 0.0)
    assert waiting.dropped == 7
    waiting.finish()
    assert len(responder.answered) == WAITING_MAX
    waiting.put(Waiting(b"late", "192.0.2.1", b"", lambda _: None))
    waiting.begin()
    assert responder.answered[-1] == b"late"


def test_a_fault_of_ours_costs_one_answer_and_not_those_that_come_after():
    waiting, responder, loop = filled(4, miss_queue.TURN_S)
    waiting.begin()
    respond, responder.respond = responder.respond, None
    with pytest.raises(TypeError):
        loop.soon.pop()()
    responder.respond = respond
    waiting.begin()
    loop.soon.pop()()
    assert responder.answered == [b"0", b"2", b"3"]


@pytest.mark.parametrize("in_batches", WAYS)
def test_known_names_are_answered_before_those_that_came_before_them(monkeypatch, in_batches):
    """60 names that take a millisecond each, then 20 of a known one, all there when the loop looks."""
    order: list[str] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        answers = Answers("web: {address: 10.0.0.1, port: 80}")
        with listening(answers, in_batches=in_batches) as (listener, client):

            async def ask(name: str) -> None:
                await loop.sock_sendall(client, dns.message.make_query(name, "A").to_wire())

            for _ in range(2):
                await ask("web.svc.local.")
                await asyncio.wait_for(loop.sock_recv(client, 4096), 2)
            respond = answers.responder.respond

            def slowly(*args, **kwargs) -> None:
                time.sleep(0.001)
                respond(*args, **kwargs)

            monkeypatch.setattr(answers.responder, "respond", slowly)
            for number in range(60):
                client.send(dns.message.make_query(f"n{number}.web.svc.local.", "A").to_wire())
            for _ in range(20):
                client.send(dns.message.make_query("web.svc.local.", "A").to_wire())
            for _ in range(80):
                reply = dns.message.from_wire(await asyncio.wait_for(loop.sock_recv(client, 4096), 2))
                order.append("known" if reply.answer else "other")
            assert listener.backlog.dropped == 0

    asyncio.run(work())
    assert order.count("known") == 20
    assert order[:24].count("known") == 20, order


@pytest.mark.parametrize("in_batches", WAYS)
def test_whoever_waits_at_the_end_is_answered(in_batches):
    async def work() -> list[bytes]:
        with listening(Answers("web: {address: 10.0.0.1, port: 80}"), in_batches=in_batches) as (listener, client):
            for number in range(64):
                client.send(dns.message.make_query(f"n{number}.web.svc.local.", "A").to_wire())
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # the batch is read, and its first turn is over
            listener.close()
            return [client.recv(4096) for _ in range(64)]

    assert len(asyncio.run(work())) == 64
