"""/v1/events: what is published, as it is published. A client that comes again hears what it has missed, or that it must read all anew."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from dnsdisco.admin import server_sent, shapes
from dnsdisco.admin.api import Api
from dnsdisco.admin.change_log import ChangeLog
from dnsdisco.admin.request import ApiReply, ApiRequest
from dnsdisco.admin.server_sent import MEDIA_TYPE

SERIAL_DIGITS_MAX = 10


async def events(api: Api, request: ApiRequest) -> ApiReply:
    if request.method == "HEAD":
        return ApiReply(media_type=MEDIA_TYPE)
    request.watch()
    last = request.header(b"last-event-id")
    return ApiReply(
        _told(api.changes, api.changes.serial if last is None else _serial(last)), media_type=MEDIA_TYPE, is_stream=True
    )


def _serial(last: bytes) -> int:
    """-1, which no serial is, for what is none."""
    return int(last) if last.isdigit() and len(last) <= SERIAL_DIGITS_MAX else -1


async def _told(changes: ChangeLog, since: int) -> AsyncGenerator[bytes, None]:
    """No queue: a slow client hears later, and then all at once."""
    yield b"id: %d\n\n" % max(since, 0)  # no event: what to say as Last-Event-ID before there was one
    while True:
        news = changes.since(since)
        if news is None:
            yield server_sent.event("reset", {"serial": changes.serial}, changes.serial)
            since = changes.serial
        elif news.serial != since:
            data: shapes.ChangeEvent = {"serial": news.serial, "changed": list(news.changed), "removed": list(news.removed)}
            since = news.serial
            if news.changed or news.removed:
                yield server_sent.event("change", data, news.serial)
        if not await changes.wait(since, server_sent.SILENCE_S):
            yield server_sent.ALIVE
