"""DNS over HTTPS to one upstream (RFC 8484): POST, HTTP/2 where the server has it, the connection kept, the certificate verified always.

The HTTP is httpx's (extra `doh`), used below its client: no cookies, no redirects, no proxies of the environment, no headers but those of
RFC 8484 §4.1. It is imported in a thread, and only when such an upstream is to be asked: queries are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, TYPE_CHECKING

from dnsdisco import sockaddr
from dnsdisco.errors import UpstreamError
from dnsdisco.forward.context import Context
from dnsdisco.wire.query import HEADER_OCTETS
from dnsdisco.written.addresses import is_ip
from dnsdisco.written.endpoints import UpstreamAddress
from dnsdisco.written.transports import HTTPS_PORT

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


class HttpsWaiter(Protocol):
    """The asker of a question, which gets its result once. `silence_s`: after so long without an octet, a kept connection may be dead."""

    query: bytes
    silence_s: float

    def on_message(self, message: bytes) -> None: ...
    def on_fault(self, kind: str, reason: str) -> None: ...


class _ConnectionGroup:
    """Connections that were opened one after another and are used together. `spoke_at`: when the last response came over one of them."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.in_flight = 0
        self.spoke_at = float("-inf")


class _Request:
    """One question: on the connections that are kept, and, where these have gone silent, on new ones as well."""

    __slots__ = ("asked_at", "asker", "is_over", "kept", "pool", "runs", "slot")

    def __init__(self, pool: HttpsPool, asker: HttpsWaiter) -> None:
        self.slot = 0  # the ticker's
        self.pool, self.asker = pool, asker
        self.asked_at = pool.context.now()
        self.kept: _ConnectionGroup | None = None
        self.runs = 0
        self.is_over = False

    def on_time(self) -> None:
        kept, pool = self.kept, self.pool
        if self.is_over or pool.is_closed:
            return
        is_new = kept is None or kept.spoke_at == float(
            "-inf"
        )  # while it opens, `connect_s` counts, unless others have just gone silent
        if kept is not None and kept.spoke_at < self.asked_at and (not is_new or pool.has_lost_some):
            pool.doubt(kept)
            pool.run(self)
        pool.context.ticker.set(self, self.asker.silence_s)

    def answered(self, message: bytes) -> None:
        if not self.is_over:
            self._end()
            self.asker.on_message(message)

    def failed(self, kind: str, reason: str) -> None:
        self.runs -= 1
        if not self.is_over and not self.runs:
            self._end()
            self.asker.on_fault(kind, reason)

    def _end(self) -> None:
        self.is_over = True
        self.pool.context.ticker.forget(self)


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
        self._kept: _ConnectionGroup | None = None
        self._doubted: set[_ConnectionGroup] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closed = False

    def ask(self, asker: HttpsWaiter) -> bool:
        """Ask in a task of its own. False: as many as may be are on their way."""
        if self.in_flight >= self.context.limits.https_pending or self.is_closed:
            self.context.statistics.streams_full += 1
            return False
        request = _Request(self, asker)
        self.context.ticker.set(request, asker.silence_s)
        self.run(request)
        return True

    def run(self, request: _Request) -> None:
        """Put it on the connections that are kept now."""
        request.runs += 1
        self.in_flight += 1
        self.context.statistics.sent_stream += 1
        self._spawn(self._run(request))

    def doubt(self, kept: _ConnectionGroup) -> None:
        """Stop using these connections, over which nothing comes: new questions open new ones. Each is closed after its last question."""
        if kept is self._kept:
            self.context.statistics.connections_doubted += 1
            self._kept = None
            self._doubted.add(kept)

    @property
    def has_lost_some(self) -> bool:
        return bool(self._doubted)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self.context.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, request: _Request) -> None:
        kept = None
        try:
            async with asyncio.timeout(2 * self.context.limits.deadline_s):  # a server that drips keeps no place for ever
                kept = self._kept or await self._open()
                kept.in_flight += 1
                request.kept = kept
                reply = await self._reply(kept, request.asker.query)
        except TimeoutError:
            request.failed("timeout", "no whole reply over HTTPS in time")
        except HttpsFault as fault:
            request.failed(fault.kind, fault.reason)
        except Exception as error:  # noqa: BLE001  # a fault of the library's: this one upstream has failed
            request.failed("closed", f"{type(error).__name__}: {error}")
        else:
            request.answered(reply)
        finally:
            self.in_flight -= 1
            if kept is not None:
                kept.in_flight -= 1
                if kept in self._doubted and not kept.in_flight:
                    self._doubted.discard(kept)
                    await kept.transport.aclose()

    async def _reply(self, kept: _ConnectionGroup, query: bytes) -> bytes:
        import httpx  # noqa: PLC0415  # as above

        fault = HttpsFault("refused", f"{self.address.host} has no address")
        for is_last in (False, True):
            hosts = await self._addresses()
            for host in tuple(hosts):
                try:
                    reply = await self._post(kept, host, query)
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

    async def _post(self, kept: _ConnectionGroup, host: str, query: bytes) -> bytes:
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
        response = await kept.transport.handle_async_request(request)
        kept.spoke_at = self.context.now()
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
        """The addresses to connect to. Raises HttpsFault."""
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

    async def _open(self) -> _ConnectionGroup:
        """Connections that are opened with their first question, shared by all questions that wait for them."""
        try:
            for module in ("httpx", "h2.connection"):
                await asyncio.to_thread(import_module, module)
            import httpx  # noqa: PLC0415  # by now it costs nothing
        except ImportError:
            raise HttpsFault("refused", INSTALL) from None
        if self._kept is None:
            limits = self.context.limits
            tls = ssl.create_default_context()  # verifies against the system's authorities (and SSL_CERT_FILE)
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
            kept = httpx.Limits(
                max_connections=limits.streams, max_keepalive_connections=limits.streams, keepalive_expiry=limits.https_idle_s
            )
            self._kept = _ConnectionGroup(
                httpx.AsyncHTTPTransport(verify=tls, http1=True, http2=True, limits=kept, trust_env=False)
            )
        return self._kept

    def retire(self) -> None:
        """Take no new question; those on their way end normally."""
        self._spawn(self._retire())

    async def _retire(self) -> None:
        while self.in_flight:  # noqa: ASYNC110  # a second or two, once
            await asyncio.sleep(0.1)
        self.is_closed = True
        await self._close_all()

    async def close(self) -> None:
        self.is_closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close_all()

    async def _close_all(self) -> None:
        for kept in (self._kept, *self._doubted):
            if kept is not None:
                with suppress(Exception):
                    await kept.transport.aclose()


def _why(error: BaseException) -> str:
    """The innermost cause of *error* in a few words: it has the reason why a certificate does not verify."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return str(error) or type(error).__name__
