"""HTTP/1.1 and HTTP/2 of DNS over HTTPS, without sockets: octets in, requests and an end out, however the octets are cut."""

from __future__ import annotations

from collections.abc import Callable

import h2.config
import h2.connection
import hyperframe.frame

from dnsdisco.server.doh import (
    BODY_OCTETS_MAX,
    HEAD_OCTETS_MAX,
    message_of,
    NotAQuery,
    refusal_response,
    reply_response,
    Request,
)
from dnsdisco.server.http1 import Http1
from dnsdisco.server.http2 import Http2, STREAMS_MAX
from dnsdisco.server.http2_frames import FRAME_OCTETS_MAX, PREFACE
from dnsdisco.server.https_connection import HttpVersion
from dnsdisco.wire.tcp_frame import MESSAGE_OCTETS_MAX, MESSAGE_OCTETS_MIN
from tests.fuzz.cuts import pieces
from tests.fuzz.reader import Reader

PATHS = (b"/dns-query",)
REPLY = bytes((0, 0, 0x81, 0x80, 0, 0, 0, 0, 0, 0, 0, 0))
STATUSES = frozenset({100, 200, 400, 404, 405, 408, 413, 414, 415, 431, 501, 503, 504, 505})


def _is_served(http: HttpVersion, cut: list[bytes]) -> tuple[list[Request], bytes]:
    """The requests, and what was answered to all of them, each as soon as it is whole."""
    requests: list[Request] = []
    out = http.outgoing()
    for piece in cut:
        http.receive(piece, 0.0)
        steps = 0
        while http.has_more:
            steps += 1
            assert steps <= 200 + 4 * sum(map(len, cut)), "it does not end"
            request = http.digest()
            if request is not None:
                requests.append(request)
                _answer(http, request)
            out += http.outgoing()
    http.end_of_input()
    assert not http.has_more
    out += http.outgoing() + http.goodbye()
    return requests, out


def _answer(http: HttpVersion, request: Request) -> None:
    assert len(request.body) <= BODY_OCTETS_MAX
    try:
        message = message_of(request, PATHS)
    except NotAQuery as refused:
        assert refused.status in STATUSES
        http.answer(request.stream, refusal_response(refused.status, str(refused)))
        return
    assert MESSAGE_OCTETS_MIN <= len(message) <= MESSAGE_OCTETS_MAX
    assert not message[2] & 0x80
    http.answer(request.stream, reply_response(REPLY))


def _same_however_cut(octets: bytes, make: Callable[[], HttpVersion], check: Callable[[list[Request], bytes], None]) -> None:
    found: list[list[Request]] = []
    for cut in pieces(octets):
        requests, out = _is_served(make(), cut)
        check(requests, out)
        found.append(requests)
    if len(octets) <= HEAD_OCTETS_MAX:  # of a longer head it depends on how much of it was there at once
        assert all(requests == found[0] for requests in found)


def _http1(octets: bytes) -> None:
    _same_however_cut(octets, Http1, _is_http1)


def _is_http1(requests: list[Request], out: bytes) -> None:
    """One response a request, none after one that was refused, each with its length."""
    assert not any(request.status for request in requests[:-1]), "read on behind what could not be read"
    statuses, methods = [], [request.method for request in requests]
    while out:
        head, end, out = out.partition(b"\r\n\r\n")
        assert end
        line, *headers = head.split(b"\r\n")
        version, status, *_ = line.split(b" ")
        assert version == b"HTTP/1.1"
        assert int(status) in STATUSES
        if status == b"100":
            continue
        statuses.append(int(status))
        lengths = [
            int(value) for name, _, value in (header.partition(b": ") for header in headers) if name.lower() == b"content-length"
        ]
        assert len(lengths) == 1
        method = methods[len(statuses) - 1]
        if method == b"HEAD" or (not method and not out):  # refused, and perhaps a HEAD
            continue
        assert len(out) >= lengths[0]
        out = out[lengths[0] :]
    assert len(statuses) == len(requests)


def _http2(octets: bytes) -> None:
    _same_however_cut(octets, Http2, _is_http2)


