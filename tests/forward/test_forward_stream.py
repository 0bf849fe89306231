"""Kept connections: TCP after TC, and TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time

import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.limits import ForwardLimits
from tests.forward.forwarding import ask, run
from tests.forward.relay import Relay
from tests.forward.upstream import (
    address_in,
    answer,
    free_port,
    garbage,
    rcode,
    Say,
    ScriptedUpstream,
    silence,
    truncated,
    wrong_name,
)


@pytest.fixture
def upstream():
    """One that sends everything to TCP."""
    with ScriptedUpstream() as scripted:
        scripted.on("*", truncated, transport="udp")
        yield scripted


def test_one_connection_serves_many_questions(upstream):
    async def work(forwarder):
        for n in range(5):
            await ask(forwarder, f"n{n}.test.")
        await asyncio.gather(*(ask(forwarder, f"m{n}.test.") for n in range(100)))

    run(work, upstream.address)
    assert upstream.connections == 1
    assert upstream.count("tcp") == 105


def test_replies_come_in_any_order(upstream):
    upstream.on("slow.test.", Say(answer("192.0.2.9"), after_s=0.2), transport="tcp")

    async def work(forwarder):
        slow = asyncio.create_task(ask(forwarder, "slow.test."))
        await asyncio.sleep(0.02)
        await asyncio.wait_for(ask(forwarder, "quick.test."), 0.15)
        assert not slow.done()
        assert address_in(await slow) == "192.0.2.9"

    run(work, upstream.address)


def test_a_full_connection_gets_a_second_one_and_then_it_is_enough(upstream):
    upstream.on("*", Say(answer(), after_s=0.1), transport="tcp")

    async def work(forwarder):
        got = await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(25)), return_exceptions=True)
        assert sum(isinstance(reply, bytes) for reply in got) == 20
        assert forwarder.statistics.streams_full == 5

    run(work, upstream.address, limits=ForwardLimits(stream_pipeline=10, streams=2))
    assert upstream.connections == 2


def test_a_connection_that_the_upstream_closed_is_opened_anew(upstream):
    async def work(forwarder):
        await ask(forwarder, "a.test.")
        upstream.close_connections()
        await asyncio.sleep(0.05)
        await ask(forwarder, "b.test.")

    run(work, upstream.address)
    assert upstream.connections == 2


def test_a_connection_closed_under_a_question_costs_the_question_nothing(upstream):
    upstream.on("b.test.", Say(answer(), is_close=True), times=1, transport="tcp")

    async def work(forwarder):
        await ask(forwarder, "a.test.")
        assert address_in(await ask(forwarder, "b.test.")) == "192.0.2.1"
        assert forwarder.statistics.connections_lost == 1

    run(work, upstream.address)


def test_an_upstream_that_always_closes_is_an_error(upstream):
    upstream.on("*", Say(answer(), is_close=True), transport="tcp")

    async def work(forwarder):
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, "a.test.")
        assert error.value.kind == "truncated"

    run(work, upstream.address)
    assert upstream.connections <= 2


def test_an_idle_connection_is_closed(upstream):
    async def work(forwarder):
        await ask(forwarder, "a.test.")
        await asyncio.sleep(0.25)
        await ask(forwarder, "b.test.")

    run(work, upstream.address, limits=ForwardLimits(stream_idle_s=0.1))
    assert upstream.connections == 2


def test_one_that_closes_after_each_answer_answers_all(upstream):
    """Ten questions are on their way together, and each connection brings one answer."""
    upstream.on("*", answer(), Say(answer(), is_close=True), transport="tcp")

    async def work(forwarder):
        got = await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(10)))
        assert {address_in(reply) for reply in got} == {"192.0.2.1"}

    run(work, upstream.address)


@pytest.mark.parametrize("how", ["close_connections", "end_connections"])
def test_kept_connections_that_were_closed_meanwhile_are_not_felt(upstream, how):
    upstream.on("*", Say(answer(), after_s=0.05), transport="tcp")

    async def work(forwarder):
        await asyncio.gather(*(ask(forwarder, f"a{n}.test.") for n in range(12)))
        assert upstream.connections == 4
        getattr(upstream, how)()
        got = await asyncio.gather(*(ask(forwarder, f"b{n}.test.") for n in range(12)))  # some are sent before we hear of it
        assert {address_in(reply) for reply in got} == {"192.0.2.1"}
        assert forwarder.describe()[0]["failures"] == 0

    run(work, upstream.address, limits=ForwardLimits(stream_pipeline=3))


def test_a_kept_connection_that_died_in_silence_is_noticed_in_time(upstream):
    async def work(forwarder):
        await ask(forwarder, "a.test.")
        upstream.freeze_connections()
        began = time.monotonic()
        assert address_in(await ask(forwarder, "b.test.")) == "192.0.2.1"
        assert time.monotonic() - began < 1.4
        began = time.monotonic()
        assert address_in(await ask(forwarder, "c.test.")) == "192.0.2.1"
        assert time.monotonic() - began < 0.3
        assert forwarder.statistics.connections_doubted == 1
        assert not forwarder.statistics.died

    run(work, upstream.address)
    assert upstream.connections == 2


@pytest.mark.parametrize("born", [1, 2])
@pytest.mark.slow
def test_a_new_connection_may_be_silent_from_its_birth_after_the_kept_one_died(upstream, born):
    """One upstream, so there is no other to ask: as many connections are tried as fit the deadline, and one that is found is kept."""

    async def work(forwarder):
        await ask(forwarder, "a.test.")
        upstream.freeze_connections()
        upstream.freeze_next(born)
        got = await asyncio.gather(*(ask(forwarder, f"b{n}.test.") for n in range(20)))
        assert {address_in(reply) for reply in got} == {"192.0.2.1"}
        assert upstream.connections == 2 + born
        began = time.monotonic()
        await ask(forwarder, "c.test.")
        assert time.monotonic() - began < 0.3
        assert forwarder.statistics.connections_doubted == 1 + born

    run(work, upstream.address)
    assert upstream.connections == 2 + born


@pytest.mark.slow
def test_an_upstream_that_takes_everything_and_says_nothing_gets_a_few_connections(upstream):
    async def work(forwarder):
        await ask(forwarder, "a.test.")
        upstream.freeze_connections()
        upstream.freeze_next(1000)
        got = await asyncio.gather(*(ask(forwarder, f"b{n}.test.") for n in range(50)), return_exceptions=True)
        assert {type(each) for each in got} == {UpstreamError}
        assert upstream.connections <= 5

    run(work, upstream.address)


def test_all_that_wait_on_a_dead_connection_are_asked_again(upstream):
    """Some have been answered, a hundred are on their way, and the path goes."""
    upstream.on("*", Say(answer(), after_s=0.2), transport="tcp")

    async def work(forwarder):
        await ask(forwarder, "a.test.")
        asked = [asyncio.create_task(ask(forwarder, f"n{n}.test.")) for n in range(100)]
        while upstream.count("tcp") < 101:
            await asyncio.sleep(0.01)
        upstream.freeze_connections()
        assert {address_in(reply) for reply in await asyncio.gather(*asked)} == {"192.0.2.1"}

    run(work, upstream.address)
    assert upstream.connections == 2


def test_every_kept_connection_may_be_dead(upstream):
    upstream.on("*", Say(answer(), after_s=0.05), transport="tcp")

    async def work(forwarder):
        await asyncio.gather(*(ask(forwarder, f"a{n}.test.") for n in range(12)))
        assert upstream.connections == 4
        upstream.freeze_connections()
        got = await asyncio.gather(*(ask(forwarder, f"b{n}.test.") for n in range(12)))
        assert {address_in(reply) for reply in got} == {"192.0.2.1"}

    run(work, upstream.address, limits=ForwardLimits(stream_pipeline=3))


def test_one_that_is_only_slow_is_used_again(upstream):
    async def work(forwarder):
        await ask(forwarder, "a.test.")
        upstream.on("*", Say(answer("192.0.2.9"), after_s=0.8), transport="tcp")
        assert address_in(await ask(forwarder, "slow.test.")) == "192.0.2.9"
        upstream.on("*", answer(), transport="tcp")
        for n in range(3):
            await ask(forwarder, f"b{n}.test.")
        assert forwarder.statistics.connections_doubted == 1

    run(work, upstream.address)
    assert upstream.connections == 2


def test_doubted_connections_are_bounded(upstream):
    upstream.on("*", silence, transport="tcp")

    async def work(forwarder):
        asked = [asyncio.create_task(ask(forwarder, f"n{n}.test.")) for n in range(30)]
        await asyncio.sleep(0.5)
        pool = next(iter(forwarder._sources.upstreams())).streams
        assert len(pool._connections) <= 2
        assert len(pool._doubted) <= 2
        await asyncio.gather(*asked, return_exceptions=True)

    run(work, upstream.address, limits=ForwardLimits(stream_pipeline=3, streams=2, stream_silence_s=0.1, deadline_s=0.9))


def test_a_silent_connection_is_given_up_with_its_question(upstream):
    upstream.on("*", silence, transport="tcp", times=2)

    async def work(forwarder):
        with pytest.raises(UpstreamError):
            await ask(forwarder, "a.test.")
        assert not next(iter(forwarder._sources.upstreams())).streams._doubted
        await ask(forwarder, "b.test.")
        assert forwarder.statistics.connections_doubted

    run(work, upstream.address, limits=ForwardLimits(deadline_s=0.35, stream_silence_s=0.2))


@pytest.mark.parametrize("lie", [wrong_name, garbage, lambda asked: b"\0" * 5], ids=["name", "garbage", "short"])
def test_what_cannot_be_read_on_a_stream_is_an_error(upstream, lie):
    upstream.on("*", lie, transport="tcp")

    async def work(forwarder):
        with pytest.raises(UpstreamError):
            await ask(forwarder, "a.test.")

    run(work, upstream.address, limits=ForwardLimits(deadline_s=0.3))


def test_tc_over_tcp_is_an_error(upstream):
    upstream.on("*", truncated)

    async def work(forwarder):
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, "a.test.")
        assert error.value.kind == "truncated"

    run(work, upstream.address)


def test_formerr_over_tcp_is_asked_again_without_edns(upstream):
    upstream.on(lambda asked: bool(asked.opt), rcode(1), transport="tcp")

    async def work(forwarder):
        assert address_in(await ask(forwarder, "a.test.")) == "192.0.2.1"

    run(work, upstream.address)


# TLS


def test_a_kept_tls_connection_that_died_in_silence_is_noticed_in_time(encrypted):
    async def work(forwarder):
        await ask(forwarder, "a.test.")
        encrypted.freeze_connections()
        got = await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(20)))
        assert {address_in(reply) for reply in got} == {"192.0.2.1"}
        assert forwarder.statistics.connections_doubted == 1

    run(work, f"tls://{encrypted.address}#dns.example")
    assert encrypted.connections == 2


@pytest.mark.parametrize("held", [1, 2])
@pytest.mark.slow
def test_a_new_tls_connection_may_be_lost_before_its_handshake(encrypted, held):
    with Relay(encrypted.port) as relay:

        async def work(forwarder):
            await ask(forwarder, "a.test.")
            relay.lose(held)
            got = await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(20)))
            assert {address_in(reply) for reply in got} == {"192.0.2.1"}
            await asyncio.wait_for(ask(forwarder, "c.test."), 0.3)

        run(work, f"tls://127.0.0.1:{relay.port}#dns.example")
        assert relay.accepted >= 2 + held


def test_a_dead_tls_connection_to_the_first_upstream_leaves_it_the_first(encrypted):
    with ScriptedUpstream() as second:
        second.on("*", rcode(3))

        async def work(forwarder):
            await ask(forwarder, "a.test.")
            encrypted.freeze_connections()
            assert address_in(await ask(forwarder, "b.test.")) == "192.0.2.1"

        run(work, f"tls://{encrypted.address}#dns.example", second.address)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A key and a certificate for dns.example and 127.0.0.1, which is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=dns.example",
         "-addext", "subjectAltName=DNS:dns.example,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def encrypted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with ScriptedUpstream(tls=context) as scripted:
        yield scripted


@pytest.mark.parametrize("name", ["#dns.example", ""])
def test_tls_with_the_right_name(encrypted, name):
    async def work(forwarder):
        for n in range(3):
            assert address_in(await ask(forwarder, f"n{n}.test.")) == "192.0.2.1"

    run(work, f"tls://{encrypted.address}{name}")
    assert encrypted.connections == 1
    assert encrypted.count("tls") == encrypted.count() == 3
    assert {len(asked.message) for asked in encrypted.queries} == {128}


def test_tls_with_a_wrong_name_gives_nothing_away(encrypted):
    async def work(forwarder):
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, "a.test.")
        assert error.value.kind == "refused"
        assert "certificate" in error.value.reason

    run(work, f"tls://{encrypted.address}#other.example")
    assert not encrypted.queries


def test_tls_by_an_unknown_authority_gives_nothing_away(encrypted, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")

    async def work(forwarder):
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, "a.test.")
        assert "certificate" in error.value.reason

    run(work, f"tls://{encrypted.address}#dns.example")
    assert not encrypted.queries


def test_a_dead_tls_upstream_is_passed_over(encrypted):
    async def work(forwarder):
        assert address_in(await ask(forwarder, "a.test.")) == "192.0.2.1"

    run(work, f"tls://127.0.0.1:{free_port()}", f"tls://{encrypted.address}")
