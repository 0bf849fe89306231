"""Upstreams over HTTPS (RFC 8484): what is sent, what is believed, what becomes of faults."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import socket
import ssl
import subprocess
import sys
import time

import dns.message
import dns.rcode
import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.forward import https
from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire.constants import AAAA, RD
from tests.forward.https_upstream import HttpsSay, HttpsUpstream
from tests.forward.relay import Relay
from tests.forward.test_forward_stream import certificate  # noqa: F401  # a fixture
from tests.forward.upstream import a_record, address_in, answer, free_port, question, reply, ScriptedUpstream

pytest.importorskip("httpx")


def context(folder, *protocols):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    tls.set_alpn_protocols(list(protocols))
    return tls


@pytest.fixture
def upstream(certificate, monkeypatch):  # noqa: F811
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # somebody else's business
    with HttpsUpstream(context(certificate, "h2", "http/1.1")) as made:
        yield made


@pytest.fixture
def plain():
    with ScriptedUpstream() as scripted:
        scripted.on("*", answer("192.0.2.2"))
        yield scripted


def run(work, *addresses, **limits):
    async def main():
        forwarder = Forwarder(ForwardSettings(upstreams=addresses), limits=ForwardLimits(**limits))
        await forwarder.start()
        try:
            return await work(forwarder)
        finally:
            await forwarder.close()
            assert len(asyncio.all_tasks()) == 1

    return asyncio.run(main())


def ask(forwarder, name="www.test.", qtype=1):
    return forwarder.exchange(question(name, qtype), flags=RD, dnssec_ok=False)


def failure(*addresses, name="www.test.", **limits):
    async def work(forwarder):
        with pytest.raises(UpstreamError) as error:
            await ask(forwarder, name)
        return error.value

    return run(work, *addresses, **limits)


def by_address(upstream, name="#dns.example"):
    return f"https://{upstream.address}/dns-query{name}"


@pytest.mark.parametrize("name", ["", "#dns.example"])
def test_a_question_is_a_post_over_http_2(upstream, name):
    async def work(forwarder):
        assert address_in(await ask(forwarder, "WwW.test.")) == "192.0.2.1"
        await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(50)))
        assert forwarder.describe()[0]["rtt_ms"] > 0

    run(work, by_address(upstream, name))
    assert upstream.connections == 1
    assert len(upstream.requests) == 51
    request = upstream.requests[0]
    host = f"{name[1:] or '127.0.0.1'}:{upstream.port}"
    assert {key: value for key, value in request.headers.items() if key != "content-length"} == {
        ":method": "POST", ":scheme": "https", ":authority": host, ":path": "/dns-query",
        "content-type": "application/dns-message", "accept": "application/dns-message",
    }  # fmt: skip
    assert {each.asked.id for each in upstream.requests} == {0}
    assert {len(each.body) % 128 for each in upstream.requests} == {0}
    assert request.asked.qname == "WwW.test."


def test_http_1_1_will_do(certificate, upstream):  # noqa: F811
    with HttpsUpstream(context(certificate, "http/1.1")) as old:

        async def work(forwarder):
            replies = await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(20)))
            assert {address_in(reply) for reply in replies} == {"192.0.2.1"}

        run(work, by_address(old))
        assert {request.version for request in old.requests} == {"1.1"}
        assert old.connections <= ForwardLimits().streams


def test_a_large_answer(upstream):
    records = tuple(a_record(f"10.0.{n >> 8}.{n & 255}") for n in range(2000))
    upstream.says = lambda asked: HttpsSay(body=reply(asked, records=records, counts=(1, 2000, 0, 0)))

    async def work(forwarder):
        assert (await ask(forwarder)).count(b"\x0a\0") >= 2000

    run(work, by_address(upstream))


# whom it believes


def test_another_name_on_the_certificate_gives_nothing_away(upstream):
    error = failure(by_address(upstream, "#other.example"))
    assert "certificate" in error.reason
    assert not upstream.requests


def test_an_unknown_authority_gives_nothing_away(upstream, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "certificate" in failure(by_address(upstream)).reason
    assert not upstream.requests


@pytest.mark.parametrize(
    ("say", "kind", "reason"),
    [
        (HttpsSay(status=503), "refused", "HTTP status 503"),
        (HttpsSay(status=302, headers=(("location", "https://127.0.0.1/"),)), "refused", "HTTP status 302"),
        (HttpsSay(headers=(("content-type", "text/html"),)), "malformed", "text/html"),
        (HttpsSay(headers=()), "malformed", "content-type"),
        (HttpsSay(body=b""), "malformed", "0 octets"),
        (HttpsSay(body=bytes(60_000) + bytes(5_600)), "malformed", "65535"),
        (HttpsSay(body=bytes(100)), "malformed", "reply"),
        (HttpsSay(is_close=True), "closed", ""),
        (HttpsSay(after_s=-1), "timeout", ""),
    ],
    ids=["503", "redirect", "html", "untyped", "empty", "large", "zeros", "closed", "silent"],
)
def test_what_is_no_answer_is_a_failure(upstream, say, kind, reason):
    upstream.says = lambda asked: say
    error = failure(by_address(upstream), deadline_s=1.2)
    assert (error.kind, reason in error.reason) == (kind, True), error


def test_a_reply_to_another_question_is_not_believed(upstream):
    upstream.says = lambda asked: HttpsSay(body=reply(asked, question=question("other.test."), records=(a_record("203.0.113.66"),)))
    assert failure(by_address(upstream)).kind == "malformed"


def test_the_next_upstream_answers_when_it_does_not(upstream, plain):
    for say in (HttpsSay(status=500), HttpsSay(is_close=True), HttpsSay(after_s=-1), HttpsSay(body=b"x" * 20)):
        upstream.says = lambda asked, say=say: say

        async def work(forwarder):
            assert address_in(await ask(forwarder)) == "192.0.2.2"

        run(work, by_address(upstream), plain.address)


def test_one_that_is_not_there_is_passed_over(upstream, plain):
    async def work(forwarder):
        for n in range(5):
            assert address_in(await ask(forwarder, f"n{n}.test.")) == "192.0.2.2"
        assert forwarder.describe()[0]["state"] == "dead"

    run(work, f"https://127.0.0.1:{free_port()}/dns-query", plain.address)


def test_a_connection_that_was_closed_meanwhile_is_not_felt(upstream):
    async def work(forwarder):
        for n in range(3):
            assert address_in(await ask(forwarder, f"n{n}.test.")) == "192.0.2.1"
            upstream.close_connections()
            if n != 1:
                await asyncio.sleep(0.1)
        assert forwarder.describe()[0]["failures"] == 0

    run(work, by_address(upstream))
    assert upstream.connections == 3


def test_a_kept_connection_that_died_in_silence_is_noticed_in_time(upstream):
    async def work(forwarder):
        assert address_in(await ask(forwarder)) == "192.0.2.1"
        upstream.freeze_connections()
        began = time.monotonic()
        got = await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(20)))
        assert {address_in(reply) for reply in got} == {"192.0.2.1"}
        assert time.monotonic() - began < 1.6
        began = time.monotonic()
        assert address_in(await ask(forwarder, "more.test.")) == "192.0.2.1"
        assert time.monotonic() - began < 0.4
        assert forwarder.statistics.connections_doubted == 1
        assert not forwarder.statistics.died

    run(work, by_address(upstream))
    assert upstream.connections == 2


# httpcore lets go of a connection whose handshake is cut without closing it: the collector of garbage does, and complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
def test_a_new_connection_may_be_lost_before_its_handshake_after_the_kept_one_died(upstream):
    with Relay(upstream.port) as relay:

        async def work(forwarder):
            await ask(forwarder, "a.test.")
            relay.lose(1)
            assert address_in(await ask(forwarder, "b.test.")) == "192.0.2.1"
            await asyncio.wait_for(ask(forwarder, "c.test."), 0.4)
            pool = next(iter(forwarder._sources.upstreams())).https
            while pool.in_flight or pool._doubted:  # `connect_s` ends what hangs in its handshake
                await asyncio.sleep(0.05)

        run(work, by_address(upstream).replace(f":{upstream.port}", f":{relay.port}"))
        assert relay.accepted >= 3
    gc.collect()


@pytest.mark.slow
def test_all_that_wait_on_a_dead_connection_are_asked_again(upstream):
    upstream.says = lambda asked: HttpsSay(after_s=0.2)

    async def work(forwarder):
        await ask(forwarder)
        asked = [asyncio.create_task(ask(forwarder, f"n{n}.test.")) for n in range(50)]
        while len(upstream.requests) < 51:
            await asyncio.sleep(0.01)
        upstream.freeze_connections()
        assert {address_in(reply) for reply in await asyncio.gather(*asked)} == {"192.0.2.1"}
        pool = next(iter(forwarder._sources.upstreams())).https
        while (
            pool.in_flight or pool._doubted
        ):  # what hangs on the dead connection gives its place back, and the connection is closed
            await asyncio.sleep(0.05)

    run(work, by_address(upstream))


@pytest.mark.slow
def test_one_that_is_only_slow_is_waited_for(upstream):
    async def work(forwarder):
        await ask(forwarder)
        upstream.says = lambda asked: HttpsSay(after_s=0.8)
        for n in range(3):
            assert address_in(await ask(forwarder, f"n{n}.test.")) == "192.0.2.1"
        assert forwarder.statistics.connections_doubted <= 2  # then it is known to be slow

    run(work, by_address(upstream))


def test_what_is_on_its_way_is_bounded(upstream):
    upstream.says = lambda asked: HttpsSay(after_s=0.3)

    async def work(forwarder):
        tasks = [asyncio.create_task(ask(forwarder, f"n{n}.test.")) for n in range(8)]
        got = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(each, bytes) for each in got) == 4
        assert forwarder.statistics.streams_full == 4
        assert isinstance(await ask(forwarder, "more.test."), bytes)

    run(work, by_address(upstream), https_pending=4)


def test_an_upstream_that_is_no_longer_one_ends_what_it_began(upstream, plain):
    upstream.says = lambda asked: HttpsSay(after_s=0.2)

    async def work(forwarder):
        asked = asyncio.create_task(ask(forwarder))
        await asyncio.sleep(0.1)
        forwarder.apply(ForwardSettings(upstreams=(plain.address,)))
        assert address_in(await asked) == "192.0.2.1"
        assert address_in(await ask(forwarder, "other.test.")) == "192.0.2.2"
        await asyncio.sleep(0.3)

    run(work, by_address(upstream))


# a host that is written by name


def by_name(upstream, host="dns.example"):
    return f"https://{host}:{upstream.port}/dns-query"


def test_a_host_by_name_is_found_through_the_others(upstream, plain):
    plain.on("dns.example.", answer("127.0.0.1"))

    async def work(forwarder):
        replies = await asyncio.gather(*(ask(forwarder, f"n{n}.test.") for n in range(10)))
        assert {address_in(each) for each in replies} == {"192.0.2.1"}

    run(work, by_name(upstream), plain.address)
    assert {(asked.qname, asked.qtype) for asked in plain.queries} == {("dns.example.", 1), ("dns.example.", AAAA)}
    assert len(plain.queries) == 2
    assert upstream.requests[0].headers[":authority"] == f"dns.example:{upstream.port}"


def test_who_is_there_must_be_who_was_named(upstream, plain):
    plain.on("other.example.", answer("127.0.0.1"))

    async def work(forwarder):
        assert address_in(await ask(forwarder)) == "192.0.2.2"

    run(work, by_name(upstream, "other.example"), plain.address)
    assert not upstream.requests


def test_the_next_address_is_tried(upstream, plain):
    plain.on(
        lambda asked: asked.qname == "dns.example." and asked.qtype == 1,
        lambda asked: reply(asked, records=(a_record("127.0.0.99"), a_record("127.0.0.1"))),
    )

    async def work(forwarder):
        for n in range(3):
            assert address_in(await ask(forwarder, f"n{n}.test.")) == "192.0.2.1"

    run(work, by_name(upstream), plain.address)


def test_a_host_that_nobody_can_resolve_says_what_to_do(upstream, monkeypatch):
    monkeypatch.setattr("dnsdisco.forward.upstream_table.RESOLV_CONF", "/nonexistent/resolv.conf")
    error = failure(by_name(upstream))
    assert "dns.example cannot be resolved" in error.reason
    assert "https://ADDRESS/PATH#NAME" in error.reason


# a server that others wrote


@pytest.mark.servers
@pytest.mark.skipif(shutil.which("unbound") is None, reason="unbound is not installed")
def test_unbound_over_https(certificate, upstream, tmp_path):  # noqa: F811
    if "nghttp2" not in subprocess.run(["unbound", "-V"], capture_output=True, text=True, check=False).stdout:
        pytest.skip("this unbound has no HTTPS")
    port = free_port()
    (tmp_path / "unbound.conf").write_text(f"""
