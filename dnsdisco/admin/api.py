"""The parts that the pages share: questions to control, the latest changes, and the number of long replies on their way. Of one event loop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from dnsdisco.admin import json_views
from dnsdisco.admin.change_log import ChangeLog
from dnsdisco.admin.control_client import ControlClient, ControlLoop, PublishedCatalog
from dnsdisco.admin.metrics import MetricsText
from dnsdisco.admin.request import ApiReply, RequestRefused
from dnsdisco.control.log import LoggedReasons, Logger

LISTS_MAX = 4  # lists of all services on their way at a time: each is made as it is read, and holds the catalog that it began with
PIECE_OCTETS = 16 * 1024  # about a millisecond's work
REST = 3.0  # for each second's work on lists so many without: 100,000 instances take six seconds, and a quarter of a processor
INDEX = b"x-dnsdisco-index"  # of a reply: the serial that it is of, or a later one's


class Api:
    def __init__(self, control: ControlLoop, version: str, serial: int, log: Logger) -> None:
        """*serial*: that of what is published; later ones come by `changes.take()`."""
        self.control = ControlClient(control)
        self.version = version
        self.changes = ChangeLog(serial)
        self.requests: Counter[tuple[str, int]] = Counter()  # by path of the route, or OTHER, and status
        self.events: Counter[str] = Counter()  # what became of connections, by a word for each
        self.metrics = MetricsText(self.requests, self.events, version)
        self._log = log
        self._logged = LoggedReasons()
        self._lists = 0
        self._turn = asyncio.Lock()  # to make a piece of a list: most of the time none is made

    def tell(self, error: Exception) -> None:
        """A page has a fault: one line with its place, once."""
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f"{at.tb_frame.f_code.co_filename.rpartition('/')[2]}:{at.tb_lineno}" if at is not None else "?"
        for kind, reason in self._logged.news([(f"{type(error).__name__} at {where}", "")]):
            self._log.error("internal error in a page", reason=f"{kind}: {error}{reason}")

    async def catalog(self, serial: int = 0) -> PublishedCatalog:
        """Every published service, as of *serial* or later."""
        catalog = await self.control.catalog()
        if catalog.serial < serial:
            self.control.forget_catalog()
            catalog = await self.control.catalog()
        return catalog

    async def listed(
        self, parts: Callable[[PublishedCatalog], Iterable[bytes]], serial: int = 0, *headers: tuple[bytes, bytes]
    ) -> ApiReply:
        """A reply that is made as it is read, of *parts* of the whole catalog; few of them at a time."""
        if self._lists >= LISTS_MAX:
            raise RequestRefused(503, f"{LISTS_MAX} lists are being read", (b"retry-after", b"1"))
        self._lists += 1
        try:
            catalog = await self.catalog(serial)
        except BaseException:
            self._list_ended()
            raise
        return ApiReply(self._in_pieces(parts(catalog)), headers=headers, ended=self._list_ended)

    def _list_ended(self) -> None:
        self._lists -= 1

    async def _in_pieces(self, parts: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
        """The pieces of a long reply, with a pause after each, so that other readers and control's own thread need not wait for all of it."""
        source = iter(parts)
        piece = bytearray()
        is_more = True
        while is_more:
            async with self._turn:
                began = time.monotonic()
                is_more = False
                for part in source:
                    piece += part
                    if len(piece) >= PIECE_OCTETS:
                        is_more = True
                        break
                await asyncio.sleep(REST * (time.monotonic() - began))
            yield bytes(piece)
            piece.clear()


def json_reply(plain: Mapping[str, object], status: int = 200, *headers: tuple[bytes, bytes]) -> ApiReply:
    return ApiReply(json_views.octets(plain), status, headers=headers)


def items(opening: bytes, each: Iterable[bytes], closing: bytes) -> Iterable[bytes]:
    """The parts of a JSON list or object, with its commas."""
    yield opening
    is_first = True
    for item in each:
        yield item if is_first else b"," + item
        is_first = False
    yield closing
