"""The three ways through a UDP socket give the same answers to the same questions, from the address that was asked."""

from __future__ import annotations

import asyncio
import socket
import threading

import dns.message
import dns.rcode
import pytest

from dnsdisco.server import batch
from dnsdisco.server.udp import UdpListener
from tests.conformance.probes import PROBES
from tests.kit import Answers, section

WAYS = [
    pytest.param(
        ("127.0.0.1", True, "127.0.0.1"),
        id="in batches",
        marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here"),
    ),
    pytest.param(
        ("::1", True, "::1"), id="in batches, IPv6", marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here")
    ),
    pytest.param(("127.0.0.1", False, "127.0.0.1"), id="one by one"),
    pytest.param(("0.0.0.0", False, "127.0.0.7"), id="on every address"),
    pytest.param(("::", False, "::1"), id="on every IPv6 address"),
]


@pytest.fixture
def served(request):
    host, in_batches, target = request.param
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    answers = Answers(recursion=False)
    started, loop = threading.Event(), asyncio.new_event_loop()
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if host == "0.0.0.0":
            sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_PKTINFO", 8), 1)
        elif host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        sock.bind((host, 0))
        listener = UdpListener(sock, host, answers.responder, loop, in_batches=in_batches)

        def run() -> None:
            listener.start()
            loop.call_soon(started.set)
            loop.run_forever()
            listener.close()

        thread = threading.Thread(target=run)
        thread.start()
        started.wait(5)
        yield answers, listener, target, sock.getsockname()[1]
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
    loop.close()


def client(target: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((target, port))  # only replies from there come in
    sock.settimeout(3)
    return sock


@pytest.mark.parametrize("served", WAYS, indirect=True)
def test_every_way_gives_the_same_replies(served):
    _, listener, target, port = served
    with client(target, port) as sock:
        for probe in PROBES:
            if probe.expected == "-":
                continue
            for _ in range(3):
                sock.send(probe.message)
                reply = sock.recv(65535)
                assert reply[:2] == probe.message[:2]
                assert dns.rcode.to_text(dns.message.from_wire(reply, keyring=False).rcode()) == probe.expected, probe.title
                assert probe.shape(reply), probe.title
    assert listener.unsent == 0


@pytest.mark.parametrize("served", WAYS, indirect=True)
def test_many_at_once_each_get_their_own(served):
    answers, _, target, port = served
    names = ["web.svc.local.", "WEB.svc.local.", "auth.svc.local.", "nosuch.svc.local.", "my_svc.svc.local."]
    expected = {name: section(answers.ask(name).answer) for name in names}
    with client(target, port) as sock:
        for _ in range(4):
            waiting = {}
            for number in range(150):
                query = dns.message.make_query(names[number % len(names)], "A", use_edns=0 if number % 2 else False)
                query.id = number
                waiting[number] = query
                sock.send(query.to_wire())
            while waiting:
                reply = dns.message.from_wire(sock.recv(65535))
                query = waiting.pop(reply.id)
                assert query.is_response(reply)
                assert reply.question[0].name.to_text() == query.question[0].name.to_text()
                assert {line.lower() for line in section(reply.answer)} == {
                    line.lower() for line in expected[query.question[0].name.to_text()]
                }


def test_who_may_not_ask_is_refused_in_batches_too():
    if not batch.is_available():
        pytest.skip("no recvmmsg here")
    from dnsdisco.answer.admit import Admission

    answers = Answers()
    answers.responder.configure(answers.responder.policy._replace(admission=Admission(["192.0.2.0/24"])))
    loop = asyncio.new_event_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        listener = UdpListener(sock, "127.0.0.1", answers.responder, loop)
        listener.start()
        with client("127.0.0.1", sock.getsockname()[1]) as asking:
            for _ in range(3):
                asking.send(dns.message.make_query("web.svc.local.", "A").to_wire())
                loop.call_later(0.05, loop.stop)
                loop.run_forever()
                assert dns.message.from_wire(asking.recv(4096)).rcode() == dns.rcode.REFUSED
        listener.close()
    loop.close()
