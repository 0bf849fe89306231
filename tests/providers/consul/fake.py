"""A Consul agent that lies on command: hangs, cuts, trickles, redirects, denies, forgets, and limits connections.

    with FakeConsul() as consul:
        consul.catalog.put("web", address="10.0.0.1", port=80)
        consul.lie("/v1/catalog/services", status(500, "No cluster leader"))

`python -m tests.providers.consul.fake SERVICES INSTANCES NODES` runs one in a process of its own, for measurements.
"""

# ruff: noqa: A001  `id` is what Consul calls it

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote

from tests.providers.consul.fake_catalog import FakeCatalog

NODE = "n1"  # the agent's own


class Request(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class _Wait(NamedTuple):
    sock: socket.socket
    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    wait_s: float


class Lie(NamedTuple):
    """`act` gets the connection and the true answer; it returns whether the connection may stay open."""

    prefix: str
    act: Callable[[socket.socket, bytes], bool]
    times: int
    is_blocking: bool | None


class FakeConsul:
    """`connections`: open now; `most`: ever at once. `requests`: every one that came in."""

    def __init__(self, catalog: FakeCatalog | None = None, *, limit: int = 0, limit_resets: bool = False, port: int = 0) -> None:
        """*limit*: connections at once; beyond, a 429, or with *limit_resets* a reset, as before Consul 1.9."""
        self.catalog = catalog or FakeCatalog()
        self.requests: list[Request] = []
        self.token: str | None = None  # that may read everything; another one is unknown (403), none may see nothing
        self.filters = False  # say that ACLs have hidden something
        self.has_index = True
        self.notices_s: float | None = 0.05  # after which it sees that a client of a blocking query has gone; None: when that ends
        self.connections = self.most = self.accepted = 0
        self._limit, self._limit_resets = limit, limit_resets
        self._lies: list[Lie] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = port
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def kill(self) -> None:
        """As kill -9: nobody listens, and every connection is reset."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for sock in self._open:
                _reset(sock)

    def lie(
        self, prefix: str, act: Callable[[socket.socket, bytes], bool], times: int = 1_000_000, *, is_blocking: bool | None = None
    ) -> None:
        """Instead of the true answer to paths that begin with *prefix*, the next *times*. *is_blocking*: only to such queries, or not."""
        self._lies.append(Lie(prefix, act, times, is_blocking))

    def be_honest(self) -> None:
        self._lies.clear()

    def asked(self, prefix: str) -> list[Request]:
        return [request for request in list(self.requests) if request.path.startswith(prefix)]

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(sock)
                self.accepted += 1
                self.connections += 1
                self.most = max(self.most, self.connections)
                is_over = bool(self._limit) and self.connections > self._limit
            threading.Thread(target=self._serve, args=(sock, is_over), daemon=True).start()

    def _serve(self, sock: socket.socket, is_over: bool) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray()
        try:
            if is_over:
                if not self._limit_resets:
                    sock.sendall(answer(429, b"Your IP is issuing too many concurrent connections", more="Connection: close\r\n"))
                return
            while (request := _read(sock, buffer)) is not None:
                self.requests.append(request)
                lie = self._lie_for(request)
                if lie is not None and lie.act in _AT_ONCE:
                    if not lie.act(sock, b""):
                        return
                    continue
                true = self._answer(request, sock)
                lie = lie or self._lie_for(request)
                if lie is None:
                    sock.sendall(true)
                elif not lie.act(sock, true):
                    return
        except OSError:
            return
        finally:
            with self._lock:
                self._open.discard(sock)
                self.connections -= 1
            if is_over and self._limit_resets:
                _reset(sock)
            sock.close()

    def _lie_for(self, request: Request) -> Lie | None:
        for at, lie in enumerate(self._lies):
            is_meant = lie.is_blocking in (None, "index" in request.query)
            if request.path.startswith(lie.prefix) and lie.times > 0 and is_meant:
                self._lies[at] = lie._replace(times=lie.times - 1)
                return lie
        return None

    def _answer(self, request: Request, sock: socket.socket) -> bytes:
        """What an honest agent says. Blocks as it does."""
        token = request.headers.get("x-consul-token") or request.query.get("token")
        if self.token is not None and token is not None and token != self.token:
            return answer(403, b"ACL not found", index=1)
        sees = self.token is None or token == self.token
        catalog, path = self.catalog, request.path
        wait = _Wait(sock, int(request.query.get("index") or 0), _seconds(request.query.get("wait", "5m")))
        match path.split("/")[2:]:
            case ["catalog", "services"]:
                return self._blocking(lambda: catalog.list_index, wait, lambda: catalog.list_body() if sees else b"{}")
            case ["health", "service", *parts]:
                name = "/".join(parts)
                return self._blocking(
                    lambda: catalog.service_index(name), wait, lambda: catalog.health_body(name) if sees else b"[]"
                )
            case ["health", "state", "any"]:
                assert request.query["filter"] == 'Status != "passing"'
                return self._blocking(lambda: catalog.checks_index, wait, catalog.failing_body)
            case ["catalog", "nodes"]:
                return self._ok(catalog.nodes_body())
            case ["catalog", "node-services", node]:
                return self._ok(catalog.node_body(node))
            case ["agent", *rest]:
                return self._agent(request, rest) if sees else answer(403, b"Permission denied", index=1)
            case ["status", "leader"]:
                return self._ok(b'"127.0.0.1:8300"')
        return answer(404, b"Invalid URL path")

    def _blocking(self, index_of: Callable[[], int], wait: _Wait, body: Callable[[], bytes]) -> bytes:
        ends_at = time.monotonic() + wait.wait_s
        while wait.index > 0 and (left_s := ends_at - time.monotonic()) > 0:
            if self.catalog.wait(index_of, wait.index, min(left_s, self.notices_s or left_s)):
                break
            if self.notices_s is not None and _has_gone(wait.sock):
                raise ConnectionResetError
        now = index_of()  # before the body: a change in between makes the next query return at once
        return self._ok(body(), now)

    def _ok(self, body: bytes, index: int = 0) -> bytes:
        more = "X-Consul-Results-Filtered-By-ACLs: true\r\n" if self.filters else ""
        return answer(200, body, index=index if self.has_index else 0, more=more)

    def _agent(self, request: Request, rest: list[str]) -> bytes:
        catalog = self.catalog
        match request.method, rest:
            case "GET", ["self"]:
                return answer(200, b'{"Config": {"NodeName": "n1", "Datacenter": "dc1"}}')
            case "GET", ["services"]:
                return answer(200, json.dumps({id: entry["service"] for id, entry in catalog.of_node(NODE).items()}).encode())
            case "GET", ["service", id]:
                entry = catalog.of_node(NODE).get(id)
                return answer(200, json.dumps(entry["service"]).encode()) if entry else answer(404, b"unknown service ID")
            case "PUT", ["service", "register"]:
                data = json.loads(request.body)
                if data.get("Weights", {}).get("Passing") == 0:
                    return answer(400, b"Invalid Weights")
                for name in [name for name, entries in catalog.instances.items() if (NODE, data["ID"]) in entries]:
                    catalog.remove(name, data["ID"])
                fields = {key.lower(): value for key, value in data.items() if key not in {"Name", "ID", "Check", "Port"}}
                check = data.get("Check")
                status = check.get("Status", "critical") if check else None
                catalog.put(data["Name"], id=data["ID"], status=status, port=data.get("Port", 0), **fields)
                return answer(200, b"")
            case "PUT", ["service", "deregister", id]:
                for name in list(catalog.instances):
                    catalog.remove(name, id)
                return answer(200, b"")
            case "PUT", ["check", verb, check]:
                id = check.removeprefix("service:")
                name = catalog.of_node(NODE)[id]["service"]["Service"]
                catalog.check(name, {"pass": "passing", "warn": "warning", "fail": "critical"}[verb], id)
                return answer(200, b"")
            case "PUT", ["service", "maintenance", id]:
                name = catalog.of_node(NODE)[id]["service"]["Service"]
                status = "critical" if request.query["enable"] == "true" else "passing"
                catalog.check(name, status, id, check=f"_service_maintenance:{id}")
                return answer(200, b"")
        return answer(404, b"Invalid URL path")


def answer(status: int, body: bytes, *, index: int = 0, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}"
    return (head + (f"X-Consul-Index: {index}\r\n" if index else "") + "\r\n").encode() + body


# Lies. Each gets the connection and the true answer.


def status(code: int, body: str = "", more: str = "") -> Callable[[socket.socket, bytes], bool]:
    """An error instead; errors of Consul say that the index is 1."""

    def act(sock: socket.socket, true: bytes) -> bool:
        sock.sendall(answer(code, body.encode(), index=1, more=more))
        return True

    return at_once(act)


def body(text: str | bytes, index: int = 12) -> Callable[[socket.socket, bytes], bool]:
    """200 with that."""
    octets = text.encode() if isinstance(text, str) else text
    return lambda sock, true: sock.sendall(answer(200, octets, index=index)) is None


def octets(raw: bytes, *, keeps: bool = False) -> Callable[[socket.socket, bytes], bool]:
    """These, whatever they are."""
    return lambda sock, true: sock.sendall(raw) is None and keeps


def cut(share: float = 0.5) -> Callable[[socket.socket, bytes], bool]:
    """The first part of the true answer, and the end of the connection."""
    return lambda sock, true: sock.sendall(true[: int(len(true) * share)]) is not None


def hang(share: float = 0.0) -> Callable[[socket.socket, bytes], bool]:
    """The first part, and silence until the client goes."""

    def act(sock: socket.socket, true: bytes) -> bool:
        sock.sendall(true[: int(len(true) * share)])
        sock.recv(1)
        return False

    return act if share else at_once(act)


def trickle(pause_s: float = 0.05) -> Callable[[socket.socket, bytes], bool]:
    """One octet after another."""

    def act(sock: socket.socket, true: bytes) -> bool:
        for at in range(len(true)):
            sock.sendall(true[at : at + 1])
            time.sleep(pause_s)
        return True

    return act


def late(pause_s: float) -> Callable[[socket.socket, bytes], bool]:
    def act(sock: socket.socket, true: bytes) -> bool:
        time.sleep(pause_s)
        sock.sendall(true)
        return True

    return act


def reset(sock: socket.socket, true: bytes) -> bool:
    _reset(sock)
    return False


_AT_ONCE: set[Any] = {reset}  # lies that are not worth waiting for


def at_once(act: Callable[[socket.socket, bytes], bool]) -> Callable[[socket.socket, bytes], bool]:
    _AT_ONCE.add(act)
    return act


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)


def _has_gone(sock: socket.socket) -> bool:
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def _read(sock: socket.socket, buffer: bytearray) -> Request | None:
    while b"\r\n\r\n" not in buffer:
        part = sock.recv(65536)
        if not part:
            return None
        buffer += part
    head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length") or 0)
    while len(rest) < length:
        rest += sock.recv(65536)
    buffer[:] = rest[length:]
    path, _, query = target.partition("?")
    return Request(method, unquote(path), dict(parse_qsl(query, keep_blank_values=True)), headers, rest[:length])


def _seconds(text: str) -> float:
    for unit, seconds in (("ms", 1e-3), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * seconds
    raise ValueError(text)


if __name__ == "__main__":
    whole = FakeCatalog()
    whole.fill(*(int(number) for number in sys.argv[1:4]))
    for filled in list(whole.instances):
        whole.health_body(filled)  # as an agent has them ready; writing JSON is not what is measured
    server = FakeConsul(whole)
    server.notices_s = 1.0
    print(server.port, flush=True)
    for line in sys.stdin:  # NAME STATUS: flip a check; `connections`: how many there have been at once
        match line.split():
            case ["connections"]:
                print(server.most, server.connections, flush=True)
            case [name, word]:
                whole.check(name, word, f"{name}-0", next(iter(whole.instances[name]))[0])
                print("done", flush=True)
