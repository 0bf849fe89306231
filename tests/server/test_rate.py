"""The rate limit at work: a flood with a forged sender is not made larger by us, and true clients get through."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsdisco.answer.admit import Admission
from dnsdisco.server import batch
from dnsdisco.server.udp import UdpListener
from dnsdisco.settings.sections import RateLimits
from tests.kit import Answers, CannedUpstreams

STRANGER = "203.0.113.9"
MANY = (
    "many: {instances: [" + ", ".join(f"{{address: 10.0.9.{n}, port: 80}}" for n in range(1, 60)) + "]}\nweb: {address: 10.0.0.1}"
)
TEXT = "big.svc.local. 60 IN TXT " + " ".join(f'"{"x" * 250}"' for _ in range(4)) + "\n"


def made(limit: int = 200, slip: int = 2, **more) -> Answers:
    admission = Admission(["0.0.0.0/0", "::/0"], RateLimits(limit, slip), trusts_loopback=False)
    zone = f"$ORIGIN svc.local.\n{TEXT}"
    return Answers(MANY, zone_file=zone, policy={"admission": admission}, **more)


def flood(answers: Answers, query: bytes, count: int, rate: float, peer: str = STRANGER, *, is_tcp: bool = False) -> list[bytes]:
    replies = []
    for _ in range(count):
        answers.now += 1 / rate
        reply = answers.send(query, peer, is_tcp=is_tcp)
        if reply is not None:
            replies.append(reply)
    return replies


@pytest.mark.parametrize(
    ("name", "rtype", "options"),
    [
        ("big", "TXT", {"use_edns": 0, "payload": 4096}),
        ("big", "ANY", {"use_edns": 0, "payload": 4096}),
        ("many", "A", {"use_edns": 0, "payload": 4096}),
        ("many", "ANY", {"use_edns": False}),
        ("web", "A", {"use_edns": False}),
        ("nosuch", "A", {"use_edns": 0, "want_dnssec": True}),
        ("big", "TXT", {"use_edns": 0, "payload": 1232, "options": [dns.edns.GenericOption(10, bytes(8))]}),
    ],
)
@pytest.mark.slow
def test_a_flood_gets_back_no_more_than_one_and_a_half_times_its_octets(name, rtype, options) -> None:
    """C-15: whatever is asked for, at ten times the limit, for three seconds."""
    query = dns.message.make_query(f"{name}.svc.local.", rtype, **options).to_wire()
    replies = flood(made(), query, 6_000, 2_000)
    assert sum(map(len, replies)) / (6_000 * len(query)) <= 1.5
    cut = [reply for reply in replies if dns.message.from_wire(reply).flags & dns.flags.TC and len(reply) < 150]
    assert len(cut) > 2_000
    assert max(map(len, cut)) <= len(query) + 16 * bool(options.get("options"))  # a server cookie is given, to come back with


def test_who_may_not_ask_is_limited_too() -> None:
    answers = made()
    answers.responder.configure(answers.policy._replace(admission=Admission(["127.0.0.0/8"])))
    query = dns.message.make_query("web.svc.local.", "A", use_edns=0).to_wire()
    replies = flood(answers, query, 4_000, 4_000)
    assert {dns.message.from_wire(reply).rcode() for reply in replies} == {dns.rcode.REFUSED}
    assert 200 + 1800 <= len(replies) <= 400 + 1900
    assert sum(map(len, replies)) / (4_000 * len(query)) <= 1.5


def test_what_came_of_it_is_counted() -> None:
    answers = made(10)
    query = dns.message.make_query("web.svc.local.", "A").to_wire()
    flood(answers, query, 110, 1e9)
    assert answers.responder.limited == {"dropped": 50, "slipped": 50}


def test_a_client_that_shows_our_cookie_is_not_limited() -> None:
    answers = made(5, slip=1)
    query = dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[dns.edns.GenericOption(10, b"clientck")])
    flood(answers, query.to_wire(), 20, 1e9)
    slipped = dns.message.from_wire(answers.send(query.to_wire(), STRANGER))
    assert slipped.flags & dns.flags.TC
    (cookie,) = (option for option in slipped.options if int(option.otype) == 10)
    octets = cookie.to_wire()
    again = dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[dns.edns.GenericOption(10, octets)])
    replies = flood(answers, again.to_wire(), 100, 1e9)
    assert len(replies) == 100
    assert all(dns.message.from_wire(reply).answer for reply in replies)
    # somebody else's, or a made-up one, is worth nothing
    for peer, forged in (("203.0.113.10", octets), (STRANGER, octets[:-1] + bytes((octets[-1] ^ 1,)))):
        query = dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[dns.edns.GenericOption(10, forged)])
        assert dns.message.from_wire(answers.send(query.to_wire(), peer)).flags & dns.flags.TC


def test_tcp_and_those_who_are_exempt_are_not_limited() -> None:
    answers = made(5)
    query = dns.message.make_query("web.svc.local.", "A").to_wire()
    assert len(flood(answers, query, 100, 1e9, "10.0.0.1")) == 100
    assert len(flood(answers, query, 100, 1e9, is_tcp=True)) == 100
    assert answers.responder.limited == {"dropped": 0, "slipped": 0}


def test_a_forwarded_answer_counts_when_it_leaves() -> None:
    answers = made(5, slip=0, upstreams=CannedUpstreams({("x.test.", "A"): "x.test. 60 IN A 192.0.2.1"}))
    query = dns.message.make_query("x.test.", "A").to_wire()
    assert len(flood(answers, query, 20, 1e9)) == 5


def test_other_kinds_and_networks_are_not_in_the_way() -> None:
    answers = made(5, slip=0)
    denied = dns.message.make_query("nosuch.svc.local.", "A").to_wire()
    known = dns.message.make_query("web.svc.local.", "A").to_wire()
    assert len(flood(answers, denied, 50, 1e9)) == 5
    assert len(flood(answers, known, 50, 1e9)) == 5
    assert len(flood(answers, known, 50, 1e9, "198.51.100.1")) == 5
    assert len(flood(answers, b"\0\1\0\0\0\1" + bytes(6), 50, 1e9)) == 5  # FORMERR


@pytest.mark.parametrize("in_batches", [True, False])
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_over_a_socket_the_table_s_answers_count_too(host, in_batches) -> None:
    """The loop answers by itself what the table holds; on a socket that only this host reaches, nobody is counted."""
    if in_batches and not batch.is_available():
        pytest.skip("no recvmmsg here")
    answers = made(50)
    loop = asyncio.new_event_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_PKTINFO", 8), 1)
        sock.bind((host, 0))
        client.connect(("127.0.0.1", sock.getsockname()[1]))
        client.setblocking(False)
        listener = UdpListener(sock, host, answers.responder, loop, in_batches=in_batches)
        listener.start()
        outcomes: Counter[str] = Counter()
        for _ in range(10):
            for name, options in (("web", []), ("nosuch", []), ("web", [dns.edns.GenericOption(10, b"clientck")])):
                query = dns.message.make_query(f"{name}.svc.local.", "A", use_edns=0, options=options).to_wire()
                for _ in range(20):
                    client.send(query)
                loop.call_later(0.01, loop.stop)
                loop.run_forever()
                while True:
                    try:
                        reply = dns.message.from_wire(client.recv(4096))
                    except BlockingIOError:
                        break
                    outcomes["TC" if reply.flags & dns.flags.TC else dns.rcode.to_text(reply.rcode())] += 1
        listener.close()
    loop.close()
    if host == "127.0.0.1":
        assert outcomes == {"NOERROR": 400, "NXDOMAIN": 200}
        return
    limited = answers.responder.limited
    assert outcomes["NOERROR"] == 50
    assert outcomes["NXDOMAIN"] == 50
    assert outcomes["TC"] == limited["slipped"]
    assert limited["slipped"] + limited["dropped"] == 500
    assert abs(limited["slipped"] - limited["dropped"]) <= 1


def test_what_made_room_is_counted_and_a_reload_forgets_no_count(monkeypatch) -> None:
    monkeypatch.setattr("dnsdisco.answer.admit.KNOWN_MAX", 10)
    monkeypatch.setattr("dnsdisco.answer.rate.PREFIXES_MAX", 25)
    answers = made()
    query = dns.message.make_query("web.svc.local.", "A").to_wire()
    for number in range(60):
        answers.send(query, f"203.0.{number}.1")
    before = answers.responder.forgotten
    assert before["clients"] > 0
    assert before["networks"] > 0
    answers.responder.configure(answers.policy._replace(admission=Admission(["127.0.0.0/8"])))
    assert answers.responder.forgotten == before
    for number in range(60):
        answers.send(query, f"203.1.{number}.1")
    assert answers.responder.forgotten["networks"] > before["networks"]
