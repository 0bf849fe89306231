"""Which connections may stay, and for how long: what uvicorn leaves open. A connection that is silent, sends octet by octet, or does
not read what it asked for, ends; one more than there is room for takes the place of the longest idle one.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from dnsdisco.admin import json_views
from dnsdisco.admin.middleware import HEAD_TOO_LONG, TOO_LONG

READ_OCTETS = 16 * 1024
CONNECTIONS_MAX = 64  # scrapers, probes and people of one machine; each is a descriptor that providers may need
HEAD_S = 10.0  # from the connection, or the last reply, to the end of the next request's head
AHEAD_OCTETS_MAX = 64 * 1024  # of requests behind one that is not answered: hundreds, which no client sends that reads the replies
LINGER_S = 1.0  # for a client to read why it is sent away
REPLY_S = 30.0  # from there to the last octet of the reply: the longest list for a slow reader


class HttpConnection(H11Protocol):
    """One client's."""

    _timer: asyncio.TimerHandle | None = None
    _is_lingering = False
    idle_since: float | None = None  # None: a reply is on its way

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.max_size = READ_OCTETS  # type: ignore[attr-defined]  # asyncio's own, 256 KiB, comes in whole before it can be stopped
        if len(self.connections) > CONNECTIONS_MAX:
            idle = [each for each in self.connections if isinstance(each, HttpConnection) and each.idle_since is not None]
            longest = min(idle, key=lambda each: each.idle_since or 0.0, default=self)
            longest.transport.abort()
            self.connections.discard(longest)  # now: others may come before its end is told
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete and len(self.conn.trailing_data[0]) > AHEAD_OCTETS_MAX:
            self.transport.abort()
            return
        if self.cycle is not before and not self.cycle.response_complete:
            self.idle_since = None
            self._set_timer(REPLY_S)

    def on_response_complete(self) -> None:
        before = self.cycle
        super().on_response_complete()  # may begin the next request of a pipeline
        if self.cycle is before:
            self._wait()
        else:
            self._set_timer(REPLY_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_timer(None)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What HTTP itself refuses, with its own status (431 for a head that is too long). uvicorn calls this where it handles the error."""
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        body = json_views.octets({**json_views.HEAD, "error": HEAD_TOO_LONG if status == TOO_LONG else msg})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        with suppress(h11.LocalProtocolError):  # a reply is on its way: nothing can be sent before its end
            for event in (
                h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        """Hang up on our side, and pass over what the client still sends: an end with octets unread would cost it our reply."""
        self._is_lingering = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._set_timer(LINGER_S)

    def _wait(self) -> None:
        self.idle_since = self.loop.time()
        self._set_timer(HEAD_S)

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._end)

    def _end(self) -> None:
        """Also when it is closing already, and waits for a client that does not read."""
        self.transport.abort()


def protocol() -> type[asyncio.Protocol]:
    """For uvicorn's `http`."""
    made: Any = HttpConnection
    return made  # type: ignore[no-any-return]
