"""A small API server that tells the truth until it is told to lie.

It has what the provider asks for: lists in pages, watches that resume, bookmarks, 410, selectors by equality, create, replace and delete
with their conflicts, tokens, and forbidden scopes. `lie` sees every request first and may answer it in any way.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import yaml

KINDS = {"services": "Service", "endpointslices": "EndpointSlice", "endpoints": "Endpoints", "nodes": "Node"}
CLOSE = object()  # what a lie returns after it has written something: end this connection


class Fake:
    """`with Fake() as fake:`; the server is on 127.0.0.1 at `fake.port`."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.lock = threading.Condition()
        self.version = 100
        self.objects: dict[str, dict[tuple[str, str], dict[str, Any]]] = {plural: {} for plural in KINDS}
        self.octets: dict[tuple[str, str, str], bytes] = {}
        self.events: list[tuple[int, str, str, tuple[str, str], bytes]] = []
        self.compacted = 0  # versions up to this one are forgotten
        self.tokens: set[str] = {"good"}
        self.forbidden: Callable[[Request], bool] = lambda request: False
        self.missing: set[str] = set()  # plurals that this server does not have
        self.lie: Callable[[Request], object] = lambda request: None
        self.requests: list[Request] = []
        self.frozen = threading.Event()  # no octet leaves while it is set
        self.uids = itertools.count(1)
        self.bookmarks = False
        self.is_stopping = False
        self.watches_ended = 0
        self.connections: set[Any] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.is_stopping = False
        self.server = _Server(("127.0.0.1", self.port), _Handler)
        self.server.fake = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.005,), daemon=True).start()

    def stop(self) -> None:
        """As kill -9 would: every connection breaks."""
        self.is_stopping = True
        self.frozen.clear()
        self.server.shutdown()
        self.server.server_close()
        self.break_connections()

    def break_connections(self) -> None:
        with self.lock:
            connections, self.connections = self.connections, set()
            self.lock.notify_all()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def end_watches(self) -> None:
        """As if the time of all of them had come."""
        with self.lock:
            self.watches_ended += 1
            self.lock.notify_all()

    def wait_for_watches(self, number: int, within_s: float = 5.0) -> None:
        until = time.monotonic() + within_s
        while sum(request.is_watch for request in self.requests) < number:
            assert time.monotonic() < until, "nobody watches"
            time.sleep(0.005)

    def put(self, *objects: dict[str, Any]) -> None:
        with self.lock:
            for item in objects:
                self._put(item)
            self.lock.notify_all()

    def differs(self, item: dict[str, Any]) -> bool:
        """From what the server has under its name."""
        metadata = item["metadata"]
        known = self.objects[_plural(item["kind"])].get((metadata.get("namespace") or "", metadata["name"]))
        return known is None or any(known.get(key) != item[key] for key in item if key != "metadata")

    def delete(self, kind: str, namespace: str, name: str) -> None:
        plural = _plural(kind)
        with self.lock:
            item = self.objects[plural].pop((namespace, name))
            self._record("DELETED", plural, (namespace, name), item)
            self.lock.notify_all()

    def clear(self) -> None:
        """A server whose data are lost: nothing there, versions begin anew."""
        with self.lock:
            for objects in self.objects.values():
                objects.clear()
            self.octets.clear()
            self.events.clear()
            self.version, self.compacted = 1, 0

    def compact(self) -> None:
        with self.lock:
            self.compacted = self.version
            self.events.clear()

    def kubeconfig(self, folder: Any, token: str = "good", name: str = "kubeconfig") -> str:
        path = folder / name
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "fake",
                    "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
                    "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
                    "users": [{"name": "me", "user": {"token": token}}],
                }
            )
        )
        return str(path)

    def _put(self, item: dict[str, Any]) -> dict[str, Any]:
        plural = _plural(item["kind"])
        metadata = item.setdefault("metadata", {})
        key = metadata.get("namespace") or "", metadata["name"]
        old = self.objects[plural].get(key)
        metadata.setdefault("uid", old["metadata"]["uid"] if old else f"uid-{next(self.uids)}")
        self.objects[plural][key] = item
        self._record("MODIFIED" if old else "ADDED", plural, key, item)
        return item

    def _record(self, kind: str, plural: str, key: tuple[str, str], item: dict[str, Any]) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        octets = json.dumps(item).encode()
        self.octets[plural, *key] = octets
        self.events.append((self.version, plural, kind, key, octets))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    fake: Fake

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what this server is for."""


class Request:
    """One request as it came."""

    def __init__(self, handler: _Handler) -> None:
        url = urlsplit(handler.path)
        self.handler, self.method, self.path = handler, handler.command, url.path
        self.query = dict(parse_qsl(url.query))
        self.token = handler.headers.get("Authorization", "").removeprefix("Bearer ").removeprefix("bearer ").strip()
        self.at = time.monotonic()
        self.ended = 0  # how often watches were ended before this one
        parts = [part for part in url.path.split("/") if part]
        self.namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
        found = next((at for at, part in enumerate(parts) if part in KINDS), None)
        self.plural = parts[found] if found is not None else ""
        self.name = parts[found + 1] if found is not None and len(parts) > found + 1 else ""
        length = int(handler.headers.get("Content-Length") or 0)
        self.body = json.loads(handler.rfile.read(length)) if length else None

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") in ("1", "true")

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and bool(self.plural) and not self.name and not self.is_watch

    def answer(self, code: int, body: object, content_type: str = "application/json", **headers: str) -> object:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.handler.send_response(code)
        self.handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Content-Length", str(len(octets)))
        self.handler.end_headers()
        self.handler.wfile.write(octets)
        return self

    def refuse(self, code: int, reason: str, message: str = "", **headers: str) -> object:
        status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message or reason}
        return self.answer(code, status, **headers)

    def begin_stream(self) -> None:
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", "application/json")
        self.handler.send_header("Transfer-Encoding", "chunked")
        self.handler.end_headers()

    def send(self, octets: bytes) -> None:
        self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(octets), octets))

    def event(self, kind: str, item: object) -> None:
        self.send(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def end_stream(self) -> object:
        self.handler.wfile.write(b"0\r\n\r\n")
        return self


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None: ...

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        with self.server.fake.lock:
            self.server.fake.connections.add(self.connection)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        with self.server.fake.lock:
            self.server.fake.connections.discard(self.connection)

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        fake = self.server.fake
        ended = fake.watches_ended  # before anybody can know of the request
        request = Request(self)
        request.ended = ended
        fake.requests.append(request)
        while fake.frozen.is_set():
            time.sleep(0.01)
        try:
            lied = fake.lie(request)
            if lied is CLOSE:
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(SHUT_RDWR)
            elif lied is None:
                self._tell(fake, request)
        except OSError:
            self.close_connection = True

    def _tell(self, fake: Fake, request: Request) -> None:
        if request.path == "/version":
            request.answer(200, {"major": "1", "minor": "37"})
        elif request.token not in fake.tokens:
            request.refuse(401, "Unauthorized")
        elif not request.plural or request.plural in fake.missing:
            request.refuse(404, "NotFound", "the server could not find the requested resource")
        elif fake.forbidden(request):
            where = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
            request.refuse(
                403, "Forbidden", f'{request.plural} is forbidden: User "me" cannot list resource "{request.plural}" {where}'
            )
        elif request.is_watch:
            _watch(fake, request)
        elif request.method != "GET" or request.name:
            _one(fake, request)
        else:
            _list(fake, request)


def _one(fake: Fake, request: Request) -> None:
    """get, create, replace, delete."""
    with fake.lock:
        objects = fake.objects[request.plural]
        if request.method == "POST":
            key = request.namespace, request.body["metadata"]["name"]
            if key in objects:
                request.refuse(409, "AlreadyExists", f'{request.plural} "{key[1]}" already exists')
            else:
                request.body["metadata"].pop("resourceVersion", None)
                request.answer(201, fake._put(request.body))
        elif (found := objects.get((request.namespace, request.name))) is None:
            request.refuse(404, "NotFound", f'{request.plural} "{request.name}" not found')
        elif request.method == "GET":
            request.answer(200, found)
        elif request.method == "PUT":
            if request.body["metadata"].get("resourceVersion") not in (None, found["metadata"]["resourceVersion"]):
                request.refuse(409, "Conflict")
            else:
                request.answer(200, fake._put(request.body))
        elif ((request.body or {}).get("preconditions") or {}).get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            request.refuse(409, "Conflict")
        else:
            del objects[request.namespace, request.name]
            fake._record("DELETED", request.plural, (request.namespace, request.name), found)
            request.answer(200, {"kind": "Status", "status": "Success"})
        fake.lock.notify_all()


def _list(fake: Fake, request: Request) -> None:
    with fake.lock:
        start, version = 0, str(fake.version)
        if request.query.get("continue"):
            start, version = json.loads(request.query["continue"])
            if int(version) < fake.compacted:
                request.refuse(410, "Expired", "The provided continue parameter is too old")
                return
        chosen = [key for key, item in fake.objects[request.plural].items() if _is_selected(request, key, item)]
        limit = int(request.query.get("limit") or 0) or len(chosen)
        page = [fake.octets[request.plural, *key] for key in chosen[start : start + limit]]
        metadata = {"resourceVersion": version}
        if start + limit < len(chosen):
            metadata["continue"] = json.dumps([start + limit, version])
    head = f'{{"kind": "{KINDS[request.plural]}List", "metadata": {json.dumps(metadata)}, "items": '.encode()
    request.answer(200, head + (b"[" + b",".join(page) + b"]" if page else b"null") + b"}")


def _watch(fake: Fake, request: Request) -> None:
    version = int(request.query.get("resourceVersion") or 0)
    if version < fake.compacted:
        request.begin_stream()
        request.event(
            "ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": f"too old resource version: {version}"}
        )
        request.end_stream()
        return
    until = time.monotonic() + float(request.query.get("timeoutSeconds") or 60)
    request.begin_stream()
    request.handler.wfile.flush()
    with fake.lock:
        at = next((place for place, event in enumerate(fake.events) if event[0] > version), len(fake.events))
    while not fake.is_stopping and request.handler.connection in fake.connections:
        with fake.lock:
            if at > len(fake.events):  # compacted meanwhile: what was sent was sent
                at = 0
            if at == len(fake.events):
                left_s = until - time.monotonic()
                if left_s <= 0 or fake.watches_ended > request.ended:
                    break
                fake.lock.wait(min(left_s, 0.5))
            events, at = fake.events[at:], len(fake.events)
        while fake.frozen.is_set():
            time.sleep(0.01)
        for event in events:
            _send_event(fake, request, event)
    else:
        request.handler.close_connection = True
        return
    if fake.bookmarks:
        request.event("BOOKMARK", {"kind": KINDS[request.plural], "metadata": {"resourceVersion": str(fake.version)}})
    request.end_stream()


def _send_event(fake: Fake, request: Request, event: tuple[int, str, str, tuple[str, str], bytes]) -> None:
    _, plural, kind, key, octets = event
    if plural != request.plural or (request.namespace and key[0] != request.namespace):
        return
    if not _is_selected(request, key, json.loads(octets)) if request.query.get("labelSelector") else False:
        kind = "DELETED"
    request.send(b'{"type":"%s","object":%s}\n' % (kind.encode(), octets))


def _is_selected(request: Request, key: tuple[str, str], item: dict[str, Any]) -> bool:
    if request.namespace and key[0] != request.namespace:
        return False
    labels = item["metadata"].get("labels") or {}
    return _matches(request.query.get("labelSelector"), labels) and _matches(
        request.query.get("fieldSelector"), {"metadata.name": key[1]}
    )


def _matches(selector: str | None, values: dict[str, str]) -> bool:
    pairs: Iterable[str] = selector.split(",") if selector else ()
    return all(values.get(name) == value for name, _, value in (pair.partition("=") for pair in pairs))


def _plural(kind: str) -> str:
    return next(plural for plural, each in KINDS.items() if kind in (each, plural))
