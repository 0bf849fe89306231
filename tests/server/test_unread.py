"""A client that asks and asks behind a question that waits, and reads nothing: what we hold for it is bounded, whatever carries it."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from contextlib import suppress

import hpack
import pytest

from dnsdisco.server.tcp import TcpServer
from dnsdisco.wire.tcp_frame import frame
from tests.certificates import make
from tests.server import test_https, test_tls
from tests.server.streams import question, Scripted, serve, until
from tests.server.test_https import One, path, Two

HELD_OCTETS_MAX = 2 * 1024 * 1024  # of Python's memory, the client's own buffers included
FLOOD_S = 1.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make(tmp_path_factory.mktemp("pair"))


def get(number, how):
    return f"GET {path(number, how)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def flood(server, writer, octets):
    """As much of *octets* as the server takes within FLOOD_S, again and again."""
    writer.transport.pause_reading()
    writer.transport.set_write_buffer_limits(high=64 * 1024)
    until_s, taken = time.monotonic() + FLOOD_S, 0
    with suppress(ConnectionError):
        while time.monotonic() < until_s and server.connections:
            if writer.transport.get_write_buffer_size() < 64 * 1024:
                writer.write(octets)
                taken += len(octets)
            await asyncio.sleep(0)
    return taken


def measured(ask_and_flood):
    """The scenario, which must not make the process hold more than it may."""

    async def work(server, address):
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            await ask_and_flood(server, address)
            assert tracemalloc.get_traced_memory()[1] - before < HELD_OCTETS_MAX
        finally:
            tracemalloc.stop()

    return work


def test_http_1_behind_a_question_that_waits(pair):
    async def work(server, address):
        client = await One().connect(address, pair)
        client.writer.write(get(0, b"h"))
        await until(lambda: server.responder.held)
        await flood(server, client.writer, get(1, b"q") * 200)
        assert server.responder.asked == 1
        ((send, reply),) = server.responder.held
        client.writer.transport.resume_reading()
        send(reply)
        for number in [0, *[1] * 20]:  # what came behind it is answered in its turn
            status, _, body = await client.read()
            assert (status, int.from_bytes(body[:2], "big")) == (200, number)
        client.writer.transport.abort()

    test_https.run(measured(work), pair, unread_s=30, answer_s=30)


def test_http_1_goes_on_after_a_question_that_is_never_answered(pair):
    async def work(server, address):
        client = await One().connect(address, pair)
        client.writer.write(get(0, b"d") + get(1, b"q"))
        assert [(await client.read())[0] for _ in range(2)] == [504, 200]
        client.writer.write(get(2, b"q"))
        assert (await client.read())[0] == 200
        client.close()

    test_https.run(work, pair, answer_s=0.2)


def test_http_1_with_large_answers_that_nobody_reads(pair):
    async def work(server, address):
        client = await One().connect(address, pair)
        await flood(server, client.writer, get(1, b"b") * 50)
        assert server.responder.asked < 100
        client.writer.transport.abort()

    test_https.run(measured(work), pair, unread_s=30)


@pytest.mark.parametrize("how", [b"q", b"b"], ids=["answered", "large"])
def test_http_2_with_answers_that_nobody_reads(pair, how):
    """New streams without an end, as of a client whose own library does not count them."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    head = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", path(1, how))]
    block = encoder.encode(head, huffman=False) and encoder.encode(
        head, huffman=False
    )  # the first one says that the table is empty

    def streams(first):
        return b"".join(
            len(block).to_bytes(3, "big") + b"\1\5" + number.to_bytes(4, "big") + block for number in range(first, first + 400, 2)
        )

    async def work(server, address):
        client = await Two().connect(address, pair)
        client.writer.transport.pause_reading()
        client.writer.transport.set_write_buffer_limits(high=64 * 1024)
        first, until_s = 1, time.monotonic() + FLOOD_S
        while time.monotonic() < until_s and server.connections:
            if client.writer.transport.get_write_buffer_size() < 64 * 1024:
                client.writer.write(streams(first))
                first += 400
            await asyncio.sleep(0)
        assert server.responder.asked > 1
        client.writer.transport.abort()

    test_https.run(measured(work), pair, unread_s=30, answer_s=30)


@pytest.mark.parametrize("how", [b"h", b"q", b"b", b"d"], ids=["held", "answered", "large", "dropped"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["tcp", "tls"])
def test_dns_messages_behind_questions_that_wait(pair, is_tls, how):
    async def work(server, address):
        if is_tls:
            _, writer = await test_tls.connect(address, pair)
        else:
            _, writer = await asyncio.open_connection(*address)
        writer.write(frame(question(0, b"h")))
        await flood(server, writer, frame(question(1, how)) * 500)
        writer.transport.abort()

    if is_tls:
        test_tls.run(measured(work), pair, unread_s=30, answer_s=30)
    else:
        serve(measured(work), lambda loop, sock: TcpServer([sock], Scripted(loop), loop))
