"""The pages. Each is a function of what control knows at the moment; docs/http.md is their contract."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from dnsdisco.admin import json_views, metrics
from dnsdisco.admin.control_client import ControlClient, ControlReader, Figures, PublishedCatalog
from dnsdisco.admin.middleware import App, Guard, Receive, RequestRefused, Scope, Send
from dnsdisco.control.log import Logger

LISTS_MAX = 4  # lists of all services on their way at a time: each is made as it is read, and holds the catalog that it began with
PIECE_OCTETS = 16 * 1024  # about a millisecond's work
REST = 3.0  # for each second's work on lists so many without: 100,000 instances take six seconds, and a quarter of a processor
ONE_SERVICE = "/v1/services/{name}"
PATHS = ("/", "/health", "/ready", "/metrics", "/v1/services", ONE_SERVICE, "/v1/providers")
OTHER = "other"


def make(control: ControlReader, names: Collection[str], version: str, log: Logger) -> App:
    """*names*: this machine's own, in lower case. Of one event loop."""
    pages = Pages(ControlClient(control), version)
    functions = (pages.index, pages.health, pages.ready, pages.metrics, pages.services, pages.service, pages.providers)
    routes = [Route(path, function) for path, function in zip(PATHS, functions, strict=True)]
    guard = Guard(Router(routes, redirect_slashes=False, default=_unknown), route_of, names, log)
    pages.requests = guard.requests
    return guard


def route_of(path: str) -> str:
    """One of PATHS, or OTHER."""
    if path in PATHS:
        return path
    return ONE_SERVICE if path.startswith("/v1/services/") else OTHER


class Pages:
    def __init__(self, known: ControlClient, version: str) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self._known, self._version = known, version
        self._told: Figures | None = None
        self._text = b""
        self._lists = 0
        self._turn = asyncio.Lock()  # to make a piece of a list: most of the time none is made

    async def index(self, request: Request) -> Response:
        return _json({**json_views.HEAD, "name": "dnsdisco", "release": self._version, "paths": list(PATHS[1:])})

    async def health(self, request: Request) -> Response:
        """The process is there. Nothing else is asked, so that no hung backend gets it killed."""
        return _json({**json_views.HEAD, "status": "ok", "release": self._version})

    async def ready(self, request: Request) -> Response:
        plain = json_views.ready(await self._known.view())
        return _json(plain, 200 if plain["ready"] else 503)

    async def metrics(self, request: Request) -> Response:
        figures = await self._known.figures()
        if figures is not self._told:  # else clients that ask within the same moment get the same text
            self._told, self._text = figures, metrics.text(figures, self.requests, self._version)
        return Response(self._text, media_type=metrics.MEDIA_TYPE)

    async def providers(self, request: Request) -> Response:
        return _json(json_views.providers(await self._known.view()))

    async def service(self, request: Request) -> Response:
        view = await self._known.service(request.path_params["name"].removesuffix("."))
        if view is None:
            raise RequestRefused(404, "no such service")
        return _json({**json_views.HEAD, "name": view.name, "service": json_views.service(view)})

    async def services(self, request: Request) -> Response:
        if request.method == "HEAD":
            return _json(None)
        if self._lists >= LISTS_MAX:
            raise RequestRefused(503, f"{LISTS_MAX} lists are being read", (b"retry-after", b"1"))
        self._lists += 1
        try:
            catalog = await self._known.catalog()
        except BaseException:
            self._list_ended()
            raise
        return _Streamed(self._listed(catalog), self._list_ended)

    def _list_ended(self) -> None:
        self._lists -= 1

    async def _listed(self, catalog: PublishedCatalog) -> AsyncGenerator[bytes, None]:
        """In pieces, with a pause after each, so that neither the other readers nor control's own thread wait for all of it."""
        piece = bytearray(json_views.octets({**json_views.HEAD, "serial": catalog.serial, "services": {}})[:-2])
        views = iter(catalog.services)
        is_first = is_more = True
        while is_more:
            async with self._turn:
                began = time.monotonic()
                is_more = False
                for view in views:
                    piece += b"" if is_first else b","
                    piece += json_views.octets(view.name) + b":" + json_views.octets(json_views.service(view))
                    is_first = False
                    if len(piece) >= PIECE_OCTETS:
                        is_more = True
                        break
                await asyncio.sleep(REST * (time.monotonic() - began))
            if is_more:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece + b"}}")


class _Streamed(Response):
    """A body that is made as it is read."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], ended: Callable[[], None]) -> None:
        super().__init__(media_type="application/json")
        del self.headers["content-length"]
        self._pieces, self._ended = pieces, ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            async with aclosing(self._pieces):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for piece in self._pieces:
                    if gone.done():  # send() would not raise
                        return
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self._ended()


async def _gone(receive: Receive) -> None:
    """Serve until no client reads any more."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _json(plain: object, status: int = 200) -> Response:
    return Response(json_views.octets(plain), status, media_type="application/json")


async def _unknown(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RequestRefused(404, "no such page; / lists them")
