"""DNS over HTTPS to one upstream (RFC 8484): POST, HTTP/2 where the server has it, the connection kept, the certificate verified always.

The HTTP is httpx's (extra `doh`), used below its client: no cookies, no redirects, no proxies of the environment, no headers but those of
RFC 8484 §4.1. It is imported in a thread, and only when such an upstream is to be asked: queries are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, TYPE_CHECKING

from dnsdisco import sockaddr
from dnsdisco.errors import UpstreamError
from dnsdisco.forward.context import Context
from dnsdisco.wire.query import HEADER_OCTETS
from dnsdisco.written.addresses import is_ip
from dnsdisco.written.endpoints import HTTPS_PORT, UpstreamAddress

if TYPE_CHECKING:
    import httpx


MEDIA_TYPE = "application/dns-message"
UNKNOWN_S = 1.0  # between two attempts to resolve a host that could not be
REPLY_OCTETS_MAX = 65_535  # RFC 8484 §6: a DNS message, with or without HTTP around it
INSTALL = "DNS over HTTPS needs HTTP/2: pip install 'dnsdisco[doh]'"

Resolve = Callable[[str], Awaitable[list[str]]]  # a host's addresses, of another upstream; raises OSError or UpstreamError


def is_installed() -> bool:
    return find_spec("httpx") is not None and find_spec("h2") is not None


class HttpsFault(Exception):  # what goes wrong on the way, never beyond this file
    """*kind*: of UpstreamError."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


class Asker(Protocol):
    """Who asks, and is told once what came of it."""

    query: bytes

    def on_message(self, message: bytes) -> None: ...
    def on_fault(self, kind: str, reason: str) -> None: ...


