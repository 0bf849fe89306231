"""HTTP/1.1 and HTTP/2 without sockets: whatever octets come in, requests or an end come out; what costs us has a bound."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.server.doh import BODY_OCTETS_MAX, HEAD_OCTETS_MAX, refusal_response, Request, Response
from dnsdisco.server.http1 import Http1
from dnsdisco.server.http2 import Http2, STREAMS_MAX
from dnsdisco.server.http2_frames import BUSY_FREE, FRAME_OCTETS_MAX, Frames, PREFACE, RESETS_FREE

OK = Response(200, ((b"content-type", b"application/dns-message"), (b"content-length", b"5")), b"reply")
HEADERS = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/dns-query?dns=AAAA")]


def digest(http, octets=b"", now=0.0):
    """All requests in *octets*; each step must come to an end."""
    http.receive(octets, now)
    found = []
    for _ in range(20_000):
        if not http.has_more:
            return found
        request = http.digest()
        if request is not None:
            found.append(request)
    raise AssertionError("it does not end")


# HTTP/1.1


def test_requests_of_one_connection_come_one_after_the_other():
    http = Http1()
    (first,) = digest(
        http, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Type: t/u\r\nContent-Length: 3\r\n\r\nabc"
    )
    assert first == Request(0, b"GET", b"/a")
    http.answer(0, OK)
    assert http.outgoing().startswith(b"HTTP/1.1 200 ")
    (second,) = digest(http)
    assert second == Request(0, b"POST", b"/b", b"t/u", b"abc")
    http.answer(0, OK)
    assert http.outgoing().endswith(b"\r\n\r\nreply")
    assert http.is_between_requests
    assert not http.is_over


def test_a_body_in_chunks_and_in_drops():
    http = Http1()
    octets = b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    found = [request for octet in octets for request in digest(http, bytes((octet,)))]
    assert found == [Request(0, b"POST", b"/b", b"", b"abcde")]


@pytest.mark.parametrize(
    ("head", "is_over"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", False),
    ],
)
def test_who_wants_one_answer_gets_one(head, is_over):
    http = Http1()
    assert len(digest(http, head)) == 1
    http.answer(0, OK)
    assert http.is_over is is_over


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET /" + b"a" * (HEAD_OCTETS_MAX + 100), 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 4000, 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n" + bytes(65536), 413),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + bytes(0xFFFF) + b"\r\n1\r\nx\r\n",
            413,
        ),
    ],
)
def test_what_http_1_itself_refuses_ends_the_connection(octets, status):
    http = Http1()
    (request,) = digest(http, octets)
    assert request.status == status
    http.answer(0, refusal_response(status, "no"))
    out = http.outgoing()
    assert out.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in out.lower()
    assert http.is_over
    assert not http.has_more


def test_head_has_no_body_and_expectations_are_met():
    http = Http1()
    digest(http, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    http.answer(0, refusal_response(405, "no"))
    assert http.outgoing().endswith(b"\r\n\r\n")
    assert digest(http, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n") == []
    assert http.outgoing().startswith(b"HTTP/1.1 100 ")
    assert digest(http, b"x")


def test_a_request_that_drips_is_refused_and_silence_between_two_is_not():
    http = Http1()
    digest(http, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 5.0)
    assert http.overdue(50.0, 5.0) is None  # it is for us to answer
    http.answer(0, OK)
    http.outgoing()
    assert http.overdue(100.0, 5.0) is None
    assert digest(http, b"GET", 100.0) == []
    assert http.overdue(105.0, 5.0) is None
    assert http.overdue(105.1, 5.0) == Request(0, b"", b"", status=408)
    http.answer(0, refusal_response(408, "slow"))
    assert http.outgoing().startswith(b"HTTP/1.1 408 ")
    assert http.is_over


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"GET / HTTP/1.1\r\n", b"POST /dns-query HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n",
                b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n", b"4\r\n", b"abcd", b"0\r\n\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n",
                b"Connection: upgrade\r\n", b"CONNECT x:1 HTTP/1.1\r\n"]), max_size=12), st.booleans())  # fmt: skip
@pytest.mark.slow
def test_any_octets_are_requests_or_an_end_for_http_1(pieces, is_answered):
    http = Http1()
    for piece in pieces:
        requests = digest(http, piece)
        while requests and is_answered:
            assert len(requests) == 1
            http.answer(0, refusal_response(requests[0].status, "no") if requests[0].status else OK)
            http.outgoing()
            requests = digest(http)
        http.overdue(1.0, 5.0)
    http.end_of_input()


# HTTP/2


class Client:
    """An HTTP/2 client's side, by h2; `talk()` brings both sides up to date."""

    def __init__(self, *, is_checked=True):
        config = h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=is_checked, normalize_outbound_headers=is_checked
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.http = Http2()
        self.requests = []
        self.events = []
        self.talk()

    def talk(self, octets=b"", now=0.0):
        self.requests += digest(self.http, self.h2.data_to_send() + octets, now)
        out = self.http.outgoing()
        if out:
            self.events += self.h2.receive_data(out)
        return [
            event
            for event in self.events
            if not isinstance(event, (h2.events.RemoteSettingsChanged, h2.events.SettingsAcknowledged))
        ]

    def ask(self, stream, headers=None, body=None, **options):
        self.h2.send_headers(stream, headers or HEADERS, end_stream=body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=True, **options)

    @property
    def end_code(self):
        return next((int(event.error_code) for event in self.events if isinstance(event, h2.events.ConnectionTerminated)), None)


