"""Queries that piled up in a socket while nobody read it are all answered: they are not a flood."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Iterator

import dns.message
import pytest

from dnsdisco.server import batch, miss_queue, udp
from dnsdisco.server.batch import SLOTS
from dnsdisco.server.udp import BATCH, UdpListener
from dnsdisco.server.worker import PAUSE_S, TICK_S
from dnsdisco.supervisor.sockets import prepare
from tests.kit import Answers
from tests.server.listening import listening
from tests.server.test_run import entry, Process, process

pytestmark = pytest.mark.slow

PILED_UP = 5000
SOME = 2 * BATCH - 7  # an ordinary buffer holds them
NEEDED_OCTETS = PILED_UP * 1280  # of a receive buffer, with what the kernel keeps beside each datagram

WAYS = [pytest.param(True, marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here")), False]


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        prepare(made)
        if made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < NEEDED_OCTETS:
            pytest.skip("whoever runs this may not have a receive buffer that holds so much (net.core.rmem_max)")
        made.settimeout(10)
        yield made


def asked(client: socket.socket, made: Process) -> set[str]:
    """No name twice, so that no answer is ready."""
    names = {f"s{number}.svc.local." for number in range(PILED_UP)}
    for name in names:
        client.sendto(dns.message.make_query(name, "A").to_wire(), ("127.0.0.1", made.port))
    return names


def answered(client: socket.socket) -> set[str]:
    names = set()
    for _ in range(PILED_UP):
        reply = dns.message.from_wire(client.recv(4096))
        assert reply.answer, reply
        names.add(reply.question[0].name.to_text())
    return names


ENTRIES = [entry(f"s{number}", f"10.0.{number // 250}.{number % 250 + 1}") for number in range(PILED_UP)]


def test_a_new_worker_answers_all_that_waited_for_it(client: socket.socket) -> None:
    made = Process()
    prepare(made.udp)
    names = asked(client, made)
    with process(made) as made:
        made.feed(*ENTRIES)
        assert answered(client) == names


def test_a_worker_that_was_stopped_answers_all_that_waited_for_it(client: socket.socket) -> None:
    made = Process()
    prepare(made.udp)
    with process(made) as made:
        made.feed(*ENTRIES)
        made.wait_ready()
        made.process.send_signal(signal.SIGSTOP)
        names = asked(client, made)
        time.sleep(TICK_S + 2 * PAUSE_S)
        made.process.send_signal(signal.SIGCONT)
        assert answered(client) == names
        assert made.heard("counters")["counters"]["udp.dropped"] == 0


def piled_up(count: int, listener: UdpListener, client: socket.socket) -> None:
    """Nobody reads before the loop turns."""
    for number in range(count):
        client.send(dns.message.make_query(f"n{number}.web.svc.local.", "A").to_wire())
    assert not listener.backlog


async def replies(count: int, client: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    heard = 0
    for _ in range(count):
        try:
            await asyncio.wait_for(loop.sock_recv(client, 4096), 2)
        except TimeoutError:
            break
        heard += 1
    return heard


@pytest.mark.parametrize("in_batches", WAYS)
@pytest.mark.parametrize("first", ["the start", "a pause"])
def test_the_next_batch_is_read_when_the_one_before_is_answered(
    first: str, in_batches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is killed meanwhile takes one turn's queries with it; the others are still in the socket."""
    most = 0
    monkeypatch.setattr(miss_queue, "WAITING_MAX", BATCH)
    monkeypatch.setattr(miss_queue, "TURN_S", 0.0)

    async def work() -> None:
        nonlocal most
        with listening(Answers("web: {address: 10.0.0.1, port: 80}"), in_batches=in_batches) as (listener, client):
            if first == "a pause":
                client.send(dns.message.make_query("web.svc.local.", "A").to_wire())
                assert await replies(1, client) == 1
                listener.catch_up()
            put = listener.backlog.put

            def counted(waiting: miss_queue.Waiting) -> None:
                nonlocal most
                put(waiting)
                most = max(most, len(listener.backlog._waiting))

            monkeypatch.setattr(listener.backlog, "put", counted)
            piled_up(SOME, listener, client)
            assert await replies(SOME, client) == SOME
            assert listener.backlog.dropped == 0

    asyncio.run(work())
    assert SLOTS <= most <= BATCH


@pytest.mark.parametrize("in_batches", WAYS)
def test_a_flood_that_does_not_end_is_treated_as_one(in_batches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miss_queue, "WAITING_MAX", BATCH)
    monkeypatch.setattr(miss_queue, "TURN_S", 0.0)
    monkeypatch.setattr(udp, "PILED_UP_MAX", SLOTS)

    async def work() -> None:
        with listening(Answers("web: {address: 10.0.0.1, port: 80}"), in_batches=in_batches) as (listener, client):
            piled_up(SOME, listener, client)
            assert await replies(SOME, client) < SOME
            assert listener.backlog.dropped

    asyncio.run(work())
