"""Sockets that the supervisor binds while this worker runs (supervisor/late_listening.py): they come over a channel, with what they are for."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable

from dnsdisco.server.listeners import BoundSocket

MESSAGE_OCTETS = 65536  # one address: a line for each of its two sockets
DESCRIPTORS = 16  # room for those of one message, which brings two


class LateSockets:
    """Reads *channel* and calls *take* with each socket, and the inode of the one that it replaces."""

    def __init__(self, channel: socket.socket, take: Callable[[BoundSocket, int], None], loop: asyncio.AbstractEventLoop) -> None:
        self._channel, self._take, self._loop = channel, take, loop
        channel.setblocking(False)
        loop.add_reader(channel.fileno(), self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._channel.fileno())

    def _readable(self) -> None:
        try:
            octets, fds, _, _ = socket.recv_fds(self._channel, MESSAGE_OCTETS, DESCRIPTORS)
        except (BlockingIOError, InterruptedError):
            return
        if not octets:  # the supervisor has gone: others see to that
            self.close()
            return
        for told, fd in zip(json.loads(octets), fds, strict=True):
            self._take(BoundSocket(told["transport"], socket.socket(fileno=fd), told["detail"]), told["replaces"])
