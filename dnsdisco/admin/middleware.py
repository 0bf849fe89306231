"""What every request has to pass before a page sees it, and what every reply carries. No request gets past here with a traceback."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, MutableMapping
from typing import Any

from dnsdisco.admin import json_views, origins
from dnsdisco.admin.control_client import ControlBusy
from dnsdisco.admin.rate import RequestRate
from dnsdisco.control.log import LoggedReasons, Logger

RATE, BURST = 200.0, 100  # requests a second: a hundred scrapers; what comes faster waits, as a tenth of a core is enough for pages
WAIT_S_MAX = 1.0  # for a turn; 429 at once beats a client that gives up
METHODS = ("GET", "HEAD")
HEAD_OCTETS_MAX = 16 * 1024  # of a request, as others have it (Apache 8 KB a line, nginx 32 KB)
TOO_LONG = 431
HEAD_TOO_LONG = f"the head of the request is longer than {HEAD_OCTETS_MAX} octets"
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]
App = Callable[[Scope, Receive, Send], Any]


class RequestRefused(Exception):
    """Ends a request with that status; *headers* go with it."""

    def __init__(self, status: int, reason: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


class Guard:
    """ASGI, around the pages."""

    def __init__(self, pages: App, route: Callable[[str], str], names: Collection[str], log: Logger) -> None:
        """*route* puts every path into one of a few classes, for `requests`; *names*: this machine's, in lower case."""
        self.requests: Counter[tuple[str, int]] = Counter()  # by class and status
        self._pages, self._route, self._names, self._log = pages, route, names, log
        self._pace = RequestRate(RATE, BURST, WAIT_S_MAX)
        self._told = LoggedReasons()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status = 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        try:
            await self._admit(scope)
            await self._pages(scope, receive, send_guarded)
        except RequestRefused as refusal:
            await _refuse(scope, send_guarded, refusal)
        except ControlBusy:
            await _refuse(scope, send_guarded, RequestRefused(503, "the control process is busy", (b"retry-after", b"1")))
        except Exception as error:
            self._tell(error)
            if status:
                raise  # half a reply: nothing but the end of the connection can say so
            await _refuse(scope, send_guarded, RequestRefused(500, "a fault of dnsdisco itself; the log has it"))
        finally:
            self.requests[self._route(scope["path"]), status] += 1

    async def _admit(self, scope: Scope) -> None:
        wait_s = self._pace.wait_s(time.monotonic())
        if wait_s is None:
            raise RequestRefused(429, f"more than {RATE:.0f} requests a second", (b"retry-after", b"1"))
        if wait_s:
            await asyncio.sleep(wait_s)
        headers = scope["headers"]
        if _head_octets(scope) > HEAD_OCTETS_MAX:
            raise RequestRefused(TOO_LONG, HEAD_TOO_LONG, (b"connection", b"close"))
        authority, scope["path"] = origins.target_of(scope["path"])
        if not origins.is_ours(headers, self._names, authority):
            raise RequestRefused(
                421, "this server is asked by address, as localhost, by this machine's own name or by one of http_hosts"
            )
        if not origins.is_from_here(headers, self._names, authority):
            raise RequestRefused(403, "pages of other sites may not ask")
        if scope["method"] not in METHODS:
            raise RequestRefused(405, "only GET and HEAD: nothing can be changed here", (b"allow", ", ".join(METHODS).encode()))
        if any(name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in headers):
            raise RequestRefused(413, "a request has no body here", (b"connection", b"close"))

    def _tell(self, error: Exception) -> None:
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f"{at.tb_frame.f_code.co_filename.rpartition('/')[2]}:{at.tb_lineno}" if at is not None else "?"
        for kind, reason in self._told.news([(f"{type(error).__name__} at {where}", "")]):
            self._log.error("a fault of ours in a page", reason=f"{kind}: {error}{reason}")


def _head_octets(scope: Scope) -> int:
    """As it came: the request line, and each header with what separates it."""
    line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"])
    return line + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


async def _refuse(scope: Scope, send: Send, refusal: RequestRefused) -> None:
    body = json_views.octets({**json_views.HEAD, "error": refusal.reason})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *refusal.headers]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
