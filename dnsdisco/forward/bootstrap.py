"""The address of an upstream that was written by name (`https://dns.example/dns-query`), asked of the upstreams that were written by address.

Their answer is trusted only so far: the certificate of the server at that address must name the host.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Sequence

from dnsdisco.errors import UpstreamError, WireError
from dnsdisco.forward.context import Context
from dnsdisco.forward.exchange import Exchange, Result
from dnsdisco.forward.upstream import Upstream
from dnsdisco.wire import name, parse
from dnsdisco.wire.constants import A, AAAA, IN, RD

ADDRESSES_MAX = 8  # tried one after another; a service with more has them for load, not for us


class Bootstrap:
    """Event loop only. *upstreams*: those that may be asked."""

    def __init__(self, context: Context, upstreams: Callable[[], Sequence[Upstream]]) -> None:
        self._context, self._upstreams = context, upstreams
        self._asking: set[Exchange] = set()

    async def resolve(self, host: str) -> list[str]:
        """Its addresses, IPv4 first. Raises OSError or UpstreamError with the reason when there are none."""
        upstreams = self._upstreams()
        if not upstreams:
            raise OSError("no upstream is written by its address; give one, or write https://ADDRESS/PATH#NAME")
        found = await asyncio.gather(*(self._ask(host, rtype, upstreams) for rtype in (A, AAAA)), return_exceptions=True)
        addresses = [address for each in found if isinstance(each, list) for address in each]
        if addresses:
            return addresses[:ADDRESSES_MAX]
        raise OSError(next((str(each) for each in found if isinstance(each, BaseException)), "it has no address"))

    async def _ask(self, host: str, rtype: int, upstreams: Sequence[Upstream]) -> list[str]:
        future: asyncio.Future[bytes] = self._context.loop.create_future()

        def done(exchange: Exchange, result: Result) -> None:
            self._asking.discard(exchange)
            if future.done():
                return
            if isinstance(result, UpstreamError):
                future.set_exception(result)
            else:
                future.set_result(result)

        question = name.from_text(host) + rtype.to_bytes(2, "big") + IN.to_bytes(2, "big")
        exchange = Exchange(question, RD, False, upstreams, self._context, done)
        self._asking.add(exchange)
        exchange.begin()
        try:
            _, records = parse.answer_records(await future)
            return [str(ipaddress.ip_address(record.rdata)) for record in records if record.rtype == rtype]
        except (WireError, ValueError) as error:
            raise OSError(str(error)) from None

    def close(self) -> None:
        for exchange in tuple(self._asking):
            exchange.abandon(UpstreamError("upstreams", "closed", "shutting down"))
