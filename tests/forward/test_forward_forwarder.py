"""Many questions, several upstreams, settings that change."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from pathlib import Path

import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire.constants import AAAA, CD, RD
from tests.forward.forwarding import ask, run
from tests.forward.upstream import address_in, answer, BlackHole, free_port, question, rcode, Say, ScriptedUpstream, silence


@pytest.fixture
def upstream():
    with ScriptedUpstream() as scripted:
        yield scripted


@pytest.fixture
def second():
    with ScriptedUpstream() as scripted:
        scripted.on("*", answer("192.0.2.2"))
        yield scripted


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_thousand_who_ask_the_same_share_one_query(upstream):
    upstream.on("*", Say(answer(), after_s=0.05))

    async def work(forwarder):
        replies = await asyncio.gather(
            *(ask(forwarder, "wWw.example.test." if n % 2 else "www.example.test.") for n in range(1000))
        )
        assert {address_in(reply) for reply in replies} == {"192.0.2.1"}
        assert forwarder.statistics.shared == 999

    run(work, upstream.address)
    assert upstream.count() == 1


def test_questions_that_differ_in_type_flags_or_do_are_not_shared(upstream):
    upstream.on("*", Say(answer(), after_s=0.05))

    async def work(forwarder):
        await asyncio.gather(
            ask(forwarder, "a.test."),
            ask(forwarder, "a.test.", AAAA),
            ask(forwarder, "a.test.", flags=RD | CD),
            ask(forwarder, "a.test.", dnssec_ok=True),
            ask(forwarder, "b.test."),
        )

    run(work, upstream.address)
    assert upstream.count() == 5


def test_one_who_leaves_takes_nobody_along(upstream):
    upstream.on("*", Say(answer(), after_s=0.05))

    async def work(forwarder):
        first = asyncio.create_task(ask(forwarder, "a.test."))
        other = asyncio.create_task(ask(forwarder, "a.test."))
        await asyncio.sleep(0.01)
        first.cancel()
        assert address_in(await other) == "192.0.2.1"

    run(work, upstream.address)


def test_an_error_reaches_everybody_who_shares_it(upstream):
    upstream.on("*", Say(rcode(2), after_s=0.02))

    async def work(forwarder):
        return await asyncio.gather(*(ask(forwarder, "a.test.") for _ in range(5)), return_exceptions=True)

    errors = run(work, upstream.address)
    assert [error.kind for error in errors] == ["rcode"] * 5


def test_what_is_over_the_bound_is_shed_at_once(upstream):
    upstream.on("*", Say(answer(), after_s=0.2))

    async def work(forwarder):
        tasks = [asyncio.create_task(ask(forwarder, f"n{n}.test.")) for n in range(20)]
        await asyncio.sleep(0.01)
        began = time.monotonic()
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, "one-more.test.")
        assert error.value.kind == "shed"
        assert time.monotonic() - began < 0.05
        shared = await ask(forwarder, "n3.test.")  # joining costs nothing and is always possible
        assert address_in(shared) == "192.0.2.1"
        assert all(address_in(reply) == "192.0.2.1" for reply in await asyncio.gather(*tasks))
        assert address_in(await ask(forwarder, "one-more.test.")) == "192.0.2.1"
        assert forwarder.statistics.shed == 1

    run(work, upstream.address, limits=ForwardLimits(pending=20))


def test_one_that_takes_its_time_gives_its_place_to_a_new_one(upstream):
    """The first ones may take as long as they like: a slow upstream would otherwise never answer anybody."""
    upstream.on(lambda asked: asked.qname.startswith("slow"), Say(answer(), after_s=0.6))
    limits = ForwardLimits(pending=4, pending_slow=2, jostle_s=0.1)

    async def work(forwarder):
        slow = [asyncio.create_task(ask(forwarder, f"slow{n}.test.")) for n in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(UpstreamError) as error:  # too soon for anybody to go
            await ask(forwarder, "quick.test.")
        assert (error.value.kind, forwarder.pending) == ("shed", 4)
        await asyncio.sleep(0.15)
        assert address_in(await ask(forwarder, "quick.test.")) == "192.0.2.1"
        assert (forwarder.statistics.jostled, forwarder.statistics.shed) == (1, 1)
        got = await asyncio.gather(*slow, return_exceptions=True)
        assert [getattr(each, "kind", "answered") for each in got] == ["answered", "answered", "shed", "answered"]
        assert forwarder.pending == 0
        assert not forwarder._started_early

    run(work, upstream.address, limits=limits)


def test_no_more_are_on_their_way_than_may_be():
    limits = ForwardLimits(pending=20, pending_slow=10, jostle_s=0.02, deadline_s=0.5)
    with BlackHole() as hole:

        async def work(forwarder):
            most, told = 0, []
            for n in range(400):
                forwarder.ask(question(f"n{n}.test."), RD, False, told.append)
                most = max(most, forwarder.pending)
                if n % 10 == 0:
                    await asyncio.sleep(0.01)
            assert most == 20
            while len(told) < 400:
                await asyncio.sleep(0.01)
            assert {error.kind for error in told} == {"shed", "timeout"}
            statistics = forwarder.statistics
            assert statistics.jostled > 0
            assert statistics.shed > 0
            assert statistics.questions + statistics.shed == 400

        run(work, hole.address, limits=limits)


def test_ports_and_ids_are_not_to_be_foreseen(upstream):
    async def work(forwarder):
        for start in range(0, 2000, 100):
            await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(start, start + 100)))

    run(work, upstream.address)
    ids = [asked.id for asked in upstream.queries]
    ports = [asked.peer[1] for asked in upstream.queries]
    assert len(set(ids)) > 1930  # 2,000 of 65,536: about 30 are expected twice
    assert len(set(ports)) > 1850  # of the 28,232 ephemeral ones
    for values, low, width in ((ids, 0, 65536), (ports, min(ports), max(ports) + 1 - min(ports))):
        bins = [0] * 16
        for value in values:
            bins[(value - low) * 16 // width] += 1
        chi_squared = sum((count - len(values) / 16) ** 2 / (len(values) / 16) for count in bins)
        assert chi_squared < 60  # 15 degrees of freedom: by chance once in two million
        steps = {after - before for before, after in itertools.pairwise(values)}
        assert len(steps) > 1800


@pytest.mark.slow
def test_the_dead_one_is_noticed_and_then_not_felt(second, caplog):
    with BlackHole() as hole, caplog.at_level(logging.INFO, logger="dnsdisco.forward"):

        async def work(forwarder):
            times = []
            for n in range(40):
                began = time.monotonic()
                assert address_in(await ask(forwarder, f"n{n}.test.")) == "192.0.2.2"
                times.append(time.monotonic() - began)
            assert forwarder.statistics.died == 1
            return times

        times = run(work, hole.address, second.address)
    slow = [took_s for took_s in times if took_s > 0.05]
    assert len(slow) == ForwardLimits().failures
    assert sum(slow) < 2.0
    assert [record.message for record in caplog.records if hole.address in record.message and "does not answer" in record.message]


def test_a_dead_one_is_probed_and_comes_back(upstream, second, caplog):
    upstream.on("*", silence)
    limits = ForwardLimits(
        patience_unknown_s=0.05, patience_min_s=0.05, patience_max_s=0.05, silence_s=0.1, retry_s=0.1, deadline_s=0.5
    )

    async def work(forwarder):
        while not forwarder.statistics.died:
            assert address_in(await ask(forwarder, "n.test.")) == "192.0.2.2"
        asked = upstream.count()
        assert address_in(await ask(forwarder, "x.test.")) == "192.0.2.2"
        assert upstream.count() == asked  # it is not asked for what clients want
        upstream.forget()
        while not forwarder.statistics.revived:  # without any question of a client's
            await asyncio.sleep(0.01)
        assert address_in(await ask(forwarder, "z.test.")) == "192.0.2.1"
        assert forwarder.statistics.revived == forwarder.statistics.died == 1
        assert [asked.qname for asked in upstream.queries] == ["z.test."]

    with caplog.at_level(logging.INFO, logger="dnsdisco.forward"):
        run(work, upstream.address, second.address, limits=limits)
    assert any("answers again" in record.message for record in caplog.records)


@pytest.mark.slow
def test_thirty_percent_loss_is_not_felt_by_a_client_that_asks_twice(upstream):
    upstream.on("*", Say(answer(), loss=0.3))
    limits = ForwardLimits(
        patience_min_s=0.12, patience_unknown_s=0.18, patience_max_s=0.24, repeat_s=0.12, deadline_s=0.57
    )  # three times as quick: less, and a busy machine's pauses count as loss

    async def client(forwarder, n):
        for _ in range(2):
            try:
                return await ask(forwarder, f"n{n}.test.")
            except UpstreamError:
                continue
        return None

    async def work(forwarder):
        got = []
        for start in range(0, 1000, 250):
            got += await asyncio.gather(*(client(forwarder, n) for n in range(start, start + 250)))
        return got

    got = run(work, upstream.address, limits=limits)
    assert sum(reply is None for reply in got) <= 1


def test_zones_have_their_own_upstreams_and_leak_nothing(upstream, second):
    zones = (("corp.test", (second.address,)), ("closed.test", ()), ("broken.corp.test", (f"127.0.0.1:{free_port()}",)))

    async def work(forwarder):
        assert address_in(await ask(forwarder, "www.test.")) == "192.0.2.1"
        assert address_in(await ask(forwarder, "corp.test.")) == "192.0.2.2"
        assert address_in(await ask(forwarder, "a.b.CORP.test.")) == "192.0.2.2"
        assert not forwarder.can_forward(question("x.closed.test."))
        assert forwarder.can_forward(question("x.test."))
        assert forwarder.has_zone(question("x.closed.test."))
        assert not forwarder.has_zone(question("x.test."))
        for name in ("x.closed.test.", "x.broken.corp.test."):
            with pytest.raises(UpstreamError):
                await ask(forwarder, name)

    run(work, upstream.address, zones=zones)
    assert [asked.qname for asked in upstream.queries] == ["www.test."]


def test_nothing_configured_forwards_nothing():
    async def work(forwarder):
        assert not forwarder.is_on
        assert not forwarder.can_forward(question("x.test."))
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, "x.test.")
        assert error.value.kind == "disabled"

    run(work)


def test_an_upstream_that_is_ourselves_is_never_asked(upstream, second, caplog):
    async def work(forwarder):
        assert address_in(await ask(forwarder, "x.test.")) == "192.0.2.2"
        assert forwarder.statistics.own == 1
        assert [line["state"] for line in forwarder.describe()] == ["own", "up"]

    run(work, upstream.address, second.address, own=[("0.0.0.0", upstream.port)])
    assert not upstream.queries
    assert sum("is ourselves" in record.message for record in caplog.records) == 1


def test_only_ourselves_is_an_error_and_not_a_refusal(upstream):
    async def work(forwarder):
        assert forwarder.can_forward(question("x.test."))
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, "x.test.")
        assert error.value.kind == "disabled"

    run(work, upstream.address, own=[("127.0.0.1", upstream.port)])


def test_a_bad_upstream_is_left_out_alone(upstream, caplog):
    async def work(forwarder):
        assert address_in(await ask(forwarder, "x.test.")) == "192.0.2.1"

    run(work, "dns.example", "https://dns.example", upstream.address)
    assert sum("left out" in record.message for record in caplog.records) == 2


# resolv.conf: port 53 cannot be had in a test, so what is looked at is who would be asked


def hosts(forwarder):
    return [line["address"] for line in forwarder.describe() if line["state"] != "own"]


def test_resolv_conf_is_read_without_ourselves_and_followed(tmp_path, caplog):
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.1\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n")

    def replaced():
        replacement = Path(f"{path}.new")
        replacement.write_text("nameserver 192.0.2.3\n")
        replacement.replace(path)

    async def until(forwarder, expected):
        for _ in range(100):
            if hosts(forwarder) == expected:
                return
            await asyncio.sleep(0.01)
        assert hosts(forwarder) == expected

    async def work(forwarder):
        assert hosts(forwarder) == ["192.0.2.1:53", "192.0.2.2:53"]
        replaced()
        await until(forwarder, ["192.0.2.3:53"])
        path.unlink()
        await until(forwarder, [])
        assert not forwarder.can_forward(question("x.test."))
        path.write_text("nameserver 192.0.2.4\n")
        await until(forwarder, ["192.0.2.4:53"])
        assert forwarder.can_forward(question("x.test."))

    run(work, str(path), own=[("127.0.0.1", 53)], limits=ForwardLimits(watch_s=0.02))
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1


def test_a_resolv_conf_that_names_only_us_forwards_nothing(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.1\n")

    async def work(forwarder):
        assert not forwarder.can_forward(question("x.test."))

    run(work, str(path), own=[("127.0.0.1", 53)])


def test_new_settings_count_for_the_next_question_and_what_is_known_stays(upstream, second):
    upstream.on("slow.test.", Say(answer(), after_s=0.1))

    async def work(forwarder):
        await ask(forwarder, "a.test.")
        measured = forwarder.describe()[0]["rtt_ms"]
        slow = asyncio.create_task(ask(forwarder, "slow.test."))
        await asyncio.sleep(0.02)
        forwarder.apply(ForwardSettings(upstreams=(second.address,)))
        assert address_in(await ask(forwarder, "b.test.")) == "192.0.2.2"
        assert address_in(await slow) == "192.0.2.1"
        forwarder.apply(ForwardSettings(upstreams=(second.address, upstream.address)))
        assert [line["address"] for line in forwarder.describe()] == [second.address, upstream.address]
        return measured

    assert run(work, upstream.address) > 0


def test_close_ends_what_is_on_its_way():
    async def main():
        with BlackHole() as hole:
            forwarder = Forwarder(ForwardSettings(upstreams=(hole.address,)))
            await forwarder.start()
            task = asyncio.create_task(ask(forwarder, "a.test."))
            await asyncio.sleep(0.01)
            await forwarder.close()
            with pytest.raises(UpstreamError) as error:
                await task
            assert error.value.kind == "closed"

    asyncio.run(main())


@pytest.mark.slow
def test_a_black_hole_under_a_flood_stays_within_its_bounds():
    """Every question ends within two seconds, by error or by shedding, and no socket is left."""

    async def work(forwarder):
        before = open_files()
        outcomes = await asyncio.gather(*(timed(forwarder, f"n{n}.test.") for n in range(400)))
        assert max(took_s for _, took_s in outcomes) < 2.0
        assert {kind for kind, _ in outcomes} == {"timeout", "shed"}
        assert sum(kind == "shed" for kind, _ in outcomes) == 200
        assert open_files() <= before + 2  # one question of ours looks whether it is there, with and without EDNS

    async def timed(forwarder, name):
        began = time.monotonic()
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, name)
        return error.value.kind, time.monotonic() - began

    with BlackHole() as hole:
        run(work, hole.address, limits=ForwardLimits(pending=200, deadline_s=0.9))


def test_when_the_system_has_no_more_sockets_it_is_an_error_and_not_the_upstreams_fault(upstream):
    import resource

    async def work(forwarder):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            with pytest.raises(UpstreamError) as error:
                await ask(forwarder, "a.test.")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert error.value.kind == "refused"
        assert forwarder.statistics.local_errors == 1
        assert forwarder.describe()[0]["failures"] == 0
        assert address_in(await ask(forwarder, "a.test.")) == "192.0.2.1"

    run(work, upstream.address)
