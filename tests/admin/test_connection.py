"""Clients that say nothing, say it slowly, do not read, or come in numbers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import tracemalloc

import pytest

from dnsdisco.admin import api, connection
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc, until

pytestmark = pytest.mark.slow

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def seconds_until_the_end(reader: asyncio.StreamReader) -> float:
    began = time.monotonic()
    try:
        while await asyncio.wait_for(reader.read(65536), 5):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - began


def test_whoever_does_not_finish_a_request_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)

    async def scenario(bench: HttpBench) -> None:
        silent, _w1 = await asyncio.open_connection("127.0.0.1", bench.port)
        dripping, drip = await asyncio.open_connection("127.0.0.1", bench.port)
        asked_before, ask = await asyncio.open_connection("127.0.0.1", bench.port)
        ask.write(GET + b"GET /hea")

        async def drop_by_drop() -> None:
            for octet in GET * 10:
                drip.write(bytes([octet]))
                await asyncio.sleep(0.05)

        dropping = asyncio.ensure_future(drop_by_drop())
        took = await asyncio.gather(*map(seconds_until_the_end, (silent, dripping, asked_before)))
        dropping.cancel()
        assert all(0.15 < seconds < 1.0 for seconds in took), took
        for writer in (_w1, drip, ask):
            writer.close()

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_whoever_does_not_read_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REPLY_S", 2.0)

    async def scenario(bench: HttpBench) -> None:
        for sock in silent:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", bench.port))
            sock.send(b"GET /v1/services HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(0.3)
        assert (await bench.get("/v1/services")).status_code == 503  # they have all the places
        await asyncio.sleep(2.0)
        monkeypatch.setattr(connection, "REPLY_S", 30.0)  # for one that does read, however slow the machine
        assert (await bench.get("/v1/services")).status_code == 200

    # Far more than the kernel's buffers take.
    services = snapshot(*(svc(f"s{n}", "10.0.0.1", url="x" * 9000) for n in range(1200)))
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.socket()) for _ in range(api.LISTS_MAX)]
        with_http(HttpBench({"p": Scripted(services)}), scenario)


def test_many_idle_connections_do_not_keep_a_scraper_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECTIONS_MAX", 8)

    async def scenario(bench: HttpBench) -> None:
        held = [await asyncio.open_connection("127.0.0.1", bench.port) for _ in range(30)]
        for _ in range(10):
            assert (await bench.plain("/health"))["status"] == "ok"
        await until(lambda: sum(reader.at_eof() or reader.exception() is not None for reader, _ in held) >= 22)
        gone = sum(reader.at_eof() or reader.exception() is not None for reader, _ in held)
        first, last = held[0][0], held[-1][0]
        assert first.at_eof() or first.exception() is not None  # the longest idle one
        assert not last.at_eof() or gone == 30
        for _, writer in held:
            writer.transport.abort()

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_what_is_asked_behind_an_unread_list_is_bounded() -> None:
    services = snapshot(*(svc(f"s{n}", "10.0.0.1", url="x" * 500) for n in range(3000)))

    async def scenario(bench: HttpBench) -> None:
        async def flood(number: int) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", bench.port)
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.pause_reading()
            writer.transport.set_write_buffer_limits(high=64 * 1024)
            with contextlib.suppress(ConnectionError):
                until = time.monotonic() + 3.0
                while time.monotonic() < until and not writer.transport.is_closing():
                    if writer.transport.get_write_buffer_size() < 64 * 1024:
                        writer.write(b"GET /v1/services HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
                    await asyncio.sleep(0.001)
            writer.transport.abort()

        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            await asyncio.gather(*(flood(number) for number in range(20)))
            assert tracemalloc.get_traced_memory()[1] - before < 12 * 1024 * 1024
        finally:
            tracemalloc.stop()

    with_http(HttpBench({"p": Scripted(services)}), scenario)


def test_requests_one_behind_the_other_are_all_answered() -> None:
    async def scenario(bench: HttpBench) -> None:
        octets = await bench.raw(GET * 5 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert octets.count(b"HTTP/1.1 200 OK") == 6

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)
