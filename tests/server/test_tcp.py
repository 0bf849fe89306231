"""The TCP side over real sockets: framing, order, bounds, deadlines."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import time
from collections import OrderedDict
from contextlib import suppress

import pytest

from dnsdisco.server.tcp import TcpServer
from dnsdisco.server.tcp_limits import TcpLimits
from dnsdisco.wire.tcp_frame import frame
from tests.server.streams import is_closed_within, question, read_reply, Scripted, serve

LIMITS = TcpLimits()


def run(work, **limits):
    """*work* with a started server and the address to connect to."""
    serve(work, lambda loop, sock: TcpServer([sock], Scripted(loop), loop, limits=LIMITS._replace(**limits)))


def test_a_hundred_in_one_segment_are_answered_each_once():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"".join(frame(question(n)) for n in range(100)))
        got = [await read_reply(reader) for _ in range(100)]
        assert [int.from_bytes(reply[:2], "big") for reply in got] == list(range(100))
        assert all(reply[2] == 0x80 for reply in got)
        writer.close()

    run(work)


def test_a_slow_one_does_not_hold_up_the_quick_ones():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(frame(question(1, b"s")) + b"".join(frame(question(n)) for n in range(2, 100)))
        began = time.monotonic()
        order = [int.from_bytes((await read_reply(reader))[:2], "big") for _ in range(98)]
        assert time.monotonic() - began < 0.15
        assert order == list(range(2, 100))
        assert (await read_reply(reader))[:2] == b"\0\1"
        writer.close()

    run(work)


def test_one_octet_at_a_time():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in frame(question(7)) + frame(question(8)):
            writer.write(bytes((octet,)))
            await asyncio.sleep(0.001)
        assert (await read_reply(reader))[:2] == b"\0\7"
        assert (await read_reply(reader))[:2] == b"\0\x08"
        writer.close()

    run(work)


@pytest.mark.parametrize("how", [b"q", b"s"])
def test_half_closed_clients_still_get_their_answers(how):
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(frame(question(1, how)) * 3)
        writer.write_eof()
        for _ in range(3):
            await read_reply(reader)
        assert await is_closed_within(reader, 0.5)
        assert server.counters["closed"] == 1
        writer.close()

    run(work)


def test_half_closed_after_more_than_may_be_in_flight():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"".join(frame(question(n, b"s")) for n in range(200)))
        writer.write_eof()
        got = {int.from_bytes((await read_reply(reader))[:2], "big") for _ in range(200)}
        assert got == set(range(200))
        assert await is_closed_within(reader, 0.5)
        writer.close()

    run(work, in_flight=50)


@pytest.mark.parametrize("octets", [b"\0\0", b"\0\x05hello", b"\0\x0b" + b"x" * 11])
def test_a_length_that_no_message_has_closes_after_answering_what_came_before(octets):
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(frame(question(1)) + octets)
        await read_reply(reader)
        assert await is_closed_within(reader, 0.5)
        assert server.counters["malformed"] == 1
        other_reader, other = await asyncio.open_connection(*address)
        other.write(frame(question(2)))
        await read_reply(other_reader)
        for one in (writer, other):
            one.close()

    run(work)


def test_length_and_reply_leave_in_one_piece():
    """Checked at the receiver: the first read gives the whole of it."""

    async def work(server, address):
        with socket.create_connection(address) as client:
            client.setblocking(False)
            for _ in range(20):
                await asyncio.get_running_loop().sock_sendall(client, frame(question(1)))
                octets = await asyncio.get_running_loop().sock_recv(client, 4096)
                assert len(octets) == 2 + len(question(1))

    run(work)


def test_idle_connections_are_closed_and_busy_ones_are_not():
    async def work(server, address):
        silent_reader, silent = await asyncio.open_connection(*address)
        busy_reader, busy = await asyncio.open_connection(*address)
        began = time.monotonic()
        closing = asyncio.create_task(is_closed_within(silent_reader, 2))
        while not closing.done():
            busy.write(frame(question(1)))
            await read_reply(busy_reader)
            await asyncio.sleep(0.1)
        assert await closing
        assert 0.4 < time.monotonic() - began < 1.1
        assert server.counters["idle"] == 1
        silent.close()
        busy.close()

    run(work, idle_s=0.5)


def test_the_idle_time_shrinks_when_places_get_few():
    server = TcpServer([], None, None, limits=LIMITS._replace(connections=100))
    times = {}
    for used in (0, 80, 90, 95, 100):
        server.connections = OrderedDict.fromkeys(range(used))
        times[used] = round(server.idle_limit_s(), 3)
    assert times == {0: 10.0, 80: 10.0, 90: 5.0, 95: 2.5, 100: 0.5}


def test_a_dripping_message_has_five_seconds_however_it_drips():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        began = time.monotonic()
        closing = asyncio.create_task(is_closed_within(reader, 3))
        for octet in b"\0\x40" + bytes(60):
            with suppress(ConnectionError):
                writer.write(bytes((octet,)))
            await asyncio.sleep(0.05)
            if closing.done():
                break
        assert await closing
        assert 0.4 < time.monotonic() - began < 1.2
        assert server.counters["slow"] == 1
        writer.close()

    run(work, message_s=0.5)


def test_each_message_has_its_own_time():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        for n in range(4):  # each in two halves, 0.2 s apart, without a pause between them
            octets = frame(question(n))
            writer.write((frame(question(n - 1))[5:] if n else b"") + octets[:5])
            await asyncio.sleep(0.25)
        writer.write(frame(question(3))[5:])
        for _ in range(4):
            await read_reply(reader)
        writer.close()

    run(work, message_s=0.5)


def test_at_the_bound_the_longest_idle_goes_first():
    async def work(server, address):
        clients = []
        for _ in range(4):
            clients.append(await asyncio.open_connection(*address))
            await asyncio.sleep(0.02)
        clients[0][1].write(frame(question(1)))  # so the second one is idle the longest
        await read_reply(clients[0][0])
        newcomer_reader, newcomer = await asyncio.open_connection(*address)
        newcomer.write(frame(question(2)))
        await read_reply(newcomer_reader)
        assert await is_closed_within(clients[1][0], 0.5)
        assert len(server.connections) == 4
        assert server.counters["limit"] == 1
        for _, writer in [*clients, (None, newcomer)]:
            writer.close()

    run(work, connections=4)


def test_at_the_bound_with_all_at_work_the_newcomer_is_refused():
    async def work(server, address):
        clients = [await asyncio.open_connection(*address) for _ in range(2)]
        for _, writer in clients:
            writer.write(frame(question(1, b"s")))
        await asyncio.sleep(0.05)
        reader, newcomer = await asyncio.open_connection(*address)
        assert await is_closed_within(reader, 0.5)
        for client_reader, writer in clients:
            await read_reply(client_reader)
            writer.close()
        newcomer.close()
        assert server.counters["limit_refused"] == 1

    run(work, connections=2)


def test_a_client_elsewhere_has_its_own_bound():
    """A client on another host cannot be had here: its connections are handed to the server as accepted from there."""

    async def work(server, address):
        with socket.create_server(("127.0.0.1", 0)) as other:
            pairs = []

            def connect(peer):
                client = socket.create_connection(other.getsockname())
                server._admit(other.accept()[0], peer)
                pairs.append(client)
                return client

            for _ in range(40):
                connect("192.0.2.1")
            neighbour = connect("192.0.2.2")
            assert len(server.connections) == LIMITS.per_client + 1
            assert server.counters["client_limit"] == 40 - LIMITS.per_client
            neighbour.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(neighbour, frame(question(1)))
            assert await asyncio.get_running_loop().sock_recv(neighbour, 100)
            assert pairs[0].recv(1) == b""  # the longest idle of that client
            server.close()
            assert not server._by_client
            for client in pairs:
                client.close()

    run(work)


def test_a_client_that_does_not_read_is_dropped_and_others_do_not_feel_it():
    async def work(server, address):
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(address)
        deaf.setblocking(False)
        most = 0
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(*address)
        while not server.counters["unread"]:
            with suppress(OSError):
                deaf.send(frame(question(1, b"b")) * 20)
            writer.write(frame(question(2)))
            await read_reply(reader, 0.3)
            most = max([most, *(len(each.stream.unsent) for each in server.connections)])
            assert time.monotonic() - began < 3
        assert most < LIMITS.unsent_octets + 65537
        deaf.close()
        writer.close()

    run(work, unread_s=0.5)


def test_late_replies_to_a_client_that_does_not_read_stop_at_64_kib():
    class Late(Scripted):
        def respond(self, message, peer, *, is_tcp, send):
            self.asked += 1
            self.loop.call_later(0.1, send, message + b"x" * 60000)

    async def work(server, address):
        server.responder = Late(asyncio.get_running_loop())
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(address)
        deaf.sendall(b"".join(frame(question(n)) for n in range(250)))
        for _ in range(100):
            await asyncio.sleep(0.02)
            if server.counters["unread"]:
                break
        assert server.counters["unread"] == 1
        deaf.settimeout(1)
        with pytest.raises(ConnectionResetError):
            [deaf.recv(65536) for _ in range(1000)]
        deaf.close()

    run(work)


def test_a_client_that_reads_gets_all_of_a_large_pipeline():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"".join(frame(question(n, b"b")) for n in range(2000)))
        got = [int.from_bytes((await read_reply(reader))[:2], "big") for _ in range(2000)]
        assert got == list(range(2000))
        writer.close()

    run(work)


def test_dropped_questions_do_not_keep_a_connection_for_ever():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(frame(question(1, b"d")))
        assert await is_closed_within(reader, 2)
        assert server.counters["idle"] == 1
        writer.close()

    run(work, answer_s=0.2, idle_s=0.3)


def test_dropped_questions_up_to_the_bound_only_pause_a_connection():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(frame(question(1, b"d")) * 10 + frame(question(2)))
        assert (await read_reply(reader))[:2] == b"\0\2"
        writer.close()

    run(work, in_flight=10, answer_s=0.2)


def test_without_file_descriptors_the_idle_go_and_the_loop_does_not_spin(caplog):
    async def work(server, address):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        _, first = await asyncio.open_connection(*address)
        second_reader, second = await asyncio.open_connection(*address)
        second.write(frame(question(1, b"s")))
        await asyncio.sleep(0.05)
        clients = [socket.socket(), socket.socket()]
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            for client in clients:
                client.connect(address)
            used = time.process_time()
            await asyncio.sleep(0.15)
            assert time.process_time() - used < 0.1
            assert server.counters["no_files"] == 1  # the idle one made room for the first
            assert server.counters["accept_errors"] >= 2
            await read_reply(second_reader)  # the busy one was left alone
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        clients[1].setblocking(False)
        clients[1].send(frame(question(3)))
        async with asyncio.timeout(1):
            assert await asyncio.get_running_loop().sock_recv(clients[1], 100)
        for client in clients:
            client.close()
        for writer in (first, second):
            writer.close()

    with caplog.at_level(logging.WARNING, logger="dnsdisco.tcp"):
        run(work)
    assert sum("no connection can be taken" in record.message for record in caplog.records) == 1


def test_draining_answers_what_is_in_flight_and_takes_nothing_new():
    async def work(server, address):
        reader, writer = await asyncio.open_connection(*address)
        idle_reader, idle = await asyncio.open_connection(*address)
        writer.write(frame(question(1, b"s")))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        draining = asyncio.create_task(server.drain())
        assert (await read_reply(reader))[:2] == b"\0\1"
        await draining
        assert time.monotonic() - began < 0.5
        assert await is_closed_within(idle_reader, 0.1)
        for one in (writer, idle):
            one.close()

    run(work)


def test_draining_ends_in_time_whatever_is_in_flight():
    async def work(server, address):
        _, writer = await asyncio.open_connection(*address)
        writer.write(frame(question(1, b"d")))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await server.drain()
        assert 0.2 < time.monotonic() - began < 0.6
        writer.close()

    run(work, drain_s=0.3)


def test_five_hundred_dripping_and_idle_clients_do_not_keep_a_new_one_out():
    async def work(server, address):
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        clients = []
        for n in range(300):
            client = socket.socket()
            client.connect(address)
            if n % 2:
                client.send(b"\0")
            clients.append(client)
            if n % 20 == 0:
                await asyncio.sleep(0)
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(frame(question(1)))
        await read_reply(reader, 1.0)
        assert time.monotonic() - began < 1.0
        writer.close()
        for client in clients:
            client.close()
        while server.connections:
            await asyncio.sleep(0.02)
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    run(work, connections=200)


def test_at_the_bound_one_that_does_not_get_on_goes_before_one_that_has_only_just_come():
    async def work(server, address):
        drips = [await asyncio.open_connection(*address) for _ in range(3)]
        for _, writer in drips:
            writer.write(b"\0")
        await asyncio.sleep(0.2)
        fresh = [await asyncio.open_connection(*address) for _ in range(3)]
        await asyncio.sleep(0.02)
        for number, (reader, writer) in enumerate(fresh):  # they have come at once, and are not sent away by each other
            writer.write(frame(question(number)))
            assert (await read_reply(reader))[:2] == number.to_bytes(2, "big")
        for reader, _ in drips:
            assert await is_closed_within(reader, 1.0)
        assert server.counters["slow_in_a_crowd"] == 3
        for _, writer in drips + fresh:
            writer.close()

    run(work, connections=3)


def test_the_time_for_a_message_shrinks_with_the_idle_time():
    async def work(server, address):
        clients = [await asyncio.open_connection(*address) for _ in range(10)]
        clients[0][1].write(b"\0")
        assert await is_closed_within(clients[0][0], 2.0)
        assert server.counters["slow"] == 1
        for _, writer in clients:
            writer.close()

    run(work, connections=10, idle_s=60.0, idle_min_s=0.3, message_s=60.0)


def test_the_kernel_holds_little_for_a_client_that_does_not_read():
    async def work(server, address):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address)
        client.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                client.send(frame(question(1, b"b")) * 50)
                await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert server.responder.asked * 8000 < 1 << 20  # without a bound of its own the kernel takes four times as much
        client.close()

    run(work)


def test_many_busy_connections_leave_the_loop_to_others_and_each_has_its_turn():
    async def work(server, address):
        clients = [await asyncio.open_connection(*address) for _ in range(20)]
        for _, writer in clients:
            writer.write(frame(question(1)) * 50)
        got = [await asyncio.gather(*(read_reply(reader, 10.0) for reader, _ in clients)) for _ in range(50)]
        assert len(got) == 50
        assert server.counters["waited"] > 0
        for _, writer in clients:
            writer.close()
        half = await asyncio.open_connection(*address)
        half[1].write(frame(question(2, b"s")))
        half[1].write_eof()
        assert (await read_reply(half[0]))[:2] == b"\0\2"
        half[1].close()

    run(work, turn_s=0.0)
