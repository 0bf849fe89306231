"""An HTTPS server that speaks RFC 8484 over HTTP/2 (or HTTP/1.1), and lies as told. In a thread of its own.

with HttpsUpstream(tls) as upstream:
    upstream.says = lambda asked: HttpsSay(status=503)
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import h2.config
import h2.connection
import h2.events

from tests.forward.upstream import answer, Asked


@dataclass(frozen=True)
class HttpsSay:
    """`body` None: the address 192.0.2.1. `after_s` -1: never. `is_close`: the connection is cut instead."""

    body: bytes | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/dns-message"),)
    after_s: float = 0.0
    is_close: bool = False


@dataclass
class Request:
    headers: dict[str, str]
    body: bytes
    version: str
    peer: tuple[str, int]

    @property
    def asked(self) -> Asked:
        return Asked(self.body, "https", self.peer)


@dataclass
class HttpsUpstream:
    tls: ssl.SSLContext
    host: str = "127.0.0.1"
    port: int = 0
    says: Callable[[Asked], HttpsSay] = field(default=lambda asked: HttpsSay())
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._transports: set[asyncio.Transport] = set()
        self._frozen: set[asyncio.Transport] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        assert not self._thread.is_alive()

    def close_connections(self) -> None:
        def drop() -> None:
            for transport in tuple(self._transports):
                transport.abort()

        self._loop.call_soon_threadsafe(drop)

    def freeze_connections(self) -> None:
        """From now on, whatever comes over the connections that are open is lost, and nothing goes back: their path is gone."""

        def freeze() -> None:
            self._frozen |= self._transports
            frozen.set()

        frozen = threading.Event()
        self._loop.call_soon_threadsafe(freeze)
        assert frozen.wait(5)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def _run(self) -> None:
        make = lambda: _Http(self)  # noqa: E731
        server = self._loop.run_until_complete(self._loop.create_server(make, self.host, self.port, ssl=self.tls, backlog=128))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        for transport in tuple(self._transports):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()


class _Http(asyncio.Protocol):
    def __init__(self, upstream: HttpsUpstream) -> None:
        self.upstream = upstream
        self.h2: h2.connection.H2Connection | None = None
        self.buffer = b""
        self.bodies: dict[int, tuple[dict[str, str], bytearray]] = {}

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.peer = transport.get_extra_info("peername")[:2]
        self.upstream.connections += 1
        self.upstream._transports.add(transport)
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            self.h2.initiate_connection()
            self._flush()

    def connection_lost(self, _) -> None:
        self.upstream._transports.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        if self.transport in self.upstream._frozen:
            return
        if self.h2 is None:
            self._receive_http1(data)
            return
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.bodies[event.stream_id] = ({_text(name): _text(value) for name, value in event.headers}, bytearray())
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                headers, body = self.bodies.pop(event.stream_id)
                self._say(Request(headers, bytes(body), "2", self.peer), event.stream_id)
        self._flush()

    def _receive_http1(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, rest = self.buffer.split(b"\r\n\r\n", 1)
            first, *lines = head.decode().split("\r\n")
            headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            headers[":method"], headers[":path"], _ = first.split(" ")
            length = int(headers["content-length"])
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self._say(Request(headers, rest[:length], "1.1", self.peer), 0)

    def _say(self, request: Request, stream: int) -> None:
        if not request.asked.is_pulse:
            self.upstream.requests.append(request)
        say = self.upstream.says(request.asked)
        if say.is_close:
            self.transport.abort()
        elif say.after_s > 0:
            self.upstream._loop.call_later(say.after_s, self._reply, request, stream, say)
        elif not say.after_s:
            self._reply(request, stream, say)

    def _reply(self, request: Request, stream: int, say: HttpsSay) -> None:
        if self.transport.is_closing() or self.transport in self.upstream._frozen:
            return
        body = answer()(request.asked) if say.body is None else say.body
        headers = [*say.headers, ("content-length", str(len(body)))]
        if self.h2 is None:
            lines = [f"HTTP/1.1 {say.status} Whatever", *(f"{name}: {value}" for name, value in headers), "", ""]
            self.transport.write("\r\n".join(lines).encode() + body)
            return
        if stream not in self.h2.streams or self.h2.streams[stream].closed:
            return
        self.h2.send_headers(stream, [(":status", str(say.status)), *headers])
        window = 16_000
        for at in range(0, len(body), window):  # tests stay below the window of a connection
            self.h2.send_data(stream, body[at : at + window])
        self.h2.end_stream(stream)
        self._flush()

    def _flush(self) -> None:
        self.transport.write(self.h2.data_to_send())


def _text(octets: bytes | str) -> str:
    return octets if isinstance(octets, str) else octets.decode()
