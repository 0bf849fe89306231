"""DNS over HTTPS as requests and responses, whichever version of HTTP carries them (RFC 8484): no socket, no HTTP library.

GET PATH?dns=…             the query in base64url, without padding (§6)
POST PATH                  the query as the body, application/dns-message
200                        the reply, whatever its rcode, with how long it may be kept
400 404 405 413 415 …      the request cannot be a query; a line of text has the reason
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from typing import NamedTuple

from dnsdisco.wire.freshness import freshness_s
from dnsdisco.wire.tcp_frame import MESSAGE_OCTETS_MAX, MESSAGE_OCTETS_MIN

MEDIA_TYPE = b"application/dns-message"
HEAD_OCTETS_MAX = 16 * 1024  # of a request: a query in the address is some hundred octets, cookies of others a few thousand
BODY_OCTETS_MAX = MESSAGE_OCTETS_MAX
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*")
_QR = 0x80


class Request(NamedTuple):
    """A request. `stream`: where its response goes. `status`: the fault that HTTP itself found in it; 0: none."""

    stream: int
    method: bytes
    target: bytes
    content_type: bytes = b""
    body: bytes = b""
    status: int = 0


class Response(NamedTuple):
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class NotAQuery(Exception):
    """Not a query. The text is for the client."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def message_of(request: Request, paths: Collection[bytes]) -> bytes:
    """The DNS message in *request*. Raises Refused."""
    if request.status:
        raise NotAQuery(request.status, reason_of(request.status))
    path, _, query = request.target.partition(b"?")
    if not path.startswith(b"/"):  # the absolute form (RFC 9112 §3.2.2)
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    if path not in paths:
        raise NotAQuery(404, "DNS is at another path")
    if request.method == b"GET":
        message = _from_query(query)
    elif request.method == b"POST":
        if request.content_type.partition(b";")[0].strip().lower() != MEDIA_TYPE:
            raise NotAQuery(415, "application/dns-message is expected")
        message = request.body
    else:
        raise NotAQuery(405, "GET or POST is expected")
    if len(message) < MESSAGE_OCTETS_MIN or message[2] & _QR:
        raise NotAQuery(400, "this is not a DNS query")
    if len(message) > MESSAGE_OCTETS_MAX:
        raise NotAQuery(413, "a DNS message has at most 65535 octets")
    return message


def _from_query(query: bytes) -> bytes:
    values = [value for name, _, value in (pair.partition(b"=") for pair in query.split(b"&")) if name == b"dns"]
    if len(values) != 1:
        raise NotAQuery(400, "one parameter dns= is expected")
    value = values[0].rstrip(b"=")  # some clients pad all the same
    if not _BASE64URL.fullmatch(value) or len(value) % 4 == 1:
        raise NotAQuery(400, "the parameter dns= is not base64url")
    return base64.urlsafe_b64decode(value + b"=" * (-len(value) % 4))


def reply_response(reply: bytes) -> Response:
    headers = (
        (b"content-type", MEDIA_TYPE),
        (b"content-length", b"%d" % len(reply)),
        (b"cache-control", b"max-age=%d" % freshness_s(reply)),
    )
    return Response(200, headers, reply)


def refusal_response(status: int, reason: str) -> Response:
    body = reason.encode() + b"\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    if status == 405:
        headers.append((b"allow", b"GET, POST"))
    return Response(status, tuple(headers), body)


_REASONS = {
    408: "the request took too long to come",
    413: "a DNS message has at most 65535 octets",
    431: "the head of the request is too long",
    503: "too many questions of this connection wait for an answer",
    504: "there is no answer",
    505: "this server supports HTTP/1.1 and HTTP/2",
}


def reason_of(status: int) -> str:
    return _REASONS.get(status, "the request cannot be read")
