"""The checks of every request before a page gets it, and the headers of every reply. No traceback leaves this file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple
from urllib.parse import unquote

from dnsdisco.admin import json_views, origins, routes
from dnsdisco.admin.api import Api
from dnsdisco.admin.control_client import ControlBusy
from dnsdisco.admin.rate import RequestRate
from dnsdisco.admin.request import ApiReply, ApiRequest, Headers, query_of, RequestRefused
from dnsdisco.admin.routes import ApiRoute

RATE, BURST = 200.0, 100  # requests a second: a hundred scrapers; what comes faster waits, as a tenth of a core is enough for pages
WAIT_S_MAX = 1.0  # for a turn; 429 at once beats a client that gives up
HEAD_OCTETS_MAX = 16 * 1024  # of a request, as others have it (Apache 8 KB a line, nginx 32 KB)
TOO_LONG = 431
HEAD_TOO_LONG = f"the head of the request is longer than {HEAD_OCTETS_MAX} octets"
CLOSE = (b"connection", b"close")
RETRY = (b"retry-after", b"1")
READING = ("GET", "HEAD")
HEADERS = (  # of every reply that has no other value for them
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class RequestHead(NamedTuple):
    """The head of a request, as it came."""

    method: str
    target: str
    headers: Headers


ReadBody = Callable[[int], Awaitable[bytes]]  # given how long it may be; raises RequestRefused


class Gate:
    """The checks of one door. *names*: this machine's names that requests to the TCP address may use, in lower case; None: this is the control socket,
    where the kernel has said who asks, so that no page of another site can."""

    def __init__(self, api: Api, names: Collection[str] | None) -> None:
        self._api, self._names = api, names
        self._rate = RequestRate(RATE, BURST, WAIT_S_MAX)

    async def answer(self, head: RequestHead, body: ReadBody, watch: Callable[[], None]) -> ApiReply:
        """Never raises for what is in a request, or for a fault of a page. *watch*: see ApiRequest."""
        authority, target = origins.target_of(head.target)
        path, _, query = target.partition("?")
        label, found, values = routes.find(unquote(path, errors="replace"))
        try:
            route = await self._admitted(head, authority, label, found)
            octets = await body(route.body_octets_max) if route.body_octets_max else b""
            request = ApiRequest(
                head.method, query_of(query, route.query), values, head.headers, octets, self._names is None, watch
            )
            reply = await route.page(self._api, request)
        except RequestRefused as refusal:
            reply = refused(refusal)
        except ControlBusy:
            reply = refused(RequestRefused(503, "the control process is busy", RETRY))
        except Exception as error:  # noqa: BLE001  its reason is ours, and goes to the log
            self._api.tell(error)
            reply = refused(RequestRefused(500, "a fault of dnsdisco itself; the log has it"))
        self._api.requests[label, reply.status] += 1
        return reply

    async def _admitted(self, head: RequestHead, authority: bytes | None, label: str, found: dict[str, ApiRoute]) -> ApiRoute:
        if self._names is not None:
            await self._take_turn()
        headers = head.headers
        if _octets(head) > HEAD_OCTETS_MAX:
            raise RequestRefused(TOO_LONG, HEAD_TOO_LONG, CLOSE)
        method = "GET" if head.method == "HEAD" else head.method
        route = found.get(method)
        if self._names is not None:
            self._look_at_origin(headers, authority, self._names, takes_any_host=route is not None and route.takes_any_host)
            if route is not None and route.is_private:
                raise RequestRefused(403, "this path is on the control socket only; nothing can be changed here", CLOSE)
        allowed = ", ".join(["GET, HEAD" if each == "GET" else each for each in found] or READING)
        if route is None and (method != "GET" or found):
            raise RequestRefused(
                405, f"{label} is asked by {allowed}" if found else f"only {allowed}", (b"allow", allowed.encode()), CLOSE
            )
        if not (route is not None and route.body_octets_max) and _has_body(headers):
            raise RequestRefused(413, "a request has no body here", CLOSE)
        if route is None:
            raise RequestRefused(404, "no such page; / lists them")
        return route

    async def _take_turn(self) -> None:
        wait_s = self._rate.wait_s(time.monotonic())
        if wait_s is None:
            raise RequestRefused(429, f"more than {RATE:.0f} requests a second", RETRY)
        if wait_s:
            await asyncio.sleep(wait_s)

    def _look_at_origin(self, headers: Headers, authority: bytes | None, names: Collection[str], *, takes_any_host: bool) -> None:
        has_origin = any(name == b"origin" for name, _ in headers)
        if not (takes_any_host and not has_origin) and not origins.is_ours(headers, names, authority):
            raise RequestRefused(
                421, "this server is asked by address, as localhost, by this machine's own name or by one of http_hosts"
            )
        if not origins.is_from_here(headers, names, authority):
            raise RequestRefused(403, "pages of other sites may not ask")


def refused(refusal: RequestRefused) -> ApiReply:
    body = json_views.octets({**json_views.HEAD, "error": refusal.reason, **refusal.more})
    return ApiReply(body, refusal.status, headers=refusal.headers)


def _has_body(headers: Headers) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in headers)


def _octets(head: RequestHead) -> int:
    """The octets of the head as it came: the request line, and each header with its separators."""
    return len(head.method) + len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers)
