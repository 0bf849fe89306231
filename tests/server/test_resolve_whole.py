"""Forwarding and the cache in a worker process: a scripted upstream that comes and goes, and resolvers that others wrote."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time

import dns.message
import dns.query
import dns.rcode
import pytest

from dnsdisco.model import delta
from dnsdisco.server.listeners import Listeners
from dnsdisco.server.worker import Worker, WorkerParameters
from dnsdisco.wire.constants import A
from tests.forward.test_forward_real import MANY, unbound
from tests.forward.upstream import a_record, answer, Asked, free_port, reply, Say, ScriptedUpstream, silence, truncated
from tests.kit import errors, section
from tests.server.test_run import entry, worker

pytestmark = pytest.mark.slow


def short_lived(asked: Asked) -> bytes:
    return reply(asked, records=(a_record("192.0.2.1", ttl=1),) if asked.qtype == A else ())


def figures(made, until):
    """The first counters that the worker tells for which *until* holds; it tells them each second, and the old ones wait to be read."""
    for _ in range(10):
        counters = made.heard("counters")["counters"]
        if until(counters):
            return counters
    raise AssertionError(counters)


def test_the_upstream_is_asked_once_and_the_ttl_goes_down():
    with ScriptedUpstream() as upstream, worker(entry("web"), forward={"upstreams": [upstream.address]}) as made:
        ttls = [made.ask("www.test").answer[0].ttl]
        time.sleep(1.1)
        ttls += [made.ask("WWW.test", tcp=tcp).answer[0].ttl for tcp in (False, True)]
        assert ttls == [60, 59, 59]
        for _ in range(50):
            made.ask("www.test")
        assert [asked.qname.lower() for asked in upstream.queries] == ["www.test."]
        assert figures(made, lambda counters: counters["cache.hits"] >= 52)["cache.hits"] == 52


def test_an_upstream_that_goes_silent_is_not_felt():
    """Statement A-53, over sockets: in time, stale, and fresh again when it is back."""
    with ScriptedUpstream() as upstream, worker(forward={"upstreams": [upstream.address]}) as made:
        upstream.on("www.test.", Say(short_lived))
        made.ask("www.test")
        upstream.on("*", Say(silence))
        time.sleep(1.1)
        began = time.monotonic()
        stale = made.ask("www.test", within_s=3)
        assert 1.7 < time.monotonic() - began < 2.0
        assert (stale.answer[0].ttl, set(errors(stale))) == (30, {3})
        began = time.monotonic()
        assert set(errors(made.ask("www.test"))) == {3}
        assert time.monotonic() - began < 0.1
        began = time.monotonic()
        never = made.ask("never.test", within_s=3)
        assert time.monotonic() - began < 2.0
        assert (never.rcode(), set(errors(never))) == (dns.rcode.SERVFAIL, {22})
        assert set(errors(made.ask("never.test", within_s=0.5))) == {22, 13}


def test_other_upstreams_are_asked_anew():
    with ScriptedUpstream() as one, ScriptedUpstream() as other, worker(forward={"upstreams": [one.address]}) as made:
        other.on("*", Say(answer("192.0.2.2")))
        assert section(made.ask("www.test").answer) == {"www.test. A 192.0.2.1"}
        settings = {**made.settings, "cache": {"max_ttl": 7, "size": 100}}
        for datagram in delta.pack({"op": "settings", "settings": settings}):
            made.ours.send(datagram)
        time.sleep(0.3)
        assert made.ask("www.test").answer[0].ttl > 50  # kept
        assert made.ask("w3.test").answer[0].ttl == 7
        settings = {**settings, "forward": {"upstreams": [other.address]}}
        for datagram in delta.pack({"op": "settings", "settings": settings}):
            made.ours.send(datagram)
        until = time.monotonic() + 2
        while section(made.ask("www.test").answer) != {"www.test. A 192.0.2.2"}:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert [asked.qname for asked in one.queries].count("www.test.") == 1


def test_a_resolv_conf_that_changes_makes_answers_old(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.1\n")

    async def main():
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {"forward": {"upstreams": [str(path)]}}
        made = Worker(WorkerParameters(0, [], theirs, settings, lambda _: None, bytes(16)))
        loop = asyncio.get_running_loop()
        made._ended = loop.create_future()
        made._listeners = Listeners([], made.responder, loop, made._latency)
        await made.forwarder.start()
        made._tick()
        origins = [made.responder.policy.origin]
        made._tick()
        origins.append(made.responder.policy.origin)
        path.write_text("nameserver 192.0.2.1\nnameserver 192.0.2.22\n")
        made.forwarder._sources.look()
        made._tick()
        origins.append(made.responder.policy.origin)
        made._ended.set_result(None)
        await made.forwarder.close()
        ours.close()
        theirs.close()
        return origins

    first, second, third = asyncio.run(main())
    assert first == second != third


def test_tcp_that_gives_nothing_after_a_cut_reply_is_an_error_and_nothing_is_kept():
    """A-44."""
    with ScriptedUpstream(has_tcp=False) as upstream, worker(forward={"upstreams": [upstream.address]}) as made:
        upstream.on("cut.test.", Say(truncated), times=1)
        reply_ = made.ask("cut.test", within_s=3)
        assert (reply_.rcode(), reply_.answer) == (dns.rcode.SERVFAIL, [])
        time.sleep(1.1)
        assert section(made.ask("cut.test").answer) == {"cut.test. A 192.0.2.1"}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Unbound, with a zone of its own and one that it forwards."""
    if shutil.which("unbound") is None:
        pytest.skip("unbound is not installed")
    with ScriptedUpstream() as beyond:
        port = free_port()
        process = subprocess.Popen(
            unbound(tmp_path_factory.mktemp("unbound"), port, beyond), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            for _ in range(100):
                assert process.poll() is None, process.stderr.read()
                try:
                    dns.query.udp(dns.message.make_query("www.example.test", "A"), "127.0.0.1", port=port, timeout=0.1)
                    break
                except (OSError, dns.exception.Timeout):
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=10)


@pytest.mark.servers
def test_the_same_as_unbound_says_from_it_and_from_the_cache(real):
    types = ("A", "AAAA", "TXT", "TYPE65280", "DS")
    questions = [(name + ".example.test", rtype) for name in ("www", "none", "a.b.none", "many") for rtype in types]
    questions += [(f"n{n}.beyond.test", "A") for n in range(20)]
    with worker(forward={"upstreams": [f"127.0.0.1:{real}"]}) as made:
        for name, rtype in questions:
            query = dns.message.make_query(name, rtype, use_edns=0, payload=1232)
            theirs = dns.query.tcp(query, "127.0.0.1", port=real, timeout=3)
            for way in (dns.query.udp, dns.query.tcp, dns.query.tcp):
                ours = way(query, "127.0.0.1", port=made.port, timeout=3)
                is_cut = bool(ours.flags & dns.flags.TC)
                assert (ours.rcode(), is_cut or section(ours.answer) == section(theirs.answer)) == (theirs.rcode(), True)
                assert is_cut == (name.startswith("many") and rtype == "A" and way is dns.query.udp)
                assert is_cut or theirs.answer or section(ours.authority) == section(theirs.authority)
        assert len(made.ask("many.example.test", tcp=True).answer[0]) == MANY
        figures(made, lambda counters: counters["cache.hits"] > 2 * counters["cache.misses"] > 0)
