"""Which of many short-lived sockets can be read: one system call to add one, none to let it go.

The event loop's own add_reader() and remove_reader() take two and keep three objects for each; a question's socket lives for a
millisecond. Where there is no epoll, the loop's own way is used.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

EVENTS_A_TURN = 8  # sockets read: half a millisecond and more before the loop's other users have their turn


class Poller:
    """An epoll of our own inside the loop's. *callback* may be called once too often: read without blocking."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._epoll: select.epoll | None = None
        if hasattr(select, "epoll"):
            self._epoll = select.epoll()
            loop.add_reader(self._epoll.fileno(), self._on_ready)

    def add(self, fd: int, callback: Callable[[], None]) -> None:
        """Call *callback* whenever *fd* can be read."""
        if self._epoll is None:
            self._loop.add_reader(fd, callback)
        else:
            self._epoll.register(fd, select.EPOLLIN)
            self._callbacks[fd] = callback

    def remove(self, fd: int) -> None:
        """Let go of *fd*, which is closed next: its closing takes it out of the epoll."""
        if self._epoll is None:
            self._loop.remove_reader(fd)
        else:
            del self._callbacks[fd]

    def close(self) -> None:
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _on_ready(self) -> None:
        assert self._epoll is not None
        for fd, _ in self._epoll.poll(0, EVENTS_A_TURN):
            callback = self._callbacks.get(fd)
            if callback is not None:  # else one of those before it in this turn has closed it
                callback()
