"""Answers of the cache that the datagram loop gives by itself for a moment: the same as the longer way gives, and never for long."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsdisco.answer.hot_entries import ENTRIES_MAX, RENEWED_MAX
from dnsdisco.cache.cache import make_key
from dnsdisco.cache.entry import Item, Kind
from dnsdisco.server import batch
from dnsdisco.server.udp import UdpListener
from tests.kit import Answers, canned, CannedUpstreams

NAME = "www.example.com."
CHAIN = f"{NAME} 300 IN CNAME web.example.net.\nweb.example.net. 60 IN A 192.0.2.1"
SOA = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 120"
KNOWN = {
    (NAME, "A"): CHAIN,
    ("gone.example.com.", "A"): canned("gone.example.com.", "A", authority=SOA, rcode="NXDOMAIN"),
    ("short.example.com.", "A"): "short.example.com. 1 IN A 192.0.2.1",
    ("many.example.com.", "A"): "\n".join(f"many.example.com. 60 IN A 10.0.0.{n}" for n in range(200)),
    ("ours.example.com.", "A"): "ours.example.com. 60 IN CNAME web.svc.local.",
    ("1.2.0.192.in-addr.arpa.", "PTR"): "1.2.0.192.in-addr.arpa. 60 IN PTR www.example.com.",
    ("9.9.9.9.in-addr.arpa.", "PTR"): "9.9.9.9.in-addr.arpa. 60 IN PTR www.example.com.",
}


class Served:
    def __init__(self, in_batches):
        self.upstreams = CannedUpstreams(KNOWN)
        self.answers = Answers(upstreams=self.upstreams)
        self.responder = self.answers.responder
        self.slow = 0  # queries that took the longer way
        self.loop = asyncio.new_event_loop()
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind(("127.0.0.1", 0))
        respond = self.responder.respond

        def counted(*args, **options):
            self.slow += 1
            respond(*args, **options)

        self.responder.respond = counted
        self.listener = UdpListener(self.server, "127.0.0.1", self.responder, self.loop, in_batches=in_batches)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(self.server.getsockname())
        self.client.settimeout(3)
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        self.listener.start()
        self.loop.run_forever()
        self.listener.close()

    def ask(self, name=NAME, rtype="A", **options):
        query = dns.message.make_query(name, rtype, **{"use_edns": 0, "payload": 1232, **options})
        self.client.send(query.to_wire())
        reply = dns.message.from_wire(self.client.recv(65535))
        assert query.is_response(reply)
        assert reply.question[0].name.to_text() == query.question[0].name.to_text()
        return reply

    def call(self, work, *args):
        """*work* between two queries."""
        done = threading.Event()
        result = []
        self.loop.call_soon_threadsafe(lambda: (result.append(work(*args)), done.set()))
        assert done.wait(3)
        return result[0]


@contextmanager
def served(in_batches):
    made = Served(in_batches)
    made.thread.start()
    try:
        yield made
    finally:
        made.loop.call_soon_threadsafe(made.loop.stop)
        made.thread.join()
        made.loop.close()
        made.server.close()
        made.client.close()


@pytest.fixture(params=[True, False], ids=["in batches", "one by one"])
def server(request):
    if request.param and not batch.is_available():
        pytest.skip("no recvmmsg here")
    with served(request.param) as made:
        yield made


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_edns": False},
        {"want_dnssec": True},
        {"flags": dns.flags.RD | dns.flags.CD},
        {"options": [dns.edns.GenericOption(10, b"abcdefgh")]},
        {"name": "gone.example.com."},
    ],
    ids=["plain", "without EDNS", "DO", "CD", "cookie", "denial"],
)
def test_the_same_answer_by_the_shorter_way(server, options):
    replies = [server.ask(**options) for _ in range(10)]
    assert len({reply.to_text().partition("\n")[2] for reply in replies}) == 1
    if "options" in options and server.listener._batch is None:
        return  # cookies are read in batches alone
    assert server.slow <= 3
    assert len(server.upstreams.asked) == 1
    name = options.get("name", NAME)
    assert server.ask(**{**options, "name": name.swapcase()}).rcode() == replies[0].rcode()
    assert server.slow <= 3


def test_it_is_counted_and_grows_older(server):
    for second in range(4):
        for _ in range(10):
            assert [rrset.ttl for rrset in server.ask().answer] == [300 - second, 60 - second]
        server.answers.now += 1
        server.call(server.responder.tick)
    assert server.responder.statistics["hits"] == 39
    assert server.responder.fast_path.table.counts()[1, 0] == 40
    assert server.slow <= 3  # it is made anew where it stands


def test_what_nobody_asks_for_is_given_up(server):
    for _ in range(5):
        server.ask()
    slow = server.slow
    for ticks in range(2):
        server.call(server.responder.tick)
        assert len(server.responder.fast_path.table.exact) == 1 - ticks
    server.ask()
    assert server.slow == slow + 1


def test_what_the_cache_has_learned_anew_is_given_from_the_next_moment_on(server):
    for _ in range(5):
        server.ask()
    key = make_key(b"\3www\7example\3com\0", b"\0\1\0\1", dnssec_ok=False, checking_disabled=False)
    server.call(
        server.responder._asker.cache.keep, key, Item(Kind.NXDOMAIN, rcode=3, has_soa=True, covers_name=True), server.answers.now
    )
    server.call(server.responder.tick)
    assert server.ask().rcode() == dns.rcode.NXDOMAIN


def test_it_is_over_with_the_entry(server):
    for _ in range(5):
        server.ask()
    server.answers.now += 59.9
    server.call(server.responder.tick)
    before = server.slow
    server.upstreams.holds = True  # it is busy, and asked for anew
    for _ in range(3):
        assert server.ask().answer[1].ttl == 1  # so near its end it takes the longer way each time
    assert server.slow == before + 3
    server.answers.now += 0.1
    server.loop.call_soon_threadsafe(server.loop.call_later, 0.1, server.upstreams.release)
    assert server.ask().answer[1].ttl == 60


def test_what_is_flushed_is_gone_at_once(server):
    for _ in range(5):
        server.ask()
    assert server.call(server.responder.flush, "www.example.com") == 1
    server.ask()
    assert len(server.upstreams.asked) == 2
    assert server.responder.statistics["hits"] == 4
    for _ in range(5):
        server.ask()
    server.call(server.responder.configure, server.answers.policy._replace(recursion=True, origin="elsewhere"))
    server.ask()
    assert len(server.upstreams.asked) == 3


@pytest.mark.parametrize(
    ("name", "rtype"), [("many.example.com.", "A"), ("ours.example.com.", "A"), ("9.9.9.9.in-addr.arpa.", "PTR")]
)
def test_what_takes_the_longer_way_each_time(server, name, rtype):
    for asked in range(5):
        server.ask(name, rtype)
        assert server.slow == asked + 1


def test_busy_names_are_still_asked_for_before_their_end(server):
    for tenth in range(0, 580, 5):
        server.answers.now = 1000 + tenth / 10
        server.ask()
        server.ask()
        server.call(server.responder.tick)
    assert len(server.upstreams.asked) == 2
    assert server.responder.statistics["prefetches"] == 1


@pytest.mark.slow
def test_so_many_and_no_more():
    """On a socket whose loop does not read the table, too: nothing piles up there."""
    names = [f"n{number}.example.com." for number in range(ENTRIES_MAX + 50)]
    answers = Answers(upstreams=CannedUpstreams({(name, "A"): f"{name} 60 IN A 192.0.2.1" for name in names}))
    kept = answers.responder._hot._kept
    for name in names:
        query = dns.message.make_query(name, "A", use_edns=0).to_wire()
        for _ in range(4):
            answers.send(query)
    assert len(kept) == ENTRIES_MAX == len(answers.responder.fast_path.table.exact)
    for _, cell, *_ in answers.responder.fast_path.table.exact.values():
        cell[0] += 1
    answers.responder.tick()
    assert len(answers.responder.fast_path.table.exact) == RENEWED_MAX
    answers.responder.tick()
    assert answers.responder.fast_path.table.exact == {}
