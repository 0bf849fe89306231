"""Who may stay connected, and for how long: what uvicorn leaves open. A connection that says nothing, or says it octet by octet, or
does not read what it asked for, ends; and one more than there is room for takes the place of the longest idle one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS_MAX = 64  # scrapers, probes and people of one machine; each is a descriptor that providers may need
HEAD_S = 10.0  # from the connection, or the last reply, to the end of the next request's head
REPLY_S = 30.0  # from there to the last octet of the reply: the longest list for a slow reader


class Connection(H11Protocol):
    """One client's."""

    _timer: asyncio.TimerHandle | None = None
    idle_since: float | None = None  # None: a reply is on its way

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            idle = [each for each in self.connections if isinstance(each, Connection) and each.idle_since is not None]
            longest = min(idle, key=lambda each: each.idle_since or 0.0, default=self)
            longest.transport.abort()
            self.connections.discard(longest)  # now: others may come before its end is told
        self._wait()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
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
    made: Any = Connection
    return made  # type: ignore[no-any-return]
