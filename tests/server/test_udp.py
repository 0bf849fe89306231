"""The three ways through a UDP socket give the same answers to the same questions, from the address that was asked."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

import dns.edns
import dns.message
import dns.rcode
import pytest

from dnsdisco.answer import fast_path
from dnsdisco.answer.admit import Admission
from dnsdisco.answer.fast_path import COOKIES_AT_HAND_S
from dnsdisco.model.service import Snapshot
from dnsdisco.server import batch, miss_queue
from dnsdisco.server.udp import UdpListener
from dnsdisco.settings.sections import RateLimits
from dnsdisco.zone.master import parse
from dnsdisco.zone.records import ZoneRecords
from tests.conformance.probes import PROBES
from tests.kit import Answers, section, services

needs_batches = pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here")
WAYS = [
    pytest.param(("127.0.0.1", True, "127.0.0.1"), id="in batches", marks=needs_batches),
    pytest.param(("::1", True, "::1"), id="in batches, IPv6", marks=needs_batches),
    pytest.param(("0.0.0.0", True, "127.0.0.7"), id="in batches, on every address", marks=needs_batches),
    pytest.param(("::", True, "::1"), id="in batches, on every IPv6 address", marks=needs_batches),
    pytest.param(("127.0.0.1", False, "127.0.0.1"), id="one by one"),
    pytest.param(("::1", False, "::1"), id="one by one, IPv6"),
    pytest.param(("0.0.0.0", False, "127.0.0.7"), id="one by one, on every address"),
    pytest.param(("::", False, "::1"), id="one by one, on every IPv6 address"),
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
    answers.catalog.set_records(ZoneRecords(parse("big 60 TXT " + " ".join(["x" * 200] * 4), "test.zone", ("svc.local",))))
    answers.responder.fast_path.table.clear()
    with client(target, port) as sock:
        for number in range(3):
            sock.send(dns.message.make_query("big.svc.local.", "TXT", use_edns=False).to_wire())
            assert sock.recv(4096)[2] & 2
            sock.send(dns.message.make_query("big.svc.local.", "TXT", payload=1232).to_wire())
            assert not sock.recv(4096)[2] & 2
            assert listener.cut == number + 1


@pytest.mark.parametrize("in_batches", [pytest.param(True, marks=needs_batches), False])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_who_may_not_ask_is_refused_on_every_way(host, in_batches):
    answers = Answers()
    answers.responder.configure(answers.responder.policy._replace(admission=Admission(["192.0.2.0/24"])))
    loop = asyncio.new_event_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        listener = UdpListener(sock, host, answers.responder, loop, in_batches=in_batches)
        listener.start()
        with client("127.0.0.1", sock.getsockname()[1]) as asking:
            for _ in range(3):
                asking.send(dns.message.make_query("web.svc.local.", "A").to_wire())
                loop.call_later(0.05, loop.stop)
                loop.run_forever()
                assert dns.message.from_wire(asking.recv(4096)).rcode() == dns.rcode.REFUSED
        listener.close()
    loop.close()


@pytest.mark.parametrize("served", WAYS, indirect=True)
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
        assert listener._handed == handed


@pytest.mark.parametrize("served", WAYS, indirect=True)
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
        answers.responder.fast_path.table.clear()
        assert rcode("anything") == "NOERROR"
        assert rcode("filed") == "NOERROR"
        assert rcode("xxx") == "NOERROR"


def test_a_zone_below_a_zone_is_not_denied():
    answers = Answers(zones=((b"svc", b"local"), (b"prod", b"svc", b"local")))
    for name in ("xxxx.svc.local", "xxxx.prod.svc.local"):
        assert answers.ask(name).rcode() == dns.rcode.NXDOMAIN
    assert {key[10:11] for key in answers.responder.fast_path.table.denials} == {b"\4"}
    assert len(answers.responder.fast_path.table.denials) == 1  # of the inner zone alone
    assert answers.ask("prod.svc.local", "SOA").answer


@pytest.mark.parametrize("served", WAYS, indirect=True)
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
        reply = answers.send(long_way.to_wire(), sock.getsockname()[0])
    assert dns.message.from_wire(reply or b"").options[0].server == dict(replies)[b"CookieAb"]


@pytest.mark.parametrize("served", WAYS, indirect=True)
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
            long_way = dns.message.from_wire(answers.send(query.to_wire(), sock.getsockname()[0]) or b"")
            sock.send(query.to_wire())
            sock.recv(4096)
            handed = listener._handed
            sock.send(query.to_wire())
            reply = dns.message.from_wire(sock.recv(4096))
            assert listener._handed == handed
            reply.id = long_way.id
            assert reply.to_wire() == long_way.to_wire()
            assert query.is_response(reply)
            cookie, ede = reply.options
            assert (cookie.client, ede.code, ede.text) == (b"CookieAb", 0, reason.text)


@pytest.mark.parametrize("served", WAYS, indirect=True)
def test_a_server_cookie_of_ours_is_answered_on_the_short_way(served):
    _, listener, target, port = served
    with client(target, port) as sock:

        def ask(name: str, cookie: dns.edns.CookieOption, rtype: str = "A") -> tuple[dns.edns.CookieOption, int, bool]:
            """The cookie that comes back, the rcode, and whether the responder had to look."""
            handed = listener._handed
            query = dns.message.make_query(name, rtype, use_edns=0, options=[cookie])
            sock.send(query.to_wire())
            reply = dns.message.from_wire(sock.recv(4096))
            assert query.is_response(reply)
            return reply.options[0], reply.rcode(), listener._handed > handed

        ours, _, _ = ask("web.svc.local.", dns.edns.CookieOption(b"CookieAb", b""))
        ask("web.svc.local.", ours)
        for name, rtype in (("web.svc.local.", "A"), ("WEB.svc.local.", "A"), ("web.svc.local.", "MX"), ("nosuch.svc.local.", "A")):
            for _ in range(2):
                given, rcode, is_handed = ask(name, ours, rtype)
                assert (given, rcode) == (ours, dns.rcode.NXDOMAIN if name.startswith("nosuch") else dns.rcode.NOERROR)
            assert not is_handed, (name, rtype)
        # One that is not ours, or another client's, is looked at every time, and a good one comes back.
        last = bytes((*ours.server[:-1], ours.server[-1] ^ 1))
        first = bytes((*ours.server[:2], 1, *ours.server[3:]))
        for client_part, server in (
            (b"CookieAb", last),
            (b"CookieAb", first),
            (b"cookieAb", ours.server),
            (b"CookieAb", b"another!"),
        ):
            for _ in range(2):
                given, rcode, is_handed = ask("web.svc.local.", dns.edns.CookieOption(client_part, server))
                assert is_handed
                assert (given.client, rcode) == (client_part, dns.rcode.NOERROR)
                assert (given == ours) is (client_part == b"CookieAb")
        assert not ask("web.svc.local.", ours)[2]
        # Beside another option it is looked at, too.
        query = dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[dns.edns.GenericOption(65001, b"x"), ours])
        handed = listener._handed
        for _ in range(2):
            sock.send(query.to_wire())
            assert dns.message.from_wire(sock.recv(4096)).options == (ours,)
        assert listener._handed == handed + 2


@pytest.mark.parametrize("served", WAYS, indirect=True)
def test_the_responder_looks_at_a_cookie_again_when_time_has_passed_or_the_clock_was_set(served):
    answers, listener, target, port = served
    unix = 1_700_000_000.0
    answers.responder._clock = answers.responder._clock._replace(unix=lambda: unix)
    with client(target, port) as sock:

        def ask(cookie: dns.edns.CookieOption) -> tuple[dns.edns.CookieOption, bool]:
            handed = listener._handed
            sock.send(dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[cookie]).to_wire())
            return dns.message.from_wire(sock.recv(4096)).options[0], listener._handed > handed

        answers.responder.tick()
        ours, _ = ask(dns.edns.CookieOption(b"CookieAb", b""))
        assert ask(ours) == (ours, True)
        assert ask(ours) == (ours, False)
        for step, is_same in ((COOKIES_AT_HAND_S - 1, True), (1800 - COOKIES_AT_HAND_S, True), (60, False), (-7200, False)):
            unix += step
            answers.responder.tick()
            given, is_handed = ask(ours)
            assert is_handed is (step != COOKIES_AT_HAND_S - 1)
            assert (given == ours) is is_same, step
            ours = given
            ask(ours)


@pytest.mark.parametrize("served", WAYS, indirect=True)
def test_known_answers_go_before_others_and_what_is_too_much_is_counted(served, monkeypatch):
    _, listener, target, port = served
    monkeypatch.setattr(miss_queue, "TURN_S", 0.0)  # one of them a turn
    monkeypatch.setattr(miss_queue, "WAITING_MAX", 20)
    with client(target, port) as sock:
        known = dns.message.make_query("web.svc.local.", "A")
        for _ in range(2):
            sock.send(known.to_wire())
            sock.recv(4096)
        held = threading.Event()
        listener._loop.call_soon_threadsafe(held.wait, 5)
        for number in range(30):
            sock.send(dns.message.make_query(f"n{number}.web.svc.local.", "A").to_wire())
        for _ in range(20):
            sock.send(known.to_wire())
        held.set()  # now all of them are there
        order = [len(dns.message.from_wire(sock.recv(4096)).answer) > 0 for _ in range(40)]
    assert order == [True] * 20 + [False] * 20
    assert listener.backlog.dropped == 10


@pytest.mark.parametrize("in_batches", [pytest.param(True, marks=needs_batches), False])
def test_a_server_cookie_frees_of_the_rate_limit_and_uses_up_nothing_of_it(in_batches):
    admission = Admission(["0.0.0.0/0"], RateLimits(20, 0), trusts_loopback=False)
    answers = Answers(recursion=False, policy={"admission": admission})
    loop = asyncio.new_event_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 0))
        listener = UdpListener(sock, "0.0.0.0", answers.responder, loop, in_batches=in_batches)
        listener.start()
        with client("127.0.0.1", sock.getsockname()[1]) as asking:
            asking.setblocking(False)

            def answered(cookie: dns.edns.CookieOption, count: int) -> list[dns.message.Message]:
                for _ in range(count):
                    asking.send(dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[cookie]).to_wire())
                replies = []
                for _ in range(count):
                    loop.call_soon(loop.stop)
                    loop.run_forever()
                    with suppress(BlockingIOError):
                        while True:
                            replies.append(dns.message.from_wire(asking.recv(4096)))
                return replies

            (first,) = answered(dns.edns.CookieOption(b"CookieAb", b""), 1)
            (ours,) = first.options
            assert len(answered(ours, 50)) == 50
            handed = listener._handed
            assert len(answered(ours, 50)) == 50
            assert listener._handed == handed
            left = admission.look("127.0.0.1", 0).bucket.credit[0]
            assert left == 19  # only the first one took a token
            assert len(answered(dns.edns.CookieOption(b"cookieAb", b""), 50)) == 19
            assert len(answered(ours, 50)) == 50
        listener.close()
    loop.close()


def test_the_cookies_at_hand_have_a_bound_that_is_counted(monkeypatch):
    monkeypatch.setattr(fast_path, "COOKIES_AT_HAND_MAX", 10)
    answers = Answers(recursion=False)
    made = answers.responder.fast_path
    for number in range(11):
        assert made.forgotten["cookies"] == 0
        shown = dns.edns.CookieOption(number.to_bytes(8, "big"), b"")
        query = dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[shown])
        answers.responder.respond(query.to_wire(), "127.0.0.1", is_tcp=False, send=lambda _: None, client=1)
    assert answers.responder.forgotten["cookies"] == 1
    assert len(made.cookies) == 1