def _is_http2(requests: list[Request], out: bytes) -> None:
    """Whole frames of ours, one head a request at the most."""
    assert len({request.stream for request in requests}) == len(requests)
    heads = at = 0
    while at < len(out):
        assert len(out) - at >= 9
        frame, length = hyperframe.frame.Frame.parse_frame_header(memoryview(out[at : at + 9]))
        assert length <= FRAME_OCTETS_MAX
        assert at + 9 + length <= len(out)
        frame.parse_body(memoryview(out[at + 9 : at + 9 + length]))
        heads += isinstance(frame, hyperframe.frame.HeadersFrame)
        at += 9 + length
    assert heads <= len(requests)


# inputs


def _client(*asked: tuple[str, bytes]) -> bytes:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    for number, (path, body) in enumerate(asked):
        method = [(":method", "POST"), ("content-type", "application/dns-message")] if body else [(":method", "GET")]
        pseudo = [method[0], (":scheme", "https"), (":authority", "x"), (":path", path)]
        connection.send_headers(1 + 2 * number, pseudo + method[1:], end_stream=not body)
        if body:
            connection.send_data(1 + 2 * number, body, end_stream=True)
    return connection.data_to_send()


_QUERY = bytes((0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + b"\3web\3svc\5local\0\0\1\0\1"
_GET = b"GET /dns-query?dns=AAABAAABAAAAAAAAA3dlYgNzdmMFbG9jYWwAAAEAAQ HTTP/1.1\r\nHost: x\r\n\r\n"
_POST = b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: application/dns-message\r\nContent-Length: 31\r\n\r\n" + _QUERY
_CHUNKED = b"POST /dns-query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n"
_HTTP1_WORDS = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"GET ", b"HEAD ", b"POST ", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b" HTTP/1.0\r\n", b" HTTP/1.1\r\n", b" HTTP/2.0\r\n", b"Host: x\r\n", b"Content-Length: 5\r\n",
    b"Content-Length: +5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding : chunked\r\n", b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"?dns=", b"&dns=AAAA", b"http://x", b"//", b"%2f", b"\xff", b"=" * 3, _GET,
)  # fmt: skip
_HTTP2_SEEDS = (
    _client(("/dns-query?dns=AAABAAABAAAAAAAAA3dlYgNzdmMFbG9jYWwAAAEAAQ", b"")), _client(("/dns-query", _QUERY), ("/x", b""), ("/dns-query", bytes(2000))),
    _client(*[("/dns-query", b"")] * (STREAMS_MAX // 10)), PREFACE + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)), PREFACE,
)  # fmt: skip


def _frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


_HTTP2_WORDS = (
    PREFACE, _frame(0, 1, 1, b"x"), _frame(0, 0, 1), _frame(1, 5, 3, b"\x82\x84\x87"), _frame(1, 4, 5, b"\x82"), _frame(1, 0, 7, b"\x82"), _frame(2, 0, 1, bytes(5)), _frame(3, 0, 1, bytes(4)), _frame(4, 0, 0), _frame(4, 1, 0),
    _frame(4, 0, 0, b"\0\3\0\0\0\0\0\4\0\0\0\0\0\1\xff\xff\xff\xff"), _frame(5, 4, 2, bytes(8)), _frame(6, 0, 0, bytes(8)), _frame(7, 0, 0, bytes(8)), _frame(8, 0, 0, b"\x7f\xff\xff\xff"), _frame(8, 0, 1, bytes(4)),
    _frame(9, 4, 1, b"\x82"), _frame(9, 0, 7), _frame(0xA, 0, 0), b"\xff\xff\xff\1\5", b"\0", b"\xff", b"\x3f\xe1\xff\xff\xff\xff\xff",
)  # fmt: skip

READERS = {
    "HTTP/1.1": Reader((_GET, _POST, _CHUNKED, _GET * 5, b"\r\n" + _GET, b"HEAD" + _GET[3:] + _POST), _HTTP1_WORDS, _http1),
    "HTTP/2": Reader(_HTTP2_SEEDS, _HTTP2_WORDS, _http2),
}
