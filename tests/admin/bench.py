"""A control process in the test's own loop, with its HTTP side in a thread, as in the real one; and requests over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from dnsdisco.admin.listener import HttpListener
from dnsdisco.providers.base import ServiceDiscovery
from tests.control.harness import Bench, until, with_bench


class HttpBench(Bench):
    """`url` is where it listens, once it does."""

    http = staticmethod(HttpListener)

    def __init__(self, providers: Mapping[str, ServiceDiscovery], workers: int = 1, **settings: Any) -> None:
        super().__init__(providers, workers, **{"http": "127.0.0.1:0", **settings})

    @property
    def url(self) -> str:
        said = self.log.said("http listening")
        return str(said[-1]["address"]) if said else ""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def get(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        await until(lambda: self.url)
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=5) as client:
            return await client.request(method, path, **more)

    async def status_of(self, path: str) -> int:
        """Of a page, which may have no end."""
        await until(lambda: self.url)
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=5) as client, client.stream("GET", path) as reply:
            return reply.status_code

    async def plain(self, path: str) -> Any:
        """The JSON of a page that is there."""
        reply = await self.get(path)
        assert reply.status_code == 200, reply.text
        assert reply.headers["content-type"] == "application/json"
        return reply.json()

    async def raw(self, *pieces: bytes, pause_s: float = 0.0) -> bytes:
        """All that comes back to these octets until the connection ends."""
        await until(lambda: self.url)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:
            return b""
        finally:
            writer.close()


def with_http(bench: HttpBench, scenario: Callable[[HttpBench], Any], *, fails: bool = False, **more: Any) -> HttpBench:
    """*fails*: a page is meant to."""

    async def ready(_: Bench) -> None:
        await until(lambda: bench.said("ready") and bench.url)
        await scenario(bench)

    with_bench(bench, ready, **more)
    assert bool(bench.log.said("internal error in a page")) is fails
    return bench
