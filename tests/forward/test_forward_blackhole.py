"""While no upstream answers, and new names come by the thousand, our own are answered and what waits is bounded.

The figures, against the whole server: `python -m tests.forward.blackhole`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.forward.start_queue import BEGINS_A_TURN, StartQueue
from dnsdisco.wire.constants import RD
from tests.forward.blackhole import query
from tests.forward.forwarding import run
from tests.forward.upstream import address_in, BlackHole, question, ScriptedUpstream, silence
from tests.server.test_run import entry, worker

pytestmark = pytest.mark.slow

NAMES = 3000
OURS = query([b"web", b"svc", b"local"], 1)


def test_our_own_names_lose_nothing_and_what_waits_is_bounded():
    with (
        BlackHole() as one,
        BlackHole() as other,
        worker(entry("web"), forward={"upstreams": [one.address, other.address]}) as made,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
    ):
        for sock in (flood, ours):
            sock.connect(("127.0.0.1", made.port))
        ours.settimeout(5)
        flood.setblocking(False)
        rcodes = []
        for number in range(NAMES):
            flood.send(query([b"n%d" % number, b"example", b"com"], number & 0xFFFF))
            if number % 10 == 0:
                ours.send(OURS)
                assert ours.recv(512)[-4:] == bytes((10, 0, 0, 1))
                with contextlib.suppress(BlockingIOError):
                    while True:
                        rcodes.append(flood.recv(512)[3] & 15)
        flood.settimeout(5)
        with contextlib.suppress(TimeoutError):
            while len(rcodes) < NAMES:
                rcodes.append(flood.recv(512)[3] & 15)
        assert rcodes == [2] * NAMES
        counters = made.heard("counters")["counters"]
        while counters["forward.questions"] + counters["forward.shed"] < NAMES:
            assert counters["forward.pending"] <= 1024
            counters = made.heard("counters")["counters"]
        assert counters["forward.shed"] + counters["forward.jostled"] > 0


def test_when_all_are_dead_a_few_wait_and_notice_that_one_is_back():
    limits = ForwardLimits(patience_unknown_s=0.02, patience_min_s=0.02, patience_dead_s=0.02, repeat_s=0.05, pending_dead=4)
    with ScriptedUpstream() as upstream:
        upstream.on("*", silence)

        async def ask(forwarder, name):
            return await forwarder.exchange(question(name), flags=RD, dnssec_ok=False)

        async def work(forwarder):
            first = [asyncio.create_task(ask(forwarder, f"a{n}.test.")) for n in range(3)]
            while not forwarder.statistics.died:
                await asyncio.sleep(0.01)
            few = [asyncio.create_task(ask(forwarder, f"b{n}.test.")) for n in range(4)]
            await asyncio.sleep(0.01)
            for n in range(10):
                with pytest.raises(UpstreamError, match="others are waiting"):
                    await ask(forwarder, f"c{n}.test.")
            assert forwarder.statistics.shed == forwarder.statistics.shed_dead == 10
            upstream.forget()
            assert {address_in(reply) for reply in await asyncio.gather(*first, *few)} == {"192.0.2.1"}
            assert address_in(await ask(forwarder, "d.test.")) == "192.0.2.1"
            assert forwarder._without_living == 0

        run(work, upstream.address, limits=limits)


def test_a_few_questions_begin_in_a_turn_and_none_is_forgotten():
    begun = []

    class Who:
        def begin(self):
            begun.append(self)

    async def work():
        line, turns = StartQueue(asyncio.get_running_loop()), []
        everybody = [Who() for _ in range(3 * BEGINS_A_TURN + 1)]
        for who in everybody:
            line.begin(who)
        for _ in range(6):
            turns.append(len(begun))
            await asyncio.sleep(0)
        assert turns == [8, 16, 24, 25, 25, 25]
        assert begun == everybody
        line.begin(Who())
        assert len(begun) == len(everybody) + 1  # at once, when nobody is before it

    asyncio.run(work())
