"""The sampled times of answers: in the right bucket, from a real listener, and of what takes long as well."""

from __future__ import annotations

import asyncio
from functools import partial

import dns.message
import pytest

from dnsdisco.server import udp
from dnsdisco.server.batch import is_available
from dnsdisco.server.latency import BOUNDS_US, Latency
from tests.kit import Answers
from tests.server.listening import listening


def filled(latency: Latency) -> dict[str, int]:
    return {name.removeprefix("latency."): count for name, count in latency.counters().items() if count}


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, "us.50"), (0.00005, "us.50"), (0.000051, "us.100"), (0.0042, "us.5000"), (2.5, "us.2500000"), (2.6, "us.inf")],
)
def test_an_answer_is_in_the_bucket_of_the_next_higher_bound(seconds, bucket):
    latency = Latency()
    latency.add(seconds)
    latency.add(seconds, 3)
    assert filled(latency) == {bucket: 4} | ({"sum_us": 4 * int(seconds * 1e6)} if seconds else {})


def test_every_bound_is_told_at_once():
    assert list(Latency().counters()) == [f"latency.us.{bound}" for bound in (*BOUNDS_US, "inf")] + ["latency.sum_us"]


@pytest.mark.parametrize("in_batches", [True, False])
def test_a_listener_samples_what_it_hands_on_and_what_the_table_answers(in_batches, monkeypatch):
    if in_batches and not is_available():
        pytest.skip("recvmmsg is Linux's")
    monkeypatch.setattr(udp, "SAMPLE", 2)
    latency = Latency()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        answers = Answers("web: {address: 10.0.0.1, port: 80}")
        with listening(answers, in_batches=in_batches, latency=latency) as (_, client):
            for number in range(20):
                # the first of a name is handed on, and so is each of those below it; later ones are answered from the table
                name = "web.svc.local." if number % 2 else f"n{number}.web.svc.local."
                await loop.sock_sendall(client, dns.message.make_query(name, "A").to_wire())
                await asyncio.wait_for(loop.sock_recv(client, 4096), 1)

    asyncio.run(work())
    told = sum(count for name, count in filled(latency).items() if name != "sum_us")
    assert 4 <= told <= 20


def test_a_slow_answer_is_told_with_all_its_time(monkeypatch):
    monkeypatch.setattr(udp, "SAMPLE", 1)
    latency = Latency()

    async def work() -> None:
        answers, loop = Answers("web: {address: 10.0.0.1, port: 80}"), asyncio.get_running_loop()
        respond = answers.responder.respond
        monkeypatch.setattr(
            answers.responder, "respond", lambda *args, **options: loop.call_later(0.03, partial(respond, *args, **options))
        )
        with listening(answers, latency=latency) as (_, client):
            await loop.sock_sendall(client, dns.message.make_query("web.svc.local.", "A").to_wire())
            await asyncio.wait_for(loop.sock_recv(client, 4096), 5)

    asyncio.run(work())
    assert filled(latency)["sum_us"] >= 30_000