def test_requests_side_by_side_and_answers_in_any_order():
    client = Client()
    client.ask(1)
    client.ask(
        3,
        [(":method", "POST"), (":scheme", "https"), (":authority", "evil.example"), (":path", "/q"), ("content-type", "t/u")],
        b"abc",
    )
    client.talk()
    assert client.requests == [Request(1, b"GET", b"/dns-query?dns=AAAA"), Request(3, b"POST", b"/q", b"t/u", b"abc")]
    client.http.answer(3, OK)
    client.http.answer(1, OK)
    order = [event.stream_id for event in client.talk() if isinstance(event, h2.events.StreamEnded)]
    assert order == [3, 1]
    assert client.http.is_between_requests


def test_a_stream_that_is_given_up_is_not_answered_and_nothing_breaks():
    client = Client()
    client.ask(1)
    client.talk()
    client.h2.reset_stream(1)
    client.talk()
    client.http.answer(1, OK)
    assert client.http.outgoing() == b""
    assert client.http.is_between_requests
    client.ask(3)
    client.talk()
    assert client.requests[-1].stream == 3


def test_a_response_waits_for_the_client_s_window():
    client = Client()
    client.h2.update_settings({4: 10})  # INITIAL_WINDOW_SIZE
    client.ask(1)
    client.talk()
    client.http.answer(1, Response(200, (), b"x" * 25))
    client.talk()
    assert client.http.stuck_octets == 15
    client.h2.increment_flow_control_window(100, 1)
    events = client.talk()
    assert client.http.stuck_octets == 0
    assert sum(len(event.data) for event in events if isinstance(event, h2.events.DataReceived)) == 25
    assert client.http.is_between_requests


def test_too_large_a_body_is_413_and_the_connection_goes_on():
    client = Client()
    sent = 0
    client.h2.send_headers(1, [*HEADERS[1:], (":method", "POST")][::-1])
    while sent <= BODY_OCTETS_MAX:
        size = min(FRAME_OCTETS_MAX, client.h2.local_flow_control_window(1))
        if not size:
            break
        client.h2.send_data(1, bytes(size))
        sent += size
        client.talk()
    # As much as one message may have fits the window, and no more: nothing is given back before the request is whole.
    assert sent == BODY_OCTETS_MAX
    assert client.requests == []
    assert client.http.overdue(6.0, 5.0).status == 408
    client.http.answer(1, refusal_response(408, "slow"))
    ends = [type(event).__name__ for event in client.talk()]
    assert "StreamEnded" in ends
    assert "StreamReset" in ends
    client.ask(3, None)
    client.talk()
    assert client.requests[-1].stream == 3


def test_bodies_of_all_streams_share_one_window():
    """So that a connection cannot hold a hundred half-done bodies of 64 KiB."""
    client = Client()
    for stream in (1, 3, 5):
        client.h2.send_headers(stream, [(":method", "POST"), *HEADERS[1:]])
        size = min(client.h2.local_flow_control_window(stream), FRAME_OCTETS_MAX)
        while size:
            client.h2.send_data(stream, bytes(size))
            client.talk()
            size = min(client.h2.local_flow_control_window(stream), FRAME_OCTETS_MAX)
    held = sum(len(stream.body) for stream in client.http._streams.values())
    assert held == 65535


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


FLOODS = {
    "resets": lambda n: frame(1, 5, 2 * n + 1, b"\x82\x87\x84\x41\x01x") + frame(3, 0, 2 * n + 1, bytes(4)),
    "pings": lambda n: frame(6, 0, 0, bytes(8)),
    "settings": lambda n: frame(4),
    "priorities": lambda n: frame(2, 0, 1, bytes(5)),
    "windows": lambda n: frame(8, 0, 0, b"\0\0\0\1"),
    "unknown": lambda n: frame(0xEE, 0, 0, b"x"),
    "crumbs": lambda n: frame(1, 0, 1, b"") if not n else frame(9, 0, 1, b""),
    "continuations": lambda n: frame(1, 0, 1, b"\x82") if not n else frame(9, 0, 1, b"\x40\x01a\x7f\xe1\x7e" + b"v" * 350),
    "empty data": lambda n: frame(1, 4, 1, b"\x83\x87\x84\x41\x01x") if not n else frame(0, 0, 1),
}


