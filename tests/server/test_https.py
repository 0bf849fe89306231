"""DNS over HTTPS on real sockets, over both versions of HTTP: answers, order, bounds, deadlines, and what a client may do to us."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st

from dnsdisco.server.certificates import Certificates, Pair
from dnsdisco.server.costly_work import CostlyWork
from dnsdisco.server.encrypted import HttpsServer
from dnsdisco.server.tcp_limits import TcpLimits
from tests.certificates import make
from tests.server.streams import question, Scripted, serve, until

DNS = "application/dns-message"


def path(number, how=b"q"):
    return "/dns-query?dns=" + base64.urlsafe_b64encode(question(number, how)).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make(tmp_path_factory.mktemp("pair"))


def run(work, pair, **limits):
    """*work* with a started server and its address."""
    certificates = Certificates()
    certificates.apply(Pair(str(pair.certificate), str(pair.key)))

    def make_server(loop, sock):
        responder = Scripted(loop, is_encrypted=True, big_octets=30000)
        server = HttpsServer([(sock, "/dns-query")], responder, loop, certificates, CostlyWork(loop))
        server.limits = TcpLimits()._replace(**limits)
        return server

    serve(work, make_server, within_s=20)


class One:
    """A client that speaks HTTP/1.1."""

    async def connect(self, address, pair):
        context = pair.client(("http/1.1",))
        self.reader, self.writer = await asyncio.open_connection(*address, ssl=context, server_hostname="localhost")
        return self

    def send(self, method, target, body=None, content_type=DNS):
        head = f"{method} {target} HTTP/1.1\r\nHost: anything.example\r\n"
        if body is not None:
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        self.writer.write(head.encode() + b"\r\n" + (body or b""))

    async def read(self):
        """Status, headers, body."""
        async with asyncio.timeout(3):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            return int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def is_closed(self, within_s=3):
        with suppress(ConnectionError):
            async with asyncio.timeout(within_s):
                await self.reader.read()
        return True

    def close(self):
        self.writer.close()


class Two:
    """A client that speaks HTTP/2. Responses come by stream."""

    async def connect(self, address, pair, **initial):
        context = pair.client(("h2",))
        self.reader, self.writer = await asyncio.open_connection(*address, ssl=context, server_hostname="localhost")
        assert self.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        if initial:
            self.h2.local_settings.update(initial)
        self.h2.initiate_connection()
        self.flush()
        self.stream = -1
        self.responses = {}
        self.done = []
        self.end_code = None
        return self

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    def send(self, method, target, body=None, content_type=DNS):
        self.stream += 2
        headers = [(":method", method), (":scheme", "https"), (":authority", "anything.example"), (":path", target)]
        if body is not None:
            headers.append(("content-type", content_type))
        self.h2.send_headers(self.stream, headers, end_stream=body is None)
        while body is not None:
            part, body = body[:16384], body[16384:] or None
            self.h2.send_data(self.stream, part, end_stream=body is None)
        self.flush()
        return self.stream

    async def hear(self):
        """One piece of what the server says; False: the end."""
        octets = await self.reader.read(65536)
        for event in self.h2.receive_data(octets) if octets else ():
            match event:
                case h2.events.ResponseReceived():
                    headers: dict[Any, Any] = dict(event.headers)
                    self.responses[event.stream_id] = [int(headers.pop(":status")), headers, b""]
                case h2.events.DataReceived():
                    self.responses[event.stream_id][2] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded():
                    self.done.append(event.stream_id)
                case h2.events.ConnectionTerminated():
                    self.end_code = int(event.error_code)
        self.flush()
        return bool(octets)

    async def read(self, stream=None):
        stream = stream or self.stream
        async with asyncio.timeout(3):
            while stream not in self.done:
                assert await self.hear()
        return tuple(self.responses[stream])

    async def is_closed(self, within_s=3):
        with suppress(ConnectionError):
            async with asyncio.timeout(within_s):
                while await self.hear():
                    pass
        return True

    def close(self):
        self.writer.close()


both = pytest.mark.parametrize("client", [One, Two])


@both
def test_get_and_post_are_answered_on_one_connection(pair, client):
    async def work(server, address):
        asking = await client().connect(address, pair)
        for number in range(20):
            asking.send(*(("GET", path(number)) if number % 2 else ("POST", "/dns-query", question(number))))
            status, headers, body = await asking.read()
            assert (status, body) == (200, number.to_bytes(2, "big") + b"\x80" + question(number)[3:])
            assert headers["content-type"] == DNS
            assert headers["cache-control"].startswith("max-age=")
        assert server.counters["accepted"] == 1
        assert server.counters["questions"] == server.counters["status_200"] == 20
        asking.close()

    run(work, pair)


@both
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (("GET", "/"), 404),
        (("GET", "/dns-query?dns=x"), 400),
        (("DELETE", "/dns-query"), 405),
        (("POST", "/dns-query", b"hello", "text/plain"), 415),
        (("POST", "/dns-query", b""), 400),
    ],
)
def test_what_is_no_query_has_a_status_and_the_connection_goes_on(pair, client, sent, status):
    async def work(server, address):
        asking = await client().connect(address, pair)
        asking.send(*sent)
        got, headers, body = await asking.read()
        assert got == status
        assert body.endswith(b"\n")
        assert ("allow" in headers) == (status == 405)
        asking.send("GET", path(1))
        assert (await asking.read())[0] == 200
        assert server.counters[f"status_{status}"] == 1
        asking.close()

    run(work, pair)


def test_answers_of_http_2_come_as_they_are_there(pair):
    async def work(server, address):
        asking = await Two().connect(address, pair)
        slow = asking.send("GET", path(1, b"s"))
        quick = [asking.send("POST", "/dns-query", question(n)) for n in range(2, 60)]
        for stream in (*quick, slow):
            await asking.read(stream)
        assert asking.done == [*quick, slow]
        asking.close()

    run(work, pair)


def test_pipelined_requests_of_http_1_are_answered_in_order(pair):
    async def work(server, address):
        asking = await One().connect(address, pair)
        for number in range(60):
            asking.send("GET", path(number, b"s" if number == 0 else b"q"))
        got = [int.from_bytes((await asking.read())[2][:2], "big") for _ in range(60)]
        assert got == list(range(60))
        asking.close()

    run(work, pair)


@both
def test_a_dropped_question_is_told(pair, client):
    async def work(server, address):
        asking = await client().connect(address, pair)
        asking.send("GET", path(1, b"d"))
        assert (await asking.read())[0] == 504
        asking.close()

    run(work, pair, answer_s=0.2)


@both
def test_idle_connections_are_closed(pair, client):
    async def work(server, address):
        asking = await client().connect(address, pair)
        asking.send("GET", path(1))
        await asking.read()
        assert await asking.is_closed()
        assert server.counters["idle"] == 1
        if client is Two:
            assert asking.end_code == 0  # GOAWAY, no error
        asking.close()

    run(work, pair, idle_s=0.3)


@both
def test_a_request_that_drips_is_told_and_ended(pair, client):
    async def work(server, address):
        asking = await client().connect(address, pair)
        if client is One:
            asking.writer.write(b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n123")
        else:
            asking.stream = 1
            headers = [(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/dns-query")]
            asking.h2.send_headers(1, headers)
            asking.h2.send_data(1, b"123")
            asking.flush()
        assert (await asking.read())[0] == 408
        assert server.counters["slow"] == 1
        asking.close()

    run(work, pair, message_s=0.3)


def test_a_head_without_an_end_is_told_and_ended(pair):
    async def work(server, address):
        asking = await One().connect(address, pair)
        asking.writer.write(b"GET /" + b"a" * 40000)
        status, headers, _ = await asking.read()
        assert (status, headers["connection"]) == (431, "close")
        assert await asking.is_closed()
        asking.close()

    run(work, pair)


def test_a_body_that_is_too_large_is_told_before_the_end(pair):
    async def work(server, address):
        asking = await One().connect(address, pair)
        asking.send("POST", "/dns-query", bytes(200_000))
        status, _, _ = await asking.read()
        assert status == 413
        assert await asking.is_closed()
        asking.close()

    run(work, pair)


def test_whoever_gives_up_requests_does_not_make_us_work_for_more_than_the_bound(pair):
    """CVE-2023-44487: each stream is given up at once, so that the client never has many, and we would."""

    async def work(server, address):
        asking = await Two().connect(address, pair)
        other = await Two().connect(address, pair)
        with suppress(ConnectionError, h2.exceptions.ProtocolError):
            for _ in range(2000):
                stream = asking.send("GET", path(1, b"h"))
                asking.h2.reset_stream(stream)
                asking.flush()
                if stream % 50 == 1:
                    await asyncio.sleep(0)
        assert await asking.is_closed()
        assert asking.end_code == 11
        asking.close()
        await until(lambda: server.counters["abuse"] == 1)
        assert server.responder.asked < 300
        for send, reply in server.responder.held:  # too late, and no harm
            send(reply)
        other.send("GET", path(2))
        assert (await other.read())[0] == 200
        other.close()

    run(work, pair)


def test_questions_that_wait_are_bounded_whoever_has_given_them_up(pair):
    async def work(server, address):
        asking = await Two().connect(address, pair)
        for number in range(30):
            stream = asking.send("GET", path(number, b"h"))
            if number < 20:
                asking.h2.reset_stream(stream)
                asking.flush()
        assert (await asking.read(stream))[0] == 503
        assert server.responder.asked == 10
        for send, reply in server.responder.held:
            send(reply)
        asking.send("GET", path(1))
        assert (await asking.read())[0] == 200
        asking.close()

    run(work, pair, in_flight=10)


def test_a_client_that_opens_no_window_is_dropped_and_held_to_its_bound(pair):
    async def work(server, address):
        asking = await Two().connect(address, pair)
        asking.h2.update_settings({4: 0})
        for number in range(90):
            asking.send("GET", path(number, b"b"))
        await until(lambda: server.counters["unread"] == 1)
        assert server.responder.asked <= 4  # 30 KB each: no more are taken while so much is held back
        assert server.counters["status_503"] == 90 - server.responder.asked
        asking.close()

    run(work, pair, unread_s=0.3)


@pytest.mark.parametrize(("late", "is_dropped"), [(16, False), (18, True), (40, True)])
def test_answers_that_come_late_pile_up_to_512_kib_behind_a_closed_window(pair, late, is_dropped):
    """They were asked for while nothing was held back yet; the client is dropped at once, long before it counts as one that does not read."""

    async def work(server, address):
        asking = await Two().connect(address, pair)
        asking.h2.update_settings({4: 0})
        for number in range(late):
            asking.send("GET", path(number, b"h"))
        await until(lambda: len(server.responder.held) == late)
        for send, reply in server.responder.held:
            send(reply + b"x" * 30_000)
        assert server.counters["unread"] == is_dropped
        assert bool(server.connections) is not is_dropped
        asking.close()

    run(work, pair, unread_s=60.0)


def test_a_window_that_opens_late_gets_it_all(pair):
    async def work(server, address):
        asking = await Two().connect(address, pair)
        asking.h2.update_settings({4: 100})
        stream = asking.send("GET", path(1, b"b"))
        await until(lambda: [each for each in server.connections if each._stuck_octets])
        asking.h2.increment_flow_control_window(60000, stream)
        asking.flush()
        status, _, body = await asking.read(stream)
        assert (status, len(body)) == (200, len(question(1)) + 30000)
        asking.close()

    run(work, pair)


@both
def test_a_client_that_does_not_read_is_dropped(pair, client):
    async def work(server, address):
        asking = await client().connect(address, pair)
        asking.writer.transport.pause_reading()
        with suppress(ConnectionError, h2.exceptions.ProtocolError, TimeoutError):
            async with asyncio.timeout(8):
                while not server.counters["unread"]:
                    asking.send("GET", path(1, b"b"))
                    await asyncio.sleep(0.002)
        assert server.counters["unread"] + server.counters["limit"] >= 1
        asking.close()

    run(work, pair, unread_s=0.3)


@both
def test_draining_answers_what_is_in_flight(pair, client):
    async def work(server, address):
        asking = await client().connect(address, pair)
        idle = await client().connect(address, pair)
        asking.send("GET", path(1, b"s"))
        await until(lambda: server.responder.asked == 1)
        draining = asyncio.create_task(server.drain())
        assert (await asking.read())[0] == 200
        assert await asking.is_closed()
        assert await idle.is_closed()
        await asyncio.wait_for(draining, 1.5)
        for each in (asking, idle):
            each.close()

    run(work, pair)


def test_each_turn_digests_a_moment_s_worth(pair):
    """Other work of the loop goes on while a client sends a thousand requests at once."""

    async def work(server, address):
        asking = await One().connect(address, pair)
        for number in range(1000):
            asking.send("GET", path(number))
        longest, before = 0.0, asyncio.get_running_loop().time()
        reading = asyncio.create_task(_read_all(asking, 1000))
        turns = 0
        while not reading.done():
            await asyncio.sleep(0)
            now = asyncio.get_running_loop().time()
            longest, before = max(longest, now - before), now
            turns += 1
        await reading
        assert turns > 100
        assert server.counters["questions"] == 1000
        asking.close()

    run(work, pair)


async def _read_all(asking, count):
    for _ in range(count):
        assert (await asking.read())[0] == 200


@both
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.lists(st.binary(max_size=80), max_size=5), is_asking=st.booleans())
@pytest.mark.slow
def test_whatever_comes_after_the_handshake_is_no_fault(pair, client, octets, is_asking):
    async def work(server, address):
        asking = await client().connect(address, pair)
        if is_asking:
            asking.send("GET", path(1, b"s"))
        for piece in octets:
            asking.writer.write(piece)
            await asyncio.sleep(0)
        asking.writer.close()
        with suppress(OSError):
            await asking.writer.wait_closed()
        await until(lambda: not server.connections)

    run(work, pair, message_s=0.2, idle_s=0.2, answer_s=0.5)
