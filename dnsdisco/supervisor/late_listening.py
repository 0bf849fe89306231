"""Addresses whose interface is not there yet, and those whose interface was made anew: bound when they can be, and handed to the workers that run.

`fe80::1%wg0` is bound to the number of an interface (RFC 4007 §6). Without an interface there is no number to bind to, and one that comes back
has another number: what was bound before gets nothing any more.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence

from dnsdisco import sockaddr
from dnsdisco.errors import ListenError
from dnsdisco.log.lines import Lines
from dnsdisco.supervisor.channels import link
from dnsdisco.supervisor.sockets import bind, Listening

LOOK_S = 1.0  # between two looks: a system call or two for each address that has a scope or is missing


class LateListening:
    """The addresses of *listening* that may have to be bound while the workers run."""

    def __init__(self, listening: Sequence[Listening], workers: int, lines: Lines) -> None:
        self._watched = [each for each in listening if not each.is_bound or ("%" in each.place.host and not each.is_shared)]
        self._workers, self._lines = workers, lines
        self._channels: dict[int, tuple[socket.socket, socket.socket]] = {}
        self._told: dict[str, str] = {}  # why an address cannot be bound, as it was logged

    @property
    def is_needed(self) -> bool:
        return bool(self._watched)

    @property
    def absent(self) -> list[tuple[str, int]]:
        """The addresses and ports that are not bound."""
        return [(each.place.host, each.place.port) for each in self._watched if not each.is_bound]

    def channel(self, number: int) -> int | None:
        """A worker is about to be started with what is bound now: the descriptor where it reads what is bound from now on."""
        if not self._watched:
            return None
        self._close_channel(number)
        self._channels[number] = link()
        return self._channels[number][1].fileno()

    def look(self) -> list[int]:
        """Bind what can be bound now. Returns the workers that could not be reached: their successors get everything at their start."""
        unreached = set()
        for listening in self._watched:
            if _is_due(listening) and (fresh := self._bound(listening)) is not None:
                unreached |= {number for number in range(self._workers) if not self._hand_over(number, listening, fresh)}
                listening.close()
                listening.place, listening.udp, listening.tcp = fresh.place, fresh.udp, fresh.tcp
        return sorted(unreached)

    def close(self) -> None:
        """Stop binding. The sockets belong to the listeners."""
        self._watched = []
        for number in tuple(self._channels):
            self._close_channel(number)

    def _close_channel(self, number: int) -> None:
        for sock in self._channels.pop(number, ()):
            sock.close()

    def _bound(self, listening: Listening) -> Listening | None:
        address = listening.address
        try:
            fresh = bind(listening.place, self._workers)
        except ListenError as error:
            if self._told.get(address) != str(error):
                self._told[address] = str(error)
                self._lines.event("warning", str(error), again="each second")
            return None
        self._told.pop(address, None)
        self._lines.event("info", "listened on from now on", address=str(fresh))
        return fresh

    def _hand_over(self, number: int, before: Listening, fresh: Listening) -> bool:
        if number not in self._channels:
            return True  # it has not been started yet
        old = [_inode(sock) for _, sock in before.of_worker(number)]
        new = fresh.of_worker(number)
        told = [
            {"transport": transport, "detail": fresh.detail, "replaces": replaced}
            for (transport, _), replaced in zip(new, old or [0] * len(new), strict=True)
        ]
        ours = self._channels[number][0]
        ours.setblocking(False)
        try:
            socket.send_fds(ours, [json.dumps(told).encode()], [sock.fileno() for _, sock in new])
        except OSError:
            return False
        return True


def _is_due(listening: Listening) -> bool:
    """It is not bound, or not to the interface that has its name now. While there is none of that name, nothing can be done."""
    bound = (*listening.udp, *listening.tcp)
    try:
        _, target = sockaddr.of(listening.place.host, listening.place.port)
    except OSError:
        return False
    return not bound or bound[0].getsockname()[3:] != target[3:]


def _inode(sock: socket.socket) -> int:
    """The inode by which a worker knows this socket: its copy has another descriptor, and the same inode."""
    return os.fstat(sock.fileno()).st_ino
