"""Upstreams that lead back to us are found, whichever way they do it, and used again when they do not (statement C-17)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import selectors
import socket
import threading
import time

import dns.rcode
import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.probe_names import ProbeNames, VALID_S, ZONE_OCTETS_MAX
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire import name
from dnsdisco.wire.constants import RD
from tests.forward.forwarding import run
from tests.forward.upstream import address_in, answer, question, rcode, reply, ScriptedUpstream, silence
from tests.kit import errors
from tests.server.test_run import entry as service
from tests.server.test_run import Process, worker
from tests.whole.server import Server

pytestmark = pytest.mark.slow

WITHIN_S = 8.0  # what is promised is 2 s; a busy machine has its pauses


class Relay:
    """A UDP port that hands every datagram to *target*, and what comes back to whoever asked: the same server at another address."""

    def __init__(self, target: int = 0) -> None:
        self.target = target  # may change at any time; 0: nobody
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.passed: list[bytes] = []
        self._is_over = False

    def __enter__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over = True
        self._thread.join(5)
        self._sock.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
            selector.register(self._sock, selectors.EVENT_READ, None)
            while not self._is_over:
                for key, _ in selector.select(0.1):
                    with contextlib.suppress(OSError):
                        if key.data is None:
                            query, peer = self._sock.recvfrom(4096)
                            self.passed.append(query)
                            out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                            out.connect(("127.0.0.1", self.target or 9))
                            out.send(query)
                            selector.register(out, selectors.EVENT_READ, peer)
                        else:
                            assert isinstance(key.fileobj, socket.socket)
                            self._sock.sendto(key.fileobj.recv(4096), key.data)


def until(condition, within_s=WITHIN_S):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def figure(made: Process, name: str, least: int) -> int:
    for _ in range(10):
        count = made.heard("counters")["counters"][name]
        if count >= least:
            return count
    raise AssertionError(count)


# names


def test_a_mark_is_known_to_every_worker_and_to_nobody_else():
    secret = os.urandom(16)
    ours, others = ProbeNames(secret), ProbeNames(os.urandom(16))
    zone = name.from_text("corp.example")
    tag = ours.tag_of("192.0.2.1:53")
    mark = ours.make(tag, zone, 1e6, os.urandom(4))
    assert ProbeNames(secret).read(mark.question, 1e6 + 1) == (tag, zone, mark.proof)
    assert ours.read(mark.question[:-4].upper() + mark.question[-4:], 1e6) == (
        tag,
        zone,
        mark.proof,
    )  # through somebody who uses 0x20
    assert others.read(mark.question, 1e6) is None
    assert ours.read(mark.question, 1e6 + VALID_S + 1) is None
    assert ours.read(mark.question, 1e6 - 1) is None
    assert ours.read(mark.question[:-3] + b"\x01\0\1", 1e6) is None
    for at in range(1, 34):
        if at != 17:
            changed = mark.question[:at] + (b"b" if mark.question[at] == ord("a") else b"a") + mark.question[at + 1 :]
            assert ours.read(changed, 1e6) is None, at
    assert ours.read(mark.question[:34] + name.from_text("example") + mark.question[-4:], 1e6) is None


def test_a_mark_of_the_longest_zone_is_a_name():
    zone = b"\x3f" + b"x" * 63
    zone = zone * 3 + bytes((ZONE_OCTETS_MAX - 3 * 64 - 2,)) + b"y" * (ZONE_OCTETS_MAX - 3 * 64 - 2) + b"\0"
    mark = ProbeNames(bytes(16)).make(b"abc", zone, 0, bytes(4))
    assert name.read(mark.question, 0) == (mark.question[:-4], len(mark.question) - 4)


def test_names_do_not_repeat_and_have_nothing_in_common():
    marks = ProbeNames(os.urandom(16))
    names = {marks.make(marks.tag_of("x"), b"\0", 1e6, os.urandom(4)).question for _ in range(1000)}
    assert len(names) == 1000
    again = ProbeNames(os.urandom(16))
    assert marks.tag_of("x") != again.tag_of("x")


@pytest.mark.parametrize(
    "octets",
    [
        b"\0\0\x10\0\1",
        b"\x10\0\x10\0\1",
        b"\x10" + b"a" * 16 + b"\x10",
        b"\x10" + b"1" * 16 + b"\x10" + b"a" * 16 + b"\0\0\x10\0\1",
    ],
)
def test_what_only_looks_like_a_mark_is_none(octets):
    assert ProbeNames(bytes(16)).read(octets, 0) is None


# whole workers


def test_ourselves_at_another_port_is_disabled_and_comes_back():
    with (
        Relay() as relay,
        ScriptedUpstream() as upstream,
        worker(service("web"), forward={"upstreams": [relay.address]}) as made,
    ):
        relay.target = made.port
        assert figure(made, "forward.loops", 1) == 1
        refused = made.ask("www.test", within_s=5)
        assert refused.rcode() == dns.rcode.SERVFAIL
        assert any("lead back to this server" in text for text in errors(refused).values())
        assert [str(each) for each in made.ask("web.svc.local").answer[0]] == ["10.0.0.1"]
        relay.target = upstream.port
        until(lambda: made.ask("www.test", within_s=5).rcode() == dns.rcode.NOERROR)
        assert made.process.poll() is None
    assert len(re.findall(r"leads back to us: disabled", made.stderr)) == 1
    assert "forward to this server" in made.stderr
    assert "used again" in made.stderr


def test_a_loop_that_a_question_finds_long_after_the_start():
    with (
        ScriptedUpstream() as upstream,
        Relay(upstream.port) as relay,
        worker(forward={"upstreams": [relay.address]}) as made,
    ):
        assert made.ask("a.test", within_s=5).rcode() == dns.rcode.NOERROR
        until(lambda: upstream.probes)  # it has told that it does not lead back: the next look of itself is a minute away
        time.sleep(1.2)
        relay.target = made.port
        with contextlib.suppress(Exception):
            made.ask("b.test", within_s=0.1)
        assert figure(made, "forward.loops", 1) == 1


def test_a_circle_of_two_servers():
    with (
        Relay() as between,
        worker(forward={"upstreams": [between.address]}) as one,
        worker(forward={"upstreams": [f"127.0.0.1:{one.port}"]}) as other,
    ):
        between.target = other.port
        until(lambda: sum(figure(made, "forward.loops", 0) for made in (one, other)))
        assert one.ask("www.test", within_s=5).rcode() == dns.rcode.SERVFAIL
        assert max(figure(made, "forward.loops", 0) for made in (one, other)) == 1


def test_only_the_zone_whose_upstream_leads_back_is_without_it():
    with (
        ScriptedUpstream() as upstream,
        Relay() as relay,
        worker(forward={"upstreams": [upstream.address], "zones": {"corp.test": [relay.address]}}) as made,
    ):
        relay.target = made.port
        figure(made, "forward.loops", 1)
        assert made.ask("www.corp.test", within_s=5).rcode() == dns.rcode.SERVFAIL
        assert made.ask("www.test", within_s=5).rcode() == dns.rcode.NOERROR
        assert not [asked for asked in (*upstream.queries, *upstream.probes) if b"\4corp\4test\0" in asked.message]
    assert "for names below corp.test." in made.stderr


def test_workers_know_each_others_questions(tmp_path):
    with (
        Relay() as relay,
        Server("--upstream", relay.address, "--workers", "2", "--http", "off", "--provider", "env", cwd=tmp_path) as server,
    ):
        relay.target = server.port
        server.wait_for("leads back to us: disabled")
        for n in range(10):  # from ports of their own, so that both are asked
            until(lambda n=n: any("lead back" in text for text in errors(server.ask(f"n{n}.test", timeout=8)).values()))
        assert server.stderr.count("leads back to us: disabled") == 1


# who tries to make us believe it


async def probed(forwarder, upstream, count=1):
    while len(upstream.probes) < count:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


def test_an_answer_without_the_proof_does_not_disable():
    with ScriptedUpstream() as upstream:
        upstream.on(
            lambda asked: asked.is_loop_probe,
            lambda asked: reply(asked, records=(b"\xc0\x0c\0\x10\0\1\0\0\0\0\0\x11\x10" + b"a" * 16,)),
        )

        async def work(forwarder):
            await probed(forwarder, upstream)
            assert forwarder.statistics.loops == 0
            assert address_in(await forwarder.exchange(question("www.test."), flags=RD, dnssec_ok=False)) == "192.0.2.1"

        run(work, upstream.address, secret=os.urandom(16))


@pytest.mark.parametrize("says", [rcode(2), rcode(5), silence, answer("192.0.2.9")])
def test_other_answers_and_none_disable_nobody(says):
    with ScriptedUpstream() as upstream:
        upstream.on(lambda asked: asked.is_loop_probe, says)

        async def work(forwarder):
            await probed(forwarder, upstream)
            assert address_in(await forwarder.exchange(question("www.test."), flags=RD, dnssec_ok=False)) == "192.0.2.1"
            assert forwarder.statistics.loops == forwarder.statistics.died == 0

        run(work, upstream.address, secret=os.urandom(16))


def test_an_error_does_not_bring_one_back():
    """Two servers in a circle that both leave out the other tell each other SERVFAIL: neither is to try again for that."""
    with ScriptedUpstream() as upstream:

        async def work(forwarder):
            await probed(forwarder, upstream)
            assert forwarder.recognise(upstream.probes[-1].question) is not None
            upstream.on(lambda asked: asked.is_loop_probe, rcode(2))
            await probed(forwarder, upstream, len(upstream.probes) + 1)
            with pytest.raises(UpstreamError) as error:
                await forwarder.exchange(question("www.test."), flags=RD, dnssec_ok=False)
            assert error.value.kind == "disabled"
            upstream.forget()
            await probed(forwarder, upstream, len(upstream.probes) + 1)
            assert address_in(await forwarder.exchange(question("www.test."), flags=RD, dnssec_ok=False)) == "192.0.2.1"
            assert forwarder.statistics.loops == 1

        run(work, upstream.address, secret=os.urandom(16))


def test_a_reload_without_the_upstream_forgets_that_it_led_back():
    with ScriptedUpstream() as upstream:

        async def work(forwarder):
            await probed(forwarder, upstream)
            forwarder.recognise(upstream.probes[-1].question)
            zones = (("corp.test", (upstream.address,)),)
            forwarder.apply(ForwardSettings(zones=zones))
            assert address_in(await forwarder.exchange(question("x.corp.test."), flags=RD, dnssec_ok=False)) == "192.0.2.1"
            forwarder.apply(ForwardSettings(upstreams=(upstream.address,), zones=zones))
            assert address_in(await forwarder.exchange(question("x.test."), flags=RD, dnssec_ok=False)) == "192.0.2.1"

        run(work, upstream.address, secret=os.urandom(16))


def test_a_thousand_zones_are_looked_at_without_a_burst():
    with ScriptedUpstream() as upstream:

        async def work(forwarder):
            await asyncio.sleep(0.1)
            first = len(upstream.probes)
            await asyncio.sleep(0.6)
            assert first <= 32
            assert first < len(upstream.probes) <= 4 * 32

        run(work, secret=os.urandom(16), zones=tuple((f"z{n}.test", (upstream.address,)) for n in range(1000)))