server:
  interface: 127.0.0.1@{port}
  https-port: {port}
  tls-service-key: {certificate}/key.pem
  tls-service-pem: {certificate}/cert.pem
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{tmp_path}"
  pidfile: "{tmp_path}/unbound.pid"
  use-syslog: no
  logfile: "{tmp_path}/unbound.log"
  num-threads: 1
  module-config: "iterator"
  local-zone: "example.test." static
  local-data: "www.example.test. 60 A 192.0.2.1"
remote-control:
  control-enable: no
""")
    process = subprocess.Popen(["unbound", "-d", "-c", str(tmp_path / "unbound.conf")])
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)

        async def work(forwarder):
            replies = await asyncio.gather(*(ask(forwarder, "www.example.test.", qtype) for qtype in (1, 16, 28, 15)))
            assert [dns.message.from_wire(each).rcode() for each in replies] == [dns.rcode.NOERROR] * 4
            assert b"\xc0\x00\x02\x01" in replies[0]
            denied = dns.message.from_wire(await ask(forwarder, "none.example.test."))
            assert denied.rcode() == dns.rcode.NXDOMAIN

        run(work, f"https://127.0.0.1:{port}/dns-query#dns.example")
    finally:
        process.terminate()
        process.wait(10)


# without the extra


def test_without_the_package_it_is_left_out_and_the_extra_named(upstream, plain, monkeypatch, caplog):
    monkeypatch.setattr(https, "find_spec", lambda name: None)

    async def work(forwarder):
        assert address_in(await ask(forwarder)) == "192.0.2.2"

    run(work, by_address(upstream), plain.address)
    assert any("pip install 'dnsdisco[doh]'" in record.message for record in caplog.records)


@pytest.mark.slow
def test_nobody_who_does_not_ask_for_it_pays_for_it():
    code = "import sys, dnsdisco.server.run; sys.exit('httpx' in sys.modules or 'h2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_deadline_is_kept(upstream):
    upstream.says = lambda asked: HttpsSay(after_s=-1)
    began = time.monotonic()
    assert failure(by_address(upstream)).kind == "timeout"
    assert time.monotonic() - began < 4
