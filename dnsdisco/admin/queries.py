"""/v1/queries: the queries as they are answered, for people who look at them. Server-sent events, `query` and `dropped`.

Over TCP a client of another machine is shown as its network, for everybody who reaches the address can look.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import datetime, UTC

from dnsdisco.admin import server_sent, shapes
from dnsdisco.admin.api import Api
from dnsdisco.admin.request import ApiReply, ApiRequest, RequestRefused
from dnsdisco.control.query_log import Looker, QueryFilter, Row
from dnsdisco.errors import ServerError, WireError

TOGETHER = 100  # events that are sent together: a slow client is noticed at the latest after so many
SHOWN = {4: 24, 6: 48}  # bits of an address over TCP, by the version of IP: a network of one site
AGAIN = (b"retry-after", b"1")


async def queries(api: Api, request: ApiRequest) -> ApiReply:
    wanted = QueryFilter(*(request.query[each] for each in QueryFilter._fields))
    if not request.is_owner and wanted.client is not None and _is_narrow(wanted.client):
        raise RequestRefused(403, "single clients of other machines are told apart over the control socket alone")
    if request.method == "HEAD":
        return ApiReply(media_type=server_sent.MEDIA_TYPE)
    request.watch()
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    looker = Looker(lambda: _wake(loop, news))
    try:
        number = await api.control.look(wanted, looker)
    except WireError as error:
        raise RequestRefused(400, str(error)) from None
    except ServerError as error:
        raise RequestRefused(503, str(error), AGAIN) from None
    return ApiReply(
        _told(looker, news, is_owner=request.is_owner),
        media_type=server_sent.MEDIA_TYPE,
        is_stream=True,
        ended=lambda: api.control.look_no_more(number),
    )


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop of the pages has ended
        loop.call_soon_threadsafe(news.set)


async def _told(looker: Looker, news: asyncio.Event, *, is_owner: bool) -> AsyncGenerator[bytes, None]:
    yield server_sent.ALIVE
    while True:
        try:
            await asyncio.wait_for(news.wait(), server_sent.SILENCE_S)
        except TimeoutError:
            yield server_sent.ALIVE
            continue
        news.clear()
        rows: list[Row] | None = None
        while rows is None or rows:
            rows, missed = looker.take(TOGETHER)
            events = [server_sent.event("query", _plain(row, is_owner=is_owner)) for row in rows]
            if missed:
                events.append(server_sent.event("dropped", {"dropped": missed}))
            if events:
                yield b"".join(events)


def _plain(row: Row, *, is_owner: bool) -> shapes.QueryEvent:
    at_ms, client, transport, name, rtype, rcode, source, took_ms, ede = row
    return {
        "time": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "client": client if is_owner else _network(client),
        "transport": transport,
        "name": name,
        "type": rtype,
        "rcode": rcode,
        "source": source,
        "ms": took_ms,
        "ede": [{"code": code, "text": text} for code, text in ede],
    }


def _network(client: str) -> str:
    """What everybody may see of *client*: this machine's own addresses, and the network of another one."""
    address = ipaddress.ip_address(client.partition("%")[0])
    return client if address.is_loopback else str(ipaddress.ip_network((address, SHOWN[address.version]), strict=False))


def _is_narrow(written: str) -> bool:
    """It parts clients that are shown as one network."""
    with suppress(ValueError):
        network = ipaddress.ip_network(written, strict=False)
        return network.prefixlen > SHOWN[network.version] and not network.is_loopback
    return False