@pytest.mark.parametrize("how", FLOODS)
def test_a_flood_of_what_asks_for_nothing_ends_with_calm(how):
    http = Http2()
    http.receive(PREFACE + frame(4), 0.0)
    answered = 0
    for number in range(2000):
        for request in digest(http, FLOODS[how](number)):
            http.answer(request.stream, OK)
            answered += 1
        if http.is_over:
            break
    assert http.is_over
    assert http.is_dead
    out = http.outgoing()
    assert out[-17 + 3] == 7  # a GOAWAY is the last thing said
    assert int.from_bytes(out[-4:], "big") == (
        1 if how == "crumbs" else 11
    )  # h2 has a bound of its own for those; ENHANCE_YOUR_CALM
    if how == "resets":
        assert number <= 2 * RESETS_FREE + 2
    elif how == "continuations":
        assert number <= HEAD_OCTETS_MAX // 350 + 1
    else:
        assert number <= BUSY_FREE + 10


@pytest.mark.slow
def test_a_client_that_works_may_tend_its_windows():
    client = Client()
    for stream in range(1, 4001, 2):
        client.ask(stream)
        client.talk()
        client.http.answer(stream, OK)
        client.talk()
        client.h2.increment_flow_control_window(5)
        client.h2.ping(bytes(8))
        client.talk()
        client.events.clear()
    assert not client.http.is_over
    assert len(client.requests) == 2000
    assert len(client.http._h2._closed_streams) <= 128


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 1),
        (PREFACE[:10] + b"x", 1),
        (PREFACE + (FRAME_OCTETS_MAX + 1).to_bytes(3, "big") + b"\0\0\0\0\0\1", 6),  # by its head: nothing of it is waited for
        (PREFACE + frame(4) + frame(0, 0, 1, b"x"), 1),
        (PREFACE + frame(4) + frame(1, 5, 2, b"\x82"), 1),
        (PREFACE + frame(4) + frame(1, 5, 1, b"\xff" * 20), 1),
        (PREFACE + frame(4) + frame(1, 5, 1, b"\x82"), 1),  # no path
        (PREFACE + frame(4) + frame(5, 4, 1, bytes(4)), 1),  # a push from a client
    ],
)
def test_a_breach_of_the_protocol_ends_the_connection_with_its_code(octets, code):
    http = Http2()
    assert digest(http, octets) == []
    assert http.is_over
    out = http.outgoing()
    at = out.rfind(frame(7)[3:4] + b"\0\0\0\0\0")
    assert at > 0
    assert int.from_bytes(out[at + 10 : at + 14], "big") == code


def test_more_streams_than_said_end_it():
    client = Client()
    octets = b"".join(frame(1, 5, 2 * n + 1, b"\x82\x87\x84\x41\x01x") for n in range(STREAMS_MAX + 1))
    client.requests += digest(client.http, octets)
    assert len(client.requests) == STREAMS_MAX
    assert client.http.is_over


def test_a_frame_that_drips_ends_it_and_a_busy_connection_goes_on():
    http = Http2()
    ask = frame(1, 5, 1, b"\x82\x87\x84\x41\x01x")
    digest(http, PREFACE + frame(4), 0.0)
    for number in range(20):  # each piece ends within a frame
        octets = frame(1, 5, 2 * number + 1, b"\x82\x87\x84\x41\x01x")
        digest(http, (ask[5:] if number else b"") + octets[:5], float(number))
        ask = octets
        assert http.overdue(float(number) + 0.5, 5.0) is None
    assert not http.is_over
    assert http.overdue(100.0, 5.0) is None
    assert http.is_over


def test_a_huge_table_of_the_client_is_not_filled():
    client = Client()
    client.h2.update_settings({1: 0x7FFFFFFF})  # HEADER_TABLE_SIZE
    client.talk()
    assert client.http._h2.encoder.header_table_size == 4096
    client.ask(1)
    client.talk()
    client.http.answer(1, OK)
    assert any(isinstance(event, h2.events.ResponseReceived) for event in client.talk())


frames = st.builds(
    frame, st.integers(0, 10) | st.integers(0, 255), st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D]) | st.integers(0, 255),
    st.sampled_from([0, 1, 3, 5, 2**31 - 1, 2**32 - 1]),
    st.binary(max_size=40) | st.sampled_from([b"\x82\x87\x84\x41\x01x", b"\x83\x87\x84\x41\x01x", bytes(4), bytes(8), b"\0\4\xff\xff\xff\xff", b"\0\1\xff\xff\xff\xff"]),
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(frames | st.binary(max_size=30), max_size=14), st.booleans(), st.integers(1, 50))
@pytest.mark.slow
def test_any_octets_are_requests_or_an_end_for_http_2(pieces, is_answered, size):
    http = Http2()
    octets = PREFACE + frame(4) + b"".join(pieces)
    for at in range(0, len(octets), size):
        for request in digest(http, octets[at : at + size]):
            if is_answered:
                http.answer(request.stream, OK)
        http.outgoing()
    http.overdue(100.0, 5.0)
    http.end_of_input()
    http.goodbye()


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_frames_come_out_as_they_went_in(pieces):
    reader = Frames()
    wanted = [frame(0xEE, 0, 0, piece) for piece in pieces]
    octets = PREFACE + b"".join(wanted)
    got = b""
    for octet in octets:
        reader.receive(bytes((octet,)))
        while reader.has_more:
            got += reader.take()
    assert got == octets
    assert reader.is_between
