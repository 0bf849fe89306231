"""A worker's end of the link, on a real socket pair, with the real replica behind it."""

from __future__ import annotations

import asyncio
import json
import os
import socket

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.model import delta, unread
from dnsdisco.model.entry import Entry, ExtraRecord, ProviderState
from dnsdisco.model.service import Instance, Port, Service
from dnsdisco.server.control_link import ASK_S, ControlLink, QUEUE_DATAGRAMS_MAX, SILENCE_S
from dnsdisco.server.replica import Replica
from dnsdisco.zone import catalog as catalog_module
from tests.kit import Answers, CannedUpstreams

STATES = (ProviderState("static", has_synced=True),)


def entry(name, address="10.0.0.1", instances=1):
    copies = tuple(Instance(id=f"{name}-{n}", address=address, ports=(Port(80),), label=f"{name}-{n}") for n in range(instances))
    return Entry(name, ((name,),), "static", Service(name, instances=copies))


def record(name, address=b"\x0a\0\0\x09"):
    return (b"svc", b"local"), ExtraRecord((name,), 1, 60, address)


class Side:
    """Control's end, and what is behind the worker's."""

    def __init__(self):
        self.upstreams = CannedUpstreams({})
        self.answers = Answers("{}", states=(), upstreams=self.upstreams)
        self.catalog = self.answers.catalog
        self.catalog.is_complete, self.catalog.serial = False, 0
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setblocking(False)
        self.theirs = theirs
        self.settings, self.wholes, self.closed, self.now = [], 0, 0, 1000.0
        self.figures = {"x": 1}
        self.link = ControlLink(
            theirs,
            Replica(self.catalog, self.answers.responder),
            asyncio.get_running_loop(),
            on_settings=self.settings.append,
            on_whole=self.on_whole,
            on_closed=self.on_closed,
            statistics=lambda: self.figures,
            now=lambda: self.now,
        )
        self.link.start()

    def on_whole(self):
        self.wholes += 1

    def on_closed(self):
        self.closed += 1

    async def send(self, *messages):
        for message in messages:
            for datagram in delta.pack(message):
                await asyncio.get_running_loop().sock_sendall(self.ours, datagram)
        await self.settle()

    async def settle(self):
        """Until the worker's end has read all there is."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)
            try:
                self.theirs.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                break
            except OSError:
                break
            if self.link._is_closed:
                break
        assert loop.is_running()

    def heard(self):
        assembler, messages = delta.Assembler(), []
        while True:
            try:
                message = assembler.feed(self.ours.recv(65536))
            except BlockingIOError:
                return messages
            if message is not None:
                messages.append(message)

    def ops(self):
        return [(message["op"], message.get("serial")) for message in self.heard()]


def run(work):
    async def main():
        side = Side()
        try:
            await work(side)
        finally:
            side.link.close()
            side.ours.close()
            side.theirs.close()

    asyncio.run(main())


def test_a_service_keeps_its_name_when_a_record_of_that_name_goes_with_a_whole_catalog():
    """Or what could not be used: the datagram loop denies every label that is not counted, and these are counted together."""

    async def work(side):
        rejected = ProviderState("static", True, rejected=(("web", "why"), ("bad", "why")))
        for states, records in (((rejected,), [record("web")]), (STATES, []), ((rejected,), []), (STATES, [record("web")])):
            await side.send(*delta.whole(5, [entry("web")], states, records))
            assert b"\3web" in side.catalog.top
            assert (b"\3bad" in side.catalog.top) == (states != STATES)
            await side.send({"op": "providers", "providers": delta.states_to_plain(STATES)}, *delta.zone(5, 6, []))
            assert b"\3web" in side.catalog.top
            assert b"\3bad" not in side.catalog.top

    run(work)


def names(side):
    return sorted(key[1:].decode() for key in side.catalog._entries)


def test_a_whole_catalog_then_changes():
    async def work(side):
        assert side.ops() == [("hello", 0)]
        await side.send(*delta.whole(5, [entry("web"), entry("auth")], STATES, [record("extra")]))
        assert names(side) == ["auth", "web"]
        assert (side.catalog.serial, side.catalog.is_complete, side.wholes) == (5, True, 1)
        assert side.ops() == [("applied", 5)]
        await side.send(*delta.change(5, 6, [entry("db")], ["web"], STATES))
        assert names(side) == ["auth", "db"]
        await side.send(*delta.zone(6, 7, [record("extra"), record("more")]))
        assert side.ops() == [("applied", 6), ("applied", 7)]
        assert side.link.serial == side.catalog.serial == 7
        await side.send({"op": "providers", "providers": delta.states_to_plain([ProviderState("static", True, is_stale=True)])})
        assert side.catalog.states["static"].is_stale
        await side.send({"op": "settings", "settings": {"ttl": 9}})
        assert side.settings == [{"ttl": 9}]
        assert side.ops() == []

    run(work)


def test_a_whole_in_many_parts_is_taken_one_piece_a_turn():
    """Nothing that arrives at once may hold up the loop: between two pieces others have their turn."""

    async def work(side):
        entries = [entry(f"s{n}", instances=20) for n in range(500)]
        datagrams = [datagram for message in delta.whole(5, entries, STATES) for datagram in delta.pack(message)]
        assert len(datagrams) > 90
        turns = 0

        async def count_turns():
            nonlocal turns
            while not side.wholes:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        for datagram in datagrams:
            await asyncio.get_running_loop().sock_sendall(side.ours, datagram)
        await counting
        assert turns >= len(datagrams)
        assert len(names(side)) == 500

    run(work)


def test_a_change_in_parts_is_seen_at_once_or_not_at_all():
    async def work(side):
        await side.send(*delta.whole(5, [entry("a", "10.0.0.1")], STATES))
        parts = list(delta.change(5, 6, [entry(f"s{n}", instances=60) for n in range(10)], ["a"], STATES))
        assert len(parts) > 3
        await side.send(*parts[:-1])
        assert names(side) == ["a"]
        await side.send(parts[-1])
        assert len(names(side)) == 10

    run(work)


def test_a_gap_asks_for_the_whole_and_answers_go_on():
    async def work(side):
        await side.send(*delta.whole(5, [entry("web")], STATES))
        side.heard()
        side.now += ASK_S
        await side.send(*delta.change(7, 8, [entry("db")], [], STATES))
        assert side.ops() == [("resync", 5)]
        await side.send(*delta.change(8, 9, [entry("x")], [], STATES))
        assert side.ops() == []  # asked already
        assert names(side) == ["web"]
        side.now += ASK_S
        side.link.tick()
        assert [op for op, _ in side.ops()] == ["resync", "counters"]
        await side.send(*delta.whole(9, [entry("db")], STATES))
        assert names(side) == ["db"]
        assert side.ops() == [("applied", 9)]
        await side.send(*delta.change(9, 10, [entry("y")], [], STATES))
        assert names(side) == ["db", "y"]

    run(work)


def test_hello_is_repeated_until_a_whole_is_on_its_way():
    async def work(side):
        assert side.ops() == [("hello", 0)]
        side.link.tick()
        assert ("hello", 0) not in side.ops()
        side.now += ASK_S
        side.link.tick()
        assert ("hello", 0) in side.ops()
        messages = list(delta.whole(5, [entry("web")], STATES))
        await side.send(*messages[:2])
        side.now += 2 * ASK_S
        side.link.tick()
        assert ("hello", 0) not in side.ops()  # it would begin anew for ever
        side.now += SILENCE_S
        side.link.tick()
        assert ("hello", 0) in side.ops()

    run(work)


def test_a_new_worker_passes_over_what_was_meant_for_the_one_before():
    async def work(side):
        await side.send(*delta.change(4, 5, [entry("old")], [], STATES), *list(delta.whole(3, [entry("older")], STATES))[1:])
        assert names(side) == []
        assert not side.catalog.is_complete
        await side.send(*delta.whole(6, [entry("web")], STATES))
        assert names(side) == ["web"]

    run(work)


def test_a_new_control_begins_in_the_middle_of_the_old_ones_message():
    async def work(side):
        big = delta.pack({"op": "put", "entries": ["x" * 100_000]})
        await side.send({"op": "begin", "serial": 3})
        await asyncio.get_running_loop().sock_sendall(side.ours, big[0])
        await side.send(*delta.whole(6, [entry("web")], STATES))
        assert names(side) == ["web"]
        assert side.link.counters["faults"] == 0

    run(work)


def test_what_an_interrupted_whole_left_does_not_get_into_the_next():
    async def work(side):
        await side.send(*list(delta.whole(5, [entry("ghost")], STATES))[:-1])
        await side.send(*delta.whole(6, [entry("web")], STATES))
        assert names(side) == ["web"]

    run(work)


@pytest.mark.parametrize(
    "message",
    [
        {"op": "put", "entries": [{"paths": []}]},
        {"op": "put", "entries": "x"},
        {"op": "begin"},
        {"op": "begin", "serial": "x"},
        {"op": "delta", "base": 5, "serial": 6},
        {"op": "delta", "base": 5, "serial": 6, "put": [[1]], "drop": [], "more": False},
        {"op": "delta", "base": 5, "serial": 6, "put": [], "drop": [], "more": False, "providers": [[1, 2, 3, 4, 5, 6, 7]]},
        {"op": "zone", "base": 5, "serial": 6, "records": [[1]], "more": False},
        {"op": "providers", "providers": 3},
        {"op": "settings"},
        {"no": "op"},
    ],
    ids=lambda message: json.dumps(message)[:40],
)
def test_a_message_that_cannot_be_used_is_counted_and_the_whole_asked_for(message):
    async def work(side):
        await side.send(*delta.whole(5, [entry("web")], STATES))
        if message.get("op") == "put":
            await side.send({"op": "begin", "serial": 6})
        side.heard()
        side.now += ASK_S
        await side.send(message)
        assert side.link.counters["faults"] == 1
        assert ("resync", 5) in side.ops()
        assert names(side) == ["web"]
        await side.send(*delta.whole(7, [entry("db")], STATES))
        assert names(side) == ["db"]

    run(work)


def test_settings_that_cannot_be_used_change_nothing_else():
    async def work(side):
        side.link._on_settings = lambda plain: int(plain["ttl"])
        await side.send({"op": "settings", "settings": {"ttl": "x"}})
        assert side.link.counters["faults"] == 1
        await side.send(*delta.whole(7, [entry("db")], STATES))
        assert names(side) == ["db"]

    run(work)


@settings(max_examples=60)
@given(
    st.lists(
        st.binary(min_size=1, max_size=60)
        | st.sampled_from([b"\3{}", b'\3{"op":"put"}', b'\3{"op":"end","serial":5}', b"\1", b"\2"]),
        max_size=12,
    )
)
def test_no_octets_end_the_worker(datagrams):
    async def work(side):
        for datagram in datagrams:
            await asyncio.get_running_loop().sock_sendall(side.ours, datagram)
        await side.settle()
        await side.send(*delta.whole(6, [entry("web")], STATES))
        assert names(side) == ["web"]
        assert not side.closed

    run(work)


def test_a_control_that_does_not_read_never_holds_the_worker_up():
    async def work(side):
        side.ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        side.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        side.figures = {f"counter{n}": n for n in range(50)}
        await side.send(*delta.whole(1, [], STATES))
        for serial in range(1, 400):
            side.link.tick()
            await side.send(*delta.change(serial, serial + 1, [], [], STATES))
        assert side.link.serial == 400
        assert len(side.link._queue) <= QUEUE_DATAGRAMS_MAX
        assert side.link.counters["unsent"] > 0
        heard = []
        for _ in range(200):
            heard += side.heard()
            await asyncio.sleep(0)
        assert heard[-1] == {"op": "applied", "serial": 400}
        side.link.tick()
        assert side.heard()[-1]["op"] == "counters"

    run(work)


def test_counters_are_told():
    async def work(side):
        side.link.tick()
        first = side.heard()[-1]
        assert isinstance(first["life"], int)
        assert first == {"op": "counters", "life": first["life"], "pid": os.getpid(), "counters": {"x": 1}, "upstreams": []}
        side.link.tick()
        assert side.heard()[-1] == first  # one life

    run(work)


def test_the_end_of_the_link_is_told_once():
    async def work(side):
        side.ours.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert side.closed == 1
        side.link.tick()

    run(work)


def test_what_is_flushed_is_told_after_the_figures_that_show_it():
    async def work(side):
        responder, names = side.answers.responder, ("x.test", "a.x.test", "b.x.test", "y.test")
        side.link._statistics = lambda: responder.statistics
        side.upstreams.answers = {(f"{name}.", "A"): f"{name}. 60 A 192.0.2.1" for name in names}
        for name in names:
            responder.respond(dns.message.make_query(name, "A").to_wire(), "127.0.0.1", is_tcp=False, send=lambda _: None)
        while responder.in_flight:
            await asyncio.sleep(0)
        side.heard()
        for request, (name, is_tree) in enumerate([("X.test.", False), ("x.test", True), (None, False), (None, False)]):
            await side.send({"op": "flush", "id": request, "name": name, "tree": is_tree})
        told = side.heard()
        assert [message["op"] for message in told] == ["counters", "flushed"] * 4
        assert [(message["id"], message["dropped"]) for message in told[1::2]] == [(0, 1), (1, 2), (2, 1), (3, 0)]
        assert [message["counters"]["entries"] for message in told[::2]] == [3, 1, 0, 0]

    run(work)


# ------------------------------------------------------------------------------------------- what outlived the one before


def recorded(*messages):
    return [datagram for message in messages for datagram in delta.pack(message)]


def replayed(side, *messages):
    return side.link.replay(recorded(*messages))


def test_the_catalog_that_is_kept_is_in_use_with_the_changes_after_it_and_control_is_asked_to_go_on():
    async def work(side):
        side.heard()
        side.now += ASK_S
        await replayed(
            side,
            *delta.whole(5, [entry("web"), entry("old")], STATES, [record("extra")]),
            *delta.change(5, 6, [entry("web", "10.0.0.2")], ["old"], STATES),
            {"op": "providers", "providers": delta.states_to_plain([ProviderState("static", True, True, "gone", False)])},
        )
        assert side.wholes == 1
        assert (side.link.serial, side.catalog.serial, side.catalog.is_complete) == (6, 6, True)
        assert side.heard() == []  # nothing is said for what control said long ago
        assert [state.is_stale for state in side.catalog.states.values()] == [True]
        side.link.tick()
        assert next(message["op"] for message in side.heard()) == "resync"
        # What comes on the link does not continue it, until a whole begins.
        await side.send(*delta.change(6, 7, [entry("web", "10.0.0.3")], [], STATES))
        assert side.catalog.serial == 6
        await side.send(*delta.whole(9, [entry("web", "10.0.0.4")], STATES))
        assert side.catalog.serial == 9

    run(work)


@pytest.mark.parametrize(
    "cut",
    [
        lambda datagrams: [],
        lambda datagrams: datagrams[1:],  # its beginning is missing
        lambda datagrams: datagrams[:2],  # its end
    ],
)
def test_what_is_not_whole_is_not_used(cut):
    async def work(side):
        side.heard()
        await side.link.replay(cut(recorded(*delta.whole(5, [entry("web")], STATES))))
        assert side.wholes == 0
        assert not side.catalog.is_complete
        await side.send(*delta.whole(9, [entry("web")], STATES))
        assert side.catalog.serial == 9

    run(work)


def test_a_gap_in_it_is_where_it_ends():
    async def work(side):
        side.heard()
        await replayed(side, *delta.whole(5, [entry("web")], STATES), *delta.change(7, 8, [entry("web", "10.0.0.8")], [], STATES))
        assert (side.wholes, side.catalog.serial) == (1, 5)

    run(work)


def test_without_a_word_of_control_all_that_was_up_to_date_is_stale_and_with_one_it_is_what_it_was():
    async def work(side):
        side.heard()
        gone = ProviderState("consul", has_synced=True, is_stale=True, reason="no contact since 10:00:00Z: refused")
        await side.send(*delta.whole(5, [entry("web")], [*STATES, gone]))
        replica = side.link._replica
        side.now += 7
        assert side.link.silent_s == 7
        replica.set_silence("no word")
        told = {name: (state.is_stale, state.reason) for name, state in side.catalog.states.items()}
        assert told == {"static": (True, "no word"), "consul": (True, gone.reason)}
        await side.send({"op": "providers", "providers": delta.states_to_plain(STATES)})
        assert side.link.silent_s == 0
        assert side.catalog.states["static"].reason == "no word"  # until whoever looks at the time says otherwise
        replica.set_silence("")
        assert side.catalog.states == {"static": STATES[0]}
        side.now += 3
        await side.send({"op": "alive"})
        assert side.link.silent_s == 0
        assert side.link.counters["unknown"] == 0

    run(work)


def test_that_control_is_alive_does_not_mean_that_a_whole_goes_on():
    """Its sender died in the middle of it, and the successor has other things to say: the worker asks again."""

    async def work(side):
        side.heard()
        await side.send(*list(delta.whole(5, [entry("web")], STATES))[:2])
        side.heard()
        for _ in range(int(SILENCE_S / 0.5) + 2):
            side.now += 0.5
            await side.send({"op": "alive"})
        side.link.tick()
        assert "hello" in [message["op"] for message in side.heard()]

    run(work)


def test_a_worker_that_starts_reads_no_service_before_it_is_asked_for_and_each_once(monkeypatch):
    reads = []
    monkeypatch.setattr(catalog_module, "read", lambda line: reads.append(line) or unread.read(line))

    async def work(side):
        entries = [entry(f"s{n}", f"10.0.{n // 250}.{n % 250 + 1}") for n in range(2_000)]
        await replayed(side, *delta.whole(5, entries, STATES))
        ask = side.answers.responder.respond
        replies = []
        for name, rtype in (
            ("x.svc.local", "A"),
            ("9.9.9.10.in-addr.arpa", "PTR"),
            ("_tcp.svc.local", "SRV"),
            ("svc.local", "SOA"),
        ):
            ask(dns.message.make_query(name, rtype).to_wire(), "127.0.0.1", is_tcp=False, send=replies.append)
        assert [reply[3] & 15 for reply in replies] == [3, 3, 0, 0]
        assert not reads
        for name, rtype in (("s7.svc.local", "A"), ("s7.svc.local", "SRV"), ("8.0.0.10.in-addr.arpa", "PTR")):
            ask(dns.message.make_query(name, rtype).to_wire(), "127.0.0.1", is_tcp=False, send=replies.append)
        assert [int.from_bytes(reply[6:8], "big") for reply in replies[4:]] == [1, 1, 1]
        assert len(reads) == 1

    run(work)
