"""Forged and malformed replies by the thousand: none is believed, and the true answer is used each time.

DNSDISCO_FORGED says how many (10,000 here; ten times as many take half a minute).
"""

from __future__ import annotations

import asyncio
import os
import random
import time

import dns.message
import pytest

from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire.constants import RD
from tests.forward import upstream as lies
from tests.forward.upstream import address_in, answer, FORGED, LIES, question, Say, ScriptedUpstream

pytestmark = pytest.mark.forged

FORGED_REPLIES = int(os.environ.get("DNSDISCO_FORGED", "10000"))
IN_FLIGHT = 50  # questions at once

# What is waited past on the same socket; the rest of LIES goes to TCP.
PASSED_OVER = (
    lies.wrong_name, lies.longer_name, lies.wrong_type, lies.wrong_class, lies.query_bit, lies.other_opcode, lies.no_question,
    lies.two_questions, lies.only_our_id, lies.echo,
)  # fmt: skip


def run_against(upstream, questions):
    """(wrong answers, unanswered, slowest in seconds, statistics)"""

    async def main():
        forwarder = Forwarder(ForwardSettings(upstreams=(upstream.address,)))
        await forwarder.start()
        wrong, failed, slowest = [], 0, 0.0

        async def one(n):
            nonlocal failed, slowest
            asked = question(f"N{n}.example.test.")
            began = time.monotonic()
            try:
                reply = await forwarder.exchange(asked, flags=RD, dnssec_ok=False)
            except Exception:  # noqa: BLE001
                failed += 1
                return
            slowest = max(slowest, time.monotonic() - began)
            dns.message.from_wire(reply)
            if address_in(reply) != "192.0.2.1" or reply[12 : 12 + len(asked)] != asked:
                wrong.append(reply)

        for start in range(0, questions, IN_FLIGHT):
            await asyncio.gather(*(one(n) for n in range(start, min(start + IN_FLIGHT, questions))))
        await forwarder.close()
        return wrong, failed, slowest, forwarder.statistics

    return asyncio.run(main())


def test_lies_on_the_same_socket_are_waited_past():
    rounds = FORGED_REPLIES * 7 // 10 // len(PASSED_OVER)
    with ScriptedUpstream() as upstream:
        upstream.on("*", *PASSED_OVER, Say(answer(), after_s=0.001))
        wrong, failed, slowest, statistics = run_against(upstream, rounds)
    assert (wrong, failed) == ([], 0)
    assert statistics.wrong_replies >= rounds * len(PASSED_OVER) * 0.99  # a few may come behind the truth
    assert statistics.sent_stream == 0
    assert slowest < 0.4


def test_any_lie_first_and_then_the_truth():
    rounds = FORGED_REPLIES * 3 // 10
    chance = random.Random(7)

    def lie(asked):
        return chance.choice(LIES)(asked)

    with ScriptedUpstream() as upstream:
        upstream.on("*", lie, Say(answer(), after_s=0.001), transport="udp")
        wrong, failed, slowest, statistics = run_against(upstream, rounds)
    assert (wrong, failed) == ([], 0)
    assert statistics.near_misses > 0
    assert statistics.doubtful > 0
    assert slowest < 0.4


@pytest.mark.parametrize("copies", [1, 400])
def test_guessed_ids_get_one_guess_a_port(copies):
    """However many wrong ids come, the port is given up with the first of them."""
    with ScriptedUpstream() as upstream:
        upstream.on("*", Say(lies.wrong_id, copies=copies), Say(answer(FORGED), after_s=0.02), transport="udp")
        wrong, failed, _, statistics = run_against(upstream, 100)
    assert (wrong, failed) == ([], 0)
    assert upstream.count("udp") == 100
    assert statistics.near_misses == 100 + sum(asked.transport == "udp" for asked in upstream.pulses)