class HttpsPool:
    """All that is kept for one upstream. ask() may be called as often as `ForwardLimits.https_pending` at once."""

    def __init__(self, address: UpstreamAddress, context: Context, resolve: Resolve) -> None:
        self.address, self.context = address, context
        self.in_flight = 0
        self._resolve = resolve
        self._hosts: list[str] = []  # addresses that have not failed
        self._hosts_until = self._unknown_until = float("-inf")
        self._unknown = ""
        self._resolving = asyncio.Lock()
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def ask(self, asker: Asker) -> bool:
        """Ask in a task of its own. False: as many as may be are on their way."""
        if self.in_flight >= self.context.limits.https_pending or self._is_closed:
            self.context.statistics.streams_full += 1
            return False
        self.in_flight += 1
        self.context.statistics.sent_stream += 1
        task = self.context.loop.create_task(self._run(asker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _run(self, asker: Asker) -> None:
        try:
            async with asyncio.timeout(2 * self.context.limits.deadline_s):  # a server that drips keeps no place for ever
                reply = await self._reply(asker.query)
        except TimeoutError:
            asker.on_fault("timeout", "no whole reply over HTTPS in time")
        except HttpsFault as fault:
            asker.on_fault(fault.kind, fault.reason)
        except Exception as error:  # noqa: BLE001  # a fault of the library's: this one upstream has failed
            asker.on_fault("closed", f"{type(error).__name__}: {error}")
        else:
            asker.on_message(reply)
        finally:
            self.in_flight -= 1

    async def _reply(self, query: bytes) -> bytes:
        if self._transport is None:
            await self._open()
        import httpx  # noqa: PLC0415  # as above

        fault = HttpsFault("refused", f"{self.address.host} has no address")
        for is_last in (False, True):
            hosts = await self._addresses()
            for host in tuple(hosts):
                try:
                    reply = await self._post(host, query)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    if host in hosts:
                        hosts.remove(host)  # the next address, and when there is none any more all of them anew
                    fault = HttpsFault("refused", _why(error))
                except httpx.TimeoutException:
                    raise HttpsFault("timeout", "no reply over HTTPS in time") from None
                except (httpx.HTTPError, OSError) as error:
                    fault = HttpsFault("closed", _why(error))
                    break  # a kept connection may have been closed just as we asked (RFC 7766 §6.2.4): once more, on another
                else:
                    return reply
            if is_last or fault.kind == "refused":
                break
        raise fault

    async def _post(self, host: str, query: bytes) -> bytes:
        import httpx  # noqa: PLC0415  # as above

        address, limits = self.address, self.context.limits
        name = address.name or sockaddr.without_scope(address.host)
        shown = f"[{name}]" if ":" in name else name
        port = "" if address.port == HTTPS_PORT else f":{address.port}"
        timeout = {"connect": limits.connect_s, "read": limits.deadline_s, "write": limits.deadline_s, "pool": limits.deadline_s}
        extensions: dict[str, object] = {"timeout": timeout, "sni_hostname": name}
        request = httpx.Request(
            "POST",
            httpx.URL(scheme="https", host=host, port=address.port, raw_path=address.path.encode("ascii")),
            headers=[("host", shown + port), ("content-type", MEDIA_TYPE), ("accept", MEDIA_TYPE)],
            content=query,
            extensions=extensions,
        )
        assert self._transport is not None
        response = await self._transport.handle_async_request(request)
        try:
            if response.status_code != 200:  # RFC 8484 §4.2.1: a DNS error is a 200, too
                raise HttpsFault("refused", f"HTTP status {response.status_code}")
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != MEDIA_TYPE:
                raise HttpsFault("malformed", f"content-type {kind[:40]!r} instead of {MEDIA_TYPE}")
            body = bytearray()
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async for piece in response.stream:
                body += piece
                if len(body) > REPLY_OCTETS_MAX:
                    raise HttpsFault("malformed", f"more than {REPLY_OCTETS_MAX} octets")
        finally:
            await response.aclose()
        if len(body) < HEADER_OCTETS:
            raise HttpsFault("malformed", f"{len(body)} octets are no DNS message")
        return bytes(body)

    async def _addresses(self) -> list[str]:
        """Where to connect to. Raises HttpsFault."""
        host = self.address.host
        if is_ip(host):
            return [host]
        async with self._resolving:  # one asks, for all
            now = self.context.now()
            if (now >= self._hosts_until or not self._hosts) and now >= self._unknown_until:
                try:
                    self._hosts = await self._resolve(host)
                    self._hosts_until = now + self.context.limits.https_host_s
                except (OSError, UpstreamError) as error:
                    self._unknown, self._unknown_until = f"{host} cannot be resolved: {error}", self.context.now() + UNKNOWN_S
        if not self._hosts:
            raise HttpsFault("refused", self._unknown)
        return self._hosts

    async def _open(self) -> None:
        """Make the transport, which is to be had for all who wait for it."""
        try:
            for module in ("httpx", "h2.connection"):
                await asyncio.to_thread(import_module, module)
            import httpx  # noqa: PLC0415  # by now it costs nothing
        except ImportError:
            raise HttpsFault("refused", INSTALL) from None
        if self._transport is None:
            limits = self.context.limits
            tls = ssl.create_default_context()  # verifies against the system's authorities (and SSL_CERT_FILE)
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
            kept = httpx.Limits(
                max_connections=limits.streams, max_keepalive_connections=limits.streams, keepalive_expiry=limits.https_idle_s
            )
            self._transport = httpx.AsyncHTTPTransport(verify=tls, http1=True, http2=True, limits=kept, trust_env=False)

    def retire(self) -> None:
        """Nothing more will be asked; what is on its way ends as it began."""
        task = self.context.loop.create_task(self._retire())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _retire(self) -> None:
        while self.in_flight:  # noqa: ASYNC110  # a second or two, once
            await asyncio.sleep(0.1)
        self._is_closed = True
        if self._transport is not None:
            await self._transport.aclose()

    async def close(self) -> None:
        self._is_closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None:
            with suppress(Exception):
                await self._transport.aclose()


def _why(error: BaseException) -> str:
    """In a few words, of the innermost cause: a certificate that does not verify is in there somewhere."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return str(error) or type(error).__name__
