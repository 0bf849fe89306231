"""One client's connection: HTTP/1.1 (RFC 9112, by h11) over a stream, one request after another, each step with a deadline.

A client that is silent, sends octet by octet, or does not read what it asked for is sent away; one more than there is room for takes the
place of the longest idle one. What a client sends ahead waits in the kernel.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from email.utils import formatdate
from http import HTTPStatus

import h11

from dnsdisco.admin.api import Api
from dnsdisco.admin.gate import CLOSE, Gate, HEAD_OCTETS_MAX, HEAD_TOO_LONG, HEADERS, refused, RequestHead, RETRY, TOO_LONG
from dnsdisco.admin.request import ApiReply, RequestRefused

NO_REQUEST = "this is not an HTTP/1.1 request"  # h11's words would repeat what came
READ_OCTETS = 16 * 1024  # at once; as many again may have been read ahead
CONNECTIONS_MAX = 64  # scrapers, probes and people of one machine; each is a descriptor that providers may need
WATCHERS_MAX = 1_100  # that wait for something to happen, beside those: a thousand programs, and some people
UNREAD_OCTETS = 64 * 1024  # that the kernel keeps for one that waits and does not read; it would let that grow to megabytes
ARRIVAL_S = 0.25  # of a connection, until it counts as idle
HEAD_S = 10.0  # from the connection, or the last reply, to the end of the next request's head; then the same for its body
LINGER_S = 1.0  # for a client to read why it is sent away
REPLY_S = 30.0  # to the last octet of the reply: the longest list for a slow reader; of a stream: to the last octet of each event


class Connections:
    """Those of one door. *stranger*: why this client may ask nothing at all; "" where it may."""

    def __init__(self, api: Api, gate: Gate, stranger: Callable[[socket.socket], str] = lambda _: "") -> None:
        self.api, self.gate, self.stranger = api, gate, stranger
        self.ordinary: set[Connection] = set()
        self.watchers: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accept a client, for asyncio.start_server(): not a coroutine, so that a place is taken at once."""
        connection = Connection(self, reader, writer)
        self.admit(connection)
        task = asyncio.get_running_loop().create_task(connection.serve())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def admit(self, newcomer: Connection) -> None:
        """The longest idle one makes room; without one that is idle, the newcomer goes.

        One that has just come is not idle: its request may be there and not read yet, as where a thousand that follow come back at once.
        They have the places of watchers meanwhile.
        """
        self.ordinary.add(newcomer)
        if len(self.ordinary) > CONNECTIONS_MAX:
            self._make_room(newcomer)

    def _make_room(self, newcomer: Connection | None = None) -> None:
        is_full = len(self.ordinary) + len(self.watchers) > CONNECTIONS_MAX + WATCHERS_MAX
        settled = time.monotonic() - (0.0 if is_full else ARRIVAL_S)
        idle = [each for each in self.ordinary if each.idle_since is not None]
        idle.sort(key=lambda each: each.idle_since or 0.0)
        leaving = [each for each in idle[: len(self.ordinary) - CONNECTIONS_MAX] if (each.idle_since or 0.0) <= settled]
        if newcomer is not None and not idle:
            leaving = [newcomer]
        for connection in leaving:
            self.api.events["evicted"] += 1
            connection.abort()
            self.leave(connection)
        if len(self.ordinary) > CONNECTIONS_MAX and self._later is None:
            self._later = asyncio.get_running_loop().call_later(ARRIVAL_S, self._look_again)

    def _look_again(self) -> None:
        self._later = None
        if len(self.ordinary) > CONNECTIONS_MAX:
            self._make_room()

    def watch(self, connection: Connection) -> None:
        """It waits from now on, and takes no place of the others."""
        if len(self.watchers) >= WATCHERS_MAX:
            self.api.events["too_many_watchers"] += 1
            raise RequestRefused(503, f"{WATCHERS_MAX} clients are waiting for changes", RETRY)
        self.ordinary.discard(connection)
        self.watchers.add(connection)

    def leave(self, connection: Connection) -> None:
        self.ordinary.discard(connection)
        self.watchers.discard(connection)

    async def close(self) -> None:
        """End them all, without waiting for any client."""
        if self._later is not None:
            self._later.cancel()
        for connection in (*self.ordinary, *self.watchers):
            connection.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Connection:
    def __init__(self, connections: Connections, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.idle_since: float | None = time.monotonic()  # None: a request is being answered
        self._connections, self._reader, self._writer = connections, reader, writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_OCTETS_MAX)
        self._method = ""
        self._hanging: asyncio.Task[None] | None = None  # looks, while we wait for something to happen, whether the client has gone
        transport = writer.transport
        self._stranger = connections.stranger(transport.get_extra_info("socket"))
        transport.set_write_buffer_limits(high=0)  # drain() is done when the kernel has it all
        transport.max_size = READ_OCTETS  # type: ignore[attr-defined]  # asyncio's own, 256 KiB, comes in whole before it can be stopped

    def abort(self) -> None:
        self._writer.transport.abort()

    async def serve(self) -> None:
        """Until it ends. Raises nothing."""
        try:
            while await self._turn():
                pass
            await self._linger()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # it has gone, or must go
        except Exception as error:  # noqa: BLE001  half a reply: nothing but the end of the connection can say so
            self._connections.api.tell(error)
        finally:
            self.abort()
            self._connections.leave(self)

    async def _turn(self) -> bool:
        """Answer one request. False: there will be no other one."""
        events = self._connections.api.events
        try:
            async with asyncio.timeout(HEAD_S):
                head = await self._head()
        except TimeoutError:
            events["silent"] += 1
            raise
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            reply = refused(RequestRefused(status, HEAD_TOO_LONG if status == TOO_LONG else NO_REQUEST, CLOSE))
        else:
            if head is None:
                return False
            self.idle_since = None
            if self._stranger:
                events["strangers"] += 1
                reply = refused(RequestRefused(403, self._stranger, CLOSE))
            else:
                reply = await self._connections.gate.answer(head, self._body, self._watch)
        try:
            await self._send(reply)
        except TimeoutError:
            events["not_read"] += 1
            raise
        finally:
            reply.ended()
            await self._stop_watching()
        if self._h11.their_state is h11.SEND_BODY:
            with suppress(h11.RemoteProtocolError):
                self._h11.next_event()  # its end, where it has no body; what has one that was not read ends here
        if {self._h11.our_state, self._h11.their_state} != {h11.DONE}:
            return False
        self._h11.start_next_cycle()
        self.idle_since = time.monotonic()
        return True

    # in

    async def _head(self) -> RequestHead | None:
        """The head of the next request; None if the client has closed the connection."""
        self._method = ""
        event = await self._event()
        if not isinstance(event, h11.Request):
            return None
        self._method = event.method.decode("ascii")
        if event.http_version not in (b"1.0", b"1.1"):
            raise h11.RemoteProtocolError("expected HTTP/1.1", 505)
        return RequestHead(self._method, event.target.decode("latin-1"), list(event.headers))

    async def _body(self, octets_max: int) -> bytes:
        """Raises RequestRefused."""
        body = bytearray()
        try:
            async with asyncio.timeout(HEAD_S):
                while isinstance(event := await self._event(), h11.Data):
                    body += event.data
                    if len(body) > octets_max:
                        raise RequestRefused(413, f"a request's body has at most {octets_max} octets here", CLOSE)
        except TimeoutError:
            raise RequestRefused(408, f"the body has not come within {HEAD_S:.0f} s", CLOSE) from None
        except h11.RemoteProtocolError as error:
            raise RequestRefused(error.error_status_hint, NO_REQUEST, CLOSE) from None
        return bytes(body)

    async def _event(self) -> h11.Event:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # not PAUSED: a request is asked for when the one before is over
            if self._h11.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._h11.receive_data(await self._reader.read(READ_OCTETS))

    # while it waits

    def _watch(self) -> None:
        """The page waits from now on: only reading shows that the client goes away meanwhile."""
        if self._hanging is None:
            self._connections.watch(self)
            peer: socket.socket = self._writer.transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_OCTETS)
            task = asyncio.current_task()
            assert task is not None
            self._hanging = asyncio.get_running_loop().create_task(self._hang(task))

    async def _hang(self, task: asyncio.Task[None]) -> None:
        octets = 0
        with suppress(OSError):
            while ahead := await self._reader.read(READ_OCTETS):  # of the next requests
                self._h11.receive_data(ahead)
                octets += len(ahead)
                if octets > READ_OCTETS:
                    return  # the rest waits in the kernel; that the client has gone shows when we write
        self.abort()
        task.cancel()

    async def _stop_watching(self) -> None:
        hanging, self._hanging = self._hanging, None
        if hanging is not None:
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)
            self._connections.leave(self)
            self._connections.admit(self)

    # out

    async def _send(self, reply: ApiReply) -> None:
        headers = [(b"date", formatdate(usegmt=True).encode()), (b"content-type", reply.media_type.encode())]
        if isinstance(reply.body, bytes) and reply.status != HTTPStatus.NOT_MODIFIED:
            headers.append((b"content-length", b"%d" % len(reply.body)))
        own = {name for name, _ in reply.headers}  # a page of HTML has a policy of its own
        headers += [*reply.headers, *(each for each in HEADERS if each[0] not in own)]
        self._write(h11.Response(status_code=reply.status, headers=headers, reason=HTTPStatus(reply.status).phrase))
        if self._method == "HEAD":
            await self._drain()
        elif isinstance(reply.body, bytes):
            self._write(h11.Data(data=reply.body))
            await self._drain()
        elif reply.is_stream:
            await self._send_events(reply.body)
        else:
            async with asyncio.timeout(REPLY_S), aclosing(reply.body):
                async for piece in reply.body:
                    self._write(h11.Data(data=piece))
                    await self._writer.drain()
        self._write(h11.EndOfMessage())
        await self._drain()

    async def _send_events(self, events: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(events):
            async for event in events:
                self._write(h11.Data(data=event))
                await self._drain()

    async def _drain(self) -> None:
        async with asyncio.timeout(REPLY_S):
            await self._writer.drain()

    def _write(self, event: h11.Event) -> None:
        octets = self._h11.send(event)
        if octets:
            self._writer.write(octets)

    async def _linger(self) -> None:
        """Hang up on our side, and pass over what the client still sends: an end with octets unread would cost it our reply."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER_S):
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                while await self._reader.read(READ_OCTETS):
                    pass
