"""The client side of one DNS exchange (RFC 1035 §4.2, RFC 7766): UDP with repeats, TCP after TC or when asked for.

Whatever arrives and does not answer our question is waited past: a wrong id, another question, something that is no reply.
"""

from __future__ import annotations

import secrets
import socket
import time
from typing import NamedTuple

from dnsdisco import sockaddr
from dnsdisco.errors import DnsdiscoError, WireError
from dnsdisco.wire.constants import IN, NOERROR, OPT, QR, RD, TC
from dnsdisco.wire.parse import question_end

UDP_OCTETS = 1232  # no fragment on any path that carries IPv6 (RFC 9715 §3.1)
TRIES = 3  # as dig
TRY_S = 2.0  # a server that forwards answers, or gives up, within 2 s
TCP_S = 5.0  # to connect, and again for the reply
OTHERS_MAX = 1000  # wrong replies to one question; more are a flood

Server = tuple[str, int]


class StubExchange(NamedTuple):
    reply: bytes
    transport: str  # "udp", "tcp", "tls", "https"
    time_ms: float  # of the last question: the one that was answered
    is_retried: bool  # the reply over UDP was truncated
    is_verified: bool = True  # by its certificate, the server is who it was asked to be; of tls and https


class NoReply(DnsdiscoError):
    """Nobody answered, or not our question."""


def question(owner: bytes, rtype: int) -> bytes:
    """A query for *owner* (wire form, its case kept) with a random id, RD and EDNS (RFC 6891)."""
    header = secrets.token_bytes(2) + RD.to_bytes(2, "big") + b"\0\1\0\0\0\0\0\1"
    asked = owner + rtype.to_bytes(2, "big") + IN.to_bytes(2, "big")
    return header + asked + b"\0" + OPT.to_bytes(2, "big") + UDP_OCTETS.to_bytes(2, "big") + bytes(6)


def exchange(server: Server, query: bytes, *, is_tcp: bool = False) -> StubExchange:
    """The reply of *server* to *query*. Blocks for at most TRIES times TRY_S, and for TCP twice TCP_S. Raises NoReply."""
    try:
        if is_tcp:
            return _over_tcp(server, query, is_retried=False)
        reply, time_ms = _over_udp(server, query)
        if int.from_bytes(reply[2:4], "big") & TC:
            return _over_tcp(server, query, is_retried=True)
    except TimeoutError:
        raise NoReply(f"no answer from {_text(server)} within {_patience_s(is_tcp=is_tcp):g} s") from None
    except ConnectionRefusedError:
        raise NoReply(
            f"nothing listens on {_text(server)}; start it with `dnsdisco serve`, or name another with --server"
        ) from None
    except OSError as error:
        raise NoReply(f"{_text(server)}: {error.strerror or error}") from None
    return StubExchange(reply, "udp", time_ms, is_retried=False)


def is_reply(message: bytes, query: bytes) -> bool:
    """True if *message* answers *query*: its id, a reply, its question; or an error from a server that read no question."""
    if len(message) < 12 or message[:2] != query[:2]:
        return False
    flags = int.from_bytes(message[2:4], "big")
    if not flags & QR or flags & 0x7800:
        return False
    if message[4:6] == b"\0\0":
        return flags & 15 != NOERROR
    try:
        end = question_end(message)
        return end == question_end(query) and message[12:end].lower() == query[12:end].lower()
    except WireError:
        return False


def _over_udp(server: Server, query: bytes) -> tuple[bytes, float]:
    others = 0
    with socket.socket(_family(server), socket.SOCK_DGRAM) as udp:
        udp.connect(sockaddr.of(*server)[1])
        for _ in range(TRIES):
            began_at = time.monotonic()
            udp.send(query)
            while (left_s := began_at + TRY_S - time.monotonic()) > 0:
                udp.settimeout(left_s)
                try:
                    message = udp.recv(65535)
                except TimeoutError:
                    break
                if is_reply(message, query):
                    return message, (time.monotonic() - began_at) * 1000
                others += 1
                if others > OTHERS_MAX:
                    raise NoReply(f"{_text(server)} sent {others} messages, and none of them answers the question")
    raise TimeoutError


def _over_tcp(server: Server, query: bytes, *, is_retried: bool) -> StubExchange:
    with socket.socket(_family(server), socket.SOCK_STREAM) as tcp:
        tcp.settimeout(TCP_S)
        tcp.connect(sockaddr.of(*server)[1])
        reply, time_ms = over_stream(tcp, query, _text(server))
    return StubExchange(reply, "tcp", time_ms, is_retried)


def over_stream(stream: socket.socket, query: bytes, server: str) -> tuple[bytes, float]:
    """The reply over a connection, and the milliseconds until it came. Raises NoReply, with the *server*'s name, and OSError."""
    began_at = time.monotonic()
    stream.sendall(len(query).to_bytes(2, "big") + query)
    read = b""
    while True:
        while len(read) >= 2 and len(read) >= 2 + int.from_bytes(read[:2], "big"):
            end = 2 + int.from_bytes(read[:2], "big")
            message, read = read[2:end], read[end:]
            if is_reply(message, query):
                return message, (time.monotonic() - began_at) * 1000
        left_s = began_at + TCP_S - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        stream.settimeout(left_s)
        octets = stream.recv(65535)
        if not octets:
            raise NoReply(f"{server} closed the connection before it answered")
        read += octets


def _family(server: Server) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server[0] else socket.AF_INET


def _text(server: Server) -> str:
    return f"[{server[0]}]:{server[1]}" if ":" in server[0] else f"{server[0]}:{server[1]}"


def _patience_s(*, is_tcp: bool) -> float:
    return TCP_S if is_tcp else TRIES * TRY_S
