"""The three ways through a UDP socket give the same answers to the same questions, from the address that was asked."""

from __future__ import annotations

import asyncio
import socket
import threading

import dns.edns
import dns.message
import dns.rcode
import pytest

from dnsdisco.model.service import Snapshot
from dnsdisco.server import batch
from dnsdisco.server.udp import UdpListener
from dnsdisco.zone.master import parse
from dnsdisco.zone.records import ZoneRecords
from tests.conformance.probes import PROBES
from tests.kit import Answers, section, services

WAYS = [
    pytest.param(
        ("127.0.0.1", True, "127.0.0.1"),
        id="in batches",
        marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here"),
    ),
    pytest.param(
        ("::1", True, "::1"), id="in batches, IPv6", marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here")
    ),
    pytest.param(
        ("0.0.0.0", True, "127.0.0.7"),
        id="in batches, on every address",
        marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here"),
    ),
    pytest.param(
        ("::", True, "::1"),
        id="in batches, on every IPv6 address",
        marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here"),
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


@pytest.mark.parametrize("served", WAYS, indirect=True)
def test_what_is_cut_is_counted(served):
    answers, listener, target, port = served
    answers.responder.catalog.set_records(
        ZoneRecords(parse("big 60 TXT " + " ".join(["x" * 200] * 4), "test.zone", ("svc.local",)))
    )
    answers.responder.table.clear()
    with client(target, port) as sock:
        for number in range(3):
            sock.send(dns.message.make_query("big.svc.local.", "TXT", use_edns=False).to_wire())
            assert sock.recv(4096)[2] & 2
            sock.send(dns.message.make_query("big.svc.local.", "TXT", payload=1232).to_wire())
            assert not sock.recv(4096)[2] & 2
            assert listener.cut == number + 1


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_who_may_not_ask_is_refused_in_batches_too(host):
    if not batch.is_available():
        pytest.skip("no recvmmsg here")
    from dnsdisco.answer.admit import Admission

    answers = Answers()
    answers.responder.configure(answers.responder.policy._replace(admission=Admission(["192.0.2.0/24"])))
    loop = asyncio.new_event_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        listener = UdpListener(sock, host, answers.responder, loop)
        listener.start()
        with client("127.0.0.1", sock.getsockname()[1]) as asking:
            for _ in range(3):
                asking.send(dns.message.make_query("web.svc.local.", "A").to_wire())
                loop.call_later(0.05, loop.stop)
                loop.run_forever()
                assert dns.message.from_wire(asking.recv(4096)).rcode() == dns.rcode.REFUSED
        listener.close()
    loop.close()


@pytest.mark.parametrize("served", WAYS[:5], indirect=True)
def test_what_the_table_holds_is_not_handed_on(served):
    _, listener, target, port = served
    with client(target, port) as sock:

        def ask(name: str, **options) -> None:
            sock.send(dns.message.make_query(name, "A", **options).to_wire())
            sock.recv(4096)

        for _ in range(2):
            ask("web.svc.local.")
            ask("nosuch.svc.local.")
        for _ in range(2):
            ask("web.svc.local.", use_edns=0)
            ask("web.svc.local.", options=[dns.edns.CookieOption(b"CookieAb", b"")])
        handed = listener._handed
        for name in ("web.svc.local.", "wEb.svc.local.", "nobody.svc.local."):
            ask(name)
        ask("web.svc.local.", options=[dns.edns.CookieOption(b"CookieAb", b"")])
        is_in_batches = listener._batch is not None
        assert listener._handed - handed == (0 if is_in_batches else 1)  # one by one, cookies take the longer way


@pytest.mark.parametrize("served", WAYS[:1], indirect=True)
def test_a_batch_of_known_and_unknown_names_is_answered_each(served):
    _, listener, target, port = served
    with client(target, port) as sock:
        for number in range(120):  # every third one is new, so its batch is sent in pieces
            name = f"n{number}.web.svc.local." if number % 3 == 0 else "web.svc.local."
            query = dns.message.make_query(name, "A")
            query.id = number
            sock.send(query.to_wire())
        seen = {}
        while len(seen) < 120:
            reply = dns.message.from_wire(sock.recv(4096))
            seen[reply.id] = reply.rcode()
        assert seen == {number: dns.rcode.NXDOMAIN if number % 3 == 0 else dns.rcode.NOERROR for number in range(120)}
    assert listener.unsent == 0


@pytest.mark.parametrize("served", WAYS[:1], indirect=True)
def test_denials_by_shape_deny_only_what_does_not_exist(served):
    answers, _, target, port = served
    with client(target, port) as sock:

        def rcode(name: str, rtype: str = "A") -> str:
            for _ in range(2):
                sock.send(dns.message.make_query(name + ".svc.local.", rtype, use_edns=0).to_wire())
                reply = dns.message.from_wire(sock.recv(4096))
            assert reply.rcode() != dns.rcode.NXDOMAIN or reply.authority[0][0].serial == answers.catalog.serial
            return dns.rcode.to_text(reply.rcode())

        for name in ("x" * length for length in range(1, 64)):
            assert rcode(name) == "NXDOMAIN"
        for name in ("web", "WEB", "auth", "my-svc", "my_svc", "_tcp", "_udp", "dns", "_v1"):  # each as long as one denied before
            assert rcode(name) == "NOERROR", name
        assert rcode("a.web") == "NXDOMAIN"
        assert rcode("all.web") == "NOERROR"
        replaced = services("new: {address: 10.0.0.1, port: 1}\nauth: {address: 10.0.0.2, port: 1}")
        delta = answers.merger.update(0, Snapshot(replaced))
        touched = answers.catalog.apply(delta.put.values() if isinstance(delta.put, dict) else delta.put, delta.drop, 8)
        answers.responder.changed(touched)
        assert rcode("new") == "NOERROR"
        assert rcode("web") == "NXDOMAIN"
        assert rcode("_v1") == "NXDOMAIN"
        assert rcode("xxx") == "NXDOMAIN"
        answers.catalog.set_records(ZoneRecords(parse("* A 10.0.0.9\nb.filed A 10.0.0.9", "f", ("svc.local",))))
        answers.responder.table.clear()
        assert rcode("anything") == "NOERROR"
        assert rcode("filed") == "NOERROR"
        assert rcode("xxx") == "NOERROR"


def test_a_zone_below_a_zone_is_not_denied():
    answers = Answers(zones=((b"svc", b"local"), (b"prod", b"svc", b"local")))
    for name in ("xxxx.svc.local", "xxxx.prod.svc.local"):
        assert answers.ask(name).rcode() == dns.rcode.NXDOMAIN
    assert {key[10:11] for key in answers.responder.table.denials} == {b"\4"}
    assert len(answers.responder.table.denials) == 1  # of the inner zone alone
    assert answers.ask("prod.svc.local", "SOA").answer


@pytest.mark.parametrize("served", WAYS[:2], indirect=True)
def test_cookies_on_the_short_way_are_those_of_the_long_one(served):
    answers, _, target, port = served
    long_way = dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[dns.edns.CookieOption(b"CookieAb", b"")])
    with client(target, port) as sock:
        replies = []
        for name in ("web.svc.local.", "WEB.svc.local.", "auth.svc.local.", "noted.svc.local."):
            sock.send(dns.message.make_query(name, "A", use_edns=0).to_wire())
            sock.recv(4096)  # now its answer is known
            for cookie in (b"CookieAb", b"cookieab"):  # a cookie is octets, not a name: its case counts
                for _ in range(3):
                    query = dns.message.make_query(name, "A", use_edns=0, options=[dns.edns.CookieOption(cookie, b"")])
                    sock.send(query.to_wire())
                    reply = dns.message.from_wire(sock.recv(4096))
                    assert query.is_response(reply)
                    assert section(reply.answer)
                    (option,) = reply.options
                    assert option.client == cookie
                    replies.append((cookie, option.server))
        assert len(set(replies)) == 2
    reply = answers.send(long_way.to_wire(), target)
    assert dns.message.from_wire(reply or b"").options[0].server == dict(replies)[b"CookieAb"]


@pytest.mark.parametrize("served", WAYS[:2], indirect=True)
@pytest.mark.parametrize("do", [False, True])
def test_a_cookie_beside_a_reason_is_answered_on_the_short_way(served, do):
    answers, listener, target, port = served
    with client(target, port) as sock:
        for name, rtype in (("web.svc.local.", "MX"), ("WEB.svc.local.", "MX"), ("localhost.", "MX"), ("home.arpa.", "A")):
            plain = dns.message.make_query(name, rtype, use_edns=0, want_dnssec=do)
            sock.send(plain.to_wire())
            (reason,) = dns.message.from_wire(sock.recv(4096)).options
            query = dns.message.make_query(
                name, rtype, use_edns=0, want_dnssec=do, options=[dns.edns.CookieOption(b"CookieAb", b"")]
            )
            long_way = dns.message.from_wire(answers.send(query.to_wire(), target) or b"")
            sock.send(query.to_wire())
            sock.recv(4096)
            handed = listener._handed
            sock.send(query.to_wire())
            reply = dns.message.from_wire(sock.recv(4096))
            assert listener._handed - handed == (0 if listener._batch is not None else 1)
            reply.id = long_way.id
            assert reply.to_wire() == long_way.to_wire()
            assert query.is_response(reply)
            cookie, ede = reply.options
            assert (cookie.client, ede.code, ede.text) == (b"CookieAb", 0, reason.text)
