"""The order of upstreams is a promise: the first one that is there has the word, whatever the others say."""

from __future__ import annotations

import asyncio
import time

import pytest

from dnsdisco.forward.exchange import STAND_IN_TTL
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.wire.constants import AAAA
from tests.forward.forwarding import ask, run
from tests.forward.upstream import (
    address_in,
    answer,
    BlackHole,
    cut_short,
    free_port,
    rcode,
    reply,
    Say,
    ScriptedUpstream,
    silence,
)

pytestmark = pytest.mark.slow

CORP, PUBLIC = "192.0.2.1", "192.0.2.2"
NXDOMAIN = 3
LIMITS = ForwardLimits()


@pytest.fixture
def corp():
    with ScriptedUpstream() as scripted:
        yield scripted


@pytest.fixture
def public():
    """It knows nothing below corp.test."""
    with ScriptedUpstream() as scripted:
        scripted.on("*", answer(PUBLIC))
        scripted.on(lambda asked: asked.qname.endswith("corp.test."), rcode(NXDOMAIN))
        yield scripted


def others(make):
    """Tell this to everybody who does not ask for a name of corp.test."""
    return lambda asked: not asked.qname.endswith("corp.test."), make


@pytest.mark.parametrize("number", [5, 2, 4, 1], ids=["REFUSED", "SERVFAIL", "NOTIMP", "FORMERR"])
def test_one_that_answers_only_its_own_names_is_asked_for_ever(corp, public, number):
    """A resolv.conf of a VPN: the first one refuses what is not its own."""
    corp.on(*others(rcode(number)))

    async def work(forwarder):
        for n in range(8):
            assert address_in(await ask(forwarder, f"n{n}.example.test.")) == PUBLIC
        for n in range(3):
            assert address_in(await ask(forwarder, f"app{n}.corp.test.")) == CORP
        assert [line["state"] for line in forwarder.describe()] == ["up", "up"]

    run(work, corp.address, public.address)
    assert not [asked for asked in public.queries if asked.qname.endswith("corp.test.")]


def test_what_cannot_be_read_moves_nobody_back(corp, public):
    corp.on(*others(cut_short))

    async def work(forwarder):
        for n in range(4):
            await ask(forwarder, f"n{n}.example.test.")
        assert address_in(await ask(forwarder, "app.corp.test.")) == CORP

    run(work, corp.address, public.address)


def test_where_nobody_listens_the_next_is_asked_at_once_and_the_first_again_each_time(public):
    port = free_port()

    async def work(forwarder):
        for n in range(6):
            began = time.monotonic()
            assert address_in(await ask(forwarder, f"n{n}.test.")) == PUBLIC
            assert time.monotonic() - began < 0.3
        with ScriptedUpstream(port=port) as corp:
            assert address_in(await ask(forwarder, "app.corp.test.")) == CORP  # it listens, and is the first one again
            assert corp.count()

    run(work, f"127.0.0.1:{port}", public.address)


