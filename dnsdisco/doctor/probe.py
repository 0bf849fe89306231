"""One question to one resolver, and what can be seen of its reply. Each is asked once however many checks want it, and has a deadline."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import NamedTuple

from dnsdisco import sockaddr
from dnsdisco.errors import WireError
from dnsdisco.wire import name
from dnsdisco.wire.constants import AA, IN, NOERROR, NXDOMAIN, OPT, QR, RCODES, RD, TC, TYPES
from dnsdisco.wire.parse import places, question_end, rcode

PROBE_S = 1.5  # a resolver on this machine or its network answers within a few milliseconds; the C library gives it 5 s
AGAIN_S = 0.7  # a datagram may be lost
OCTETS = 1232  # as most resolvers offer (RFC 9715)


class Seen(NamedTuple):
    """`trouble`: "": it replied; silent, closed (nothing listens there), or the system's word."""

    trouble: str = ""
    rcode: int = NOERROR
    flags: int = 0
    types: tuple[int, ...] = ()  # of the answer section
    edns_octets: int | None = None  # the size of the OPT record; None: there is none

    @property
    def has_answer(self) -> bool:
        return bool(self.types)

    @property
    def is_cut(self) -> bool:
        return bool(self.flags & TC)

    @property
    def is_authoritative(self) -> bool:
        return bool(self.flags & AA)

    def says(self) -> str:
        """For a sentence that begins with who was asked: "does not answer", "answers NXDOMAIN"."""
        if self.trouble == "silent":
            return f"does not answer within {PROBE_S:g} s"
        if self.trouble == "closed":
            return "does not answer: nothing listens there"
        if self.trouble:
            return f"cannot be reached: {self.trouble}"
        if self.rcode == NOERROR and not self.has_answer:
            return "answers with nothing"
        return f"answers {RCODES.get(self.rcode, str(self.rcode))}"


class ProbeQuestion(NamedTuple):
    host: str
    name: str
    type: str
    port: int = 53
    is_tcp: bool = False


class ResolverProbe:
    """May be called from any thread. *ask* is replaced in tests."""

    def __init__(self, ask: Callable[[ProbeQuestion], Seen] | None = None) -> None:
        self._ask = ask or exchange
        self._lock = threading.Lock()
        self._asked: dict[ProbeQuestion, Future[Seen]] = {}

    def __call__(self, host: str, name: str, rtype: str, *, port: int = 53, is_tcp: bool = False) -> Seen:
        return self._once(ProbeQuestion(host, name, rtype, port, is_tcp))

    def ahead(self, questions: Iterable[ProbeQuestion]) -> None:
        """Ask them all side by side, and wait for none: what is asked one after another later is then there."""
        for question in questions:
            threading.Thread(target=self._once, args=(question,), daemon=True).start()

    def _once(self, question: ProbeQuestion) -> Seen:
        with self._lock:
            is_new = question not in self._asked
            future = self._asked.setdefault(question, Future())
        if is_new:
            try:
                future.set_result(self._ask(question))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()


def exchange(question: ProbeQuestion) -> Seen:
    """Blocks for PROBE_S at most. Never raises."""
    query = _query(question)
    try:
        octets = (_over_tcp if question.is_tcp else _over_udp)(question, query)
        found = places(octets)
    except TimeoutError:
        return Seen("silent")
    except ConnectionRefusedError:
        return Seen("closed")
    except OSError as error:
        return Seen(error.strerror or str(error))
    except WireError as error:
        return Seen(f"its reply cannot be read: {error}")
    opt = next((int.from_bytes(octets[each.ttl_at - 2 : each.ttl_at], "big") for each in found if each.rtype == OPT), None)
    types = tuple(each.rtype for each in found if each.section == 1)
    return Seen("", rcode(octets, found), int.from_bytes(octets[2:4], "big"), types, opt)


def _query(question: ProbeQuestion) -> bytes:
    header = secrets.token_bytes(2) + RD.to_bytes(2, "big") + b"\0\1\0\0\0\0\0\1"
    asked = name.from_text(question.name) + TYPES[question.type].to_bytes(2, "big") + IN.to_bytes(2, "big")
    return header + asked + b"\0" + OPT.to_bytes(2, "big") + OCTETS.to_bytes(2, "big") + bytes(6)


def _is_reply(message: bytes, query: bytes) -> bool:
    try:
        end = question_end(query)
        return message[:2] == query[:2] and bool(message[2] << 8 & QR) and message[12:end].lower() == query[12:end].lower()
    except (WireError, IndexError):
        return False


def _over_udp(question: ProbeQuestion, query: bytes) -> bytes:
    family, address = sockaddr.of(question.host, question.port)
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.connect(address)
        until = time.monotonic() + PROBE_S
        for end in (until - PROBE_S + AGAIN_S, until):
            udp.send(query)
            while (left_s := end - time.monotonic()) > 0:
                udp.settimeout(left_s)
                try:
                    message = udp.recv(65535)
                except TimeoutError:
                    break
                if _is_reply(message, query):
                    return message
    raise TimeoutError


def _over_tcp(question: ProbeQuestion, query: bytes) -> bytes:
    family, address = sockaddr.of(question.host, question.port)
    until = time.monotonic() + PROBE_S
    with socket.socket(family, socket.SOCK_STREAM) as tcp:
        tcp.settimeout(PROBE_S)
        tcp.connect(address)
        tcp.sendall(len(query).to_bytes(2, "big") + query)
        stream = b""
        while len(stream) < 2 or len(stream) < 2 + int.from_bytes(stream[:2], "big"):
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            tcp.settimeout(left_s)
            octets = tcp.recv(65535)
            if not octets:
                raise ConnectionResetError("it closes the connection without an answer")
            stream += octets
    return stream[2 : 2 + int.from_bytes(stream[:2], "big")]


def is_denied(seen: Seen) -> bool:
    return not seen.trouble and (seen.rcode == NXDOMAIN or not seen.has_answer)