@pytest.mark.parametrize(
    "denial",
    [
        rcode(NXDOMAIN),
        reply,
        lambda asked: reply(asked, records=(b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1x\xc0\x0c",)),
    ],
    ids=["NXDOMAIN", "NODATA", "alias"],
)
@pytest.mark.parametrize("after_s", [0.75, 1.0, 1.4])
def test_a_denial_waits_for_the_better_placed(corp, public, denial, after_s):
    corp.on("app.corp.test.", Say(answer(CORP), after_s=after_s))
    public.on("app.corp.test.", denial)

    async def work(forwarder):
        got = await ask(forwarder, "app.corp.test.")
        assert (got[3] & 15, address_in(got)) == (0, CORP)
        assert (forwarder.statistics.denials_held, forwarder.statistics.denials_believed) == (1, 0)
        assert not forwarder.statistics.died

    run(work, corp.address, public.address)


def test_a_slow_first_one_is_always_the_one_that_answers(corp, public):
    """250 to 450 ms, and once a second: a VPN over a telephone."""
    delays = [0.25, 0.45, 0.3, 1.0, 0.45, 0.25]
    for n, delay_s in enumerate(delays):
        corp.on(f"n{n}.corp.test.", Say(answer(CORP), after_s=delay_s))

    async def work(forwarder):
        for n in range(len(delays)):
            assert address_in(await ask(forwarder, f"n{n}.corp.test.")) == CORP
        again = await asyncio.gather(*(ask(forwarder, f"n{n}.corp.test.") for n in range(len(delays))))
        assert {address_in(got) for got in again} == {CORP}
        assert not forwarder.statistics.died

    run(work, corp.address, public.address)


@pytest.mark.parametrize("is_known", [True, False])
def test_one_that_says_nothing_to_what_is_not_its_own_keeps_the_word_on_its_own(corp, public, is_known):
    """Some authorities do not even refuse."""
    corp.on(*others(silence))

    async def work(forwarder):
        if is_known:
            assert address_in(await ask(forwarder, "first.corp.test.")) == CORP
        for n in range(6):
            assert address_in(await ask(forwarder, f"n{n}.example.test.")) == PUBLIC
        assert address_in(await ask(forwarder, "app.corp.test.")) == CORP
        assert forwarder.statistics.died == (not is_known)

    run(work, corp.address, public.address)


def test_its_own_denial_counts_at_once(corp, public):
    corp.on("*", Say(rcode(NXDOMAIN), after_s=0.1))

    async def work(forwarder):
        assert (await ask(forwarder, "x.test."))[3] & 15 == NXDOMAIN

    run(work, corp.address, public.address)
    assert not public.queries


def test_a_later_answer_counts_at_once(corp, public):
    corp.on("*", silence)

    async def work(forwarder):
        began = time.monotonic()
        assert address_in(await ask(forwarder, "x.test.")) == PUBLIC
        assert time.monotonic() - began < LIMITS.precedence_s

    run(work, corp.address, public.address)


def test_one_that_passes_lets_the_denial_through_at_once(corp, public):
    corp.on("*", Say(rcode(5), after_s=0.8))

    async def work(forwarder):
        began = time.monotonic()
        assert (await ask(forwarder, "app.corp.test."))[3] & 15 == NXDOMAIN
        assert 0.75 < time.monotonic() - began < 1.3
        assert (forwarder.statistics.denials_held, forwarder.statistics.denials_believed) == (1, 1)

    run(work, corp.address, public.address)


def test_behind_a_denial_nobody_has_the_word(corp, public):
    """The third one has an address; but the second has denied it, and only the first may contradict."""
    corp.on("app.corp.test.", Say(answer(CORP), after_s=1.3))
    with ScriptedUpstream() as third:
        third.on("*", answer("192.0.2.3"))

        async def work(forwarder):
            assert address_in(await ask(forwarder, "app.corp.test.")) == CORP

        run(work, corp.address, public.address, third.address)
        assert not third.queries


def test_a_silent_first_one_costs_its_time_and_then_nothing(public):
    async def work(forwarder):
        while not forwarder.statistics.died:
            began = time.monotonic()
            assert (await ask(forwarder, f"n{began}.corp.test."))[3] & 15 == NXDOMAIN
            assert time.monotonic() - began < LIMITS.deadline_s
        for n in range(5):  # one of them tries it, for 0.2 s
            began = time.monotonic()
            assert (await ask(forwarder, f"y{n}.corp.test."))[3] & 15 == NXDOMAIN
            assert time.monotonic() - began < LIMITS.patience_dead_s + 0.2
        assert [line["state"] for line in forwarder.describe()] == ["dead", "up"]

    with BlackHole() as hole:
        run(work, hole.address, public.address)


SOA = b"\xc0\x0c\0\6\0\1\0\0\x0e\x10\0\x16" + bytes(22)  # an hour


def soa_ttl(message):
    return int.from_bytes(message[-len(SOA) + 6 : -len(SOA) + 10], "big")


def denied_for_an_hour(asked):
    return reply(asked, rcode=NXDOMAIN, counts=(1, 0, 1, 0), tail=SOA)


@pytest.mark.parametrize(
    ("first", "ttl"),
    [(silence, STAND_IN_TTL), (rcode(2), STAND_IN_TTL), (cut_short, STAND_IN_TTL), (rcode(5), 3600), (denied_for_an_hour, 3600)],
    ids=["silence", "SERVFAIL", "garbage", "REFUSED", "its own"],
)
def test_a_denial_in_place_of_one_that_cannot_be_heard_is_short_lived(corp, public, first, ttl):
    """Whoever keeps it would deny the name long after the better-placed one is back."""
    corp.on("*", first)
    public.on("*", denied_for_an_hour)

    async def work(forwarder):
        for n in range(2):
            got = await ask(forwarder, f"n{n}.corp.test.")
            assert (got[3] & 15, soa_ttl(got)) == (NXDOMAIN, ttl)
        if first is silence:
            while not forwarder.statistics.died:
                await asyncio.sleep(0.01)
            assert soa_ttl(await ask(forwarder, "dead.corp.test.")) == ttl

    run(work, corp.address, public.address)


def test_where_nobody_listens_a_denial_is_short_lived_too(public):
    public.on("*", denied_for_an_hour)

    async def work(forwarder):
        assert soa_ttl(await ask(forwarder, "x.corp.test.")) == STAND_IN_TTL

    run(work, f"127.0.0.1:{free_port()}", public.address)


def test_a_dead_second_one_shortens_nothing(corp):
    corp.on("*", denied_for_an_hour)

    async def work(forwarder):
        for n in range(5):
            assert soa_ttl(await ask(forwarder, f"n{n}.test.")) == 3600

    run(work, corp.address, f"127.0.0.1:{free_port()}")


def test_one_slow_name_does_not_move_its_upstream(corp, public):
    """The servers of one domain are gone: the upstream says nothing about its names, and is there for all the others."""
    corp.on(lambda asked: asked.qname.endswith("broken.test."), silence)

    async def work(forwarder):
        await asyncio.gather(*(ask(forwarder, f"n{n}.broken.test.") for n in range(10)))
        assert address_in(await ask(forwarder, "app.corp.test.")) == CORP
        await asyncio.sleep(LIMITS.silence_s)
        assert address_in(await ask(forwarder, "app2.corp.test.")) == CORP
        assert not forwarder.statistics.died

    run(work, corp.address, public.address)


def test_it_comes_back_with_its_first_answer(corp, public):
    corp.on("*", silence)
    limits = LIMITS._replace(silence_s=0.2, retry_s=0.2)

    async def work(forwarder):
        while not forwarder.statistics.died:
            await ask(forwarder, "x.test.")
        corp.on("*", answer(CORP))
        while not forwarder.statistics.revived:
            await asyncio.sleep(0.01)
        for n in range(3):
            assert address_in(await ask(forwarder, f"app{n}.corp.test.")) == CORP

    run(work, corp.address, public.address, limits=limits)


def test_a_zone_of_its_own_has_the_same_promise(corp, public):
    corp.on("app.corp.test.", Say(answer(CORP), after_s=1.0))

    async def work(forwarder):
        for _ in range(2):
            assert address_in(await ask(forwarder, "app.corp.test.")) == CORP

    run(work, zones=(("corp.test", (corp.address, public.address)),))


def test_one_named_twice_is_asked_once(corp):
    corp.on("*", rcode(2))

    async def work(forwarder):
        with pytest.raises(Exception, match="SERVFAIL"):
            await ask(forwarder, "x.test.")

    run(work, corp.address, f" {corp.address}", corp.address)
    assert corp.count() == 1


def test_both_denials_are_the_first_ones(corp, public):
    """Both say NODATA: what the client sees is the first one's, with its own authority."""
    corp.on("*", Say(lambda asked: reply(asked, flags=0x8580), after_s=1.0))
    public.on("*", reply)

    async def work(forwarder):
        got = await ask(forwarder, "app.corp.test.", AAAA)
        assert got[2] & 4  # AA is the first one's

    run(work, corp.address, public.address)


# where they are equal


def test_the_fastest_goes_first(corp, public):
    corp.on("*", Say(answer(CORP), after_s=0.1))

    async def work(forwarder):
        await ask(forwarder, "x.test.")
        while any(not line["rtt_ms"] for line in forwarder.describe()):
            await asyncio.sleep(0.01)
        for n in range(5):
            assert address_in(await ask(forwarder, f"n{n}.test.")) == PUBLIC

    run(work, corp.address, public.address, policy="fastest")


def test_among_equals_any_denial_counts(corp, public):
    corp.on("app.corp.test.", Say(answer(CORP), after_s=1.2))

    async def work(forwarder):
        began = time.monotonic()
        assert (await ask(forwarder, "app.corp.test."))[3] & 15 == NXDOMAIN
        assert time.monotonic() - began < 1.0

    run(work, corp.address, public.address, policy="fastest")


def test_the_slower_one_is_measured_again(corp, public):
    corp.on("*", Say(answer(CORP), after_s=0.1))

    async def work(forwarder):
        await ask(forwarder, "x.test.")
        while any(not line["rtt_ms"] for line in forwarder.describe()):
            await asyncio.sleep(0.01)
        corp.on("*", answer(CORP))
        public.on("*", Say(answer(PUBLIC), after_s=0.15))
        for n in range(60):
            if address_in(await ask(forwarder, f"n{n}.test.")) == CORP:
                return
        raise AssertionError

    run(work, corp.address, public.address, policy="fastest", limits=LIMITS._replace(measure_s=0.05))
