"""Many datagrams by one system call each, for systems that have no call for all of them: to be used as a `Batch` is."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Self

from dnsdisco.server.batch import SLOT_OCTETS, SLOTS, Source, SOURCE_KINDS, STRIDE

_CONTROL_OCTETS = 128  # of one datagram


class OneByOne:
    """The buffers of one socket, with the meaning that they have in `Batch`."""

    def __init__(self, sock: socket.socket, *, has_source: bool = False) -> None:
        self._socket = sock
        self._has_source = has_source
        self._receive: Callable[[memoryview], tuple[int, Any]] = self._receive_asked if has_source else sock.recvfrom_into
        self._send: Callable[[memoryview, Any], object] = self._send_asked if has_source else sock.sendto
        self.octets = bytearray(SLOTS * STRIDE)
        whole = memoryview(self.octets)
        self._slots = [whole[at : at + SLOT_OCTETS] for at in range(0, SLOTS * STRIDE, STRIDE)]
        self.sizes = [0] * SLOTS
        self._lengths = [0] * SLOTS
        self._senders: list[Any] = [None] * SLOTS  # with *has_source*, and which address was asked

    def receive(self) -> list[int]:
        """The lengths of the datagrams that were there; none: []. Never blocks."""
        receive, lengths, senders = self._receive, self._lengths, self._senders
        try:
            for index, slot in enumerate(self._slots):
                lengths[index], senders[index] = receive(slot)
        except OSError:  # no more are there; or it is the ICMP error of an earlier reply, and the loop comes back for the rest
            return lengths[:index]
        return lengths[:]

    def send(self, first: int, end: int) -> int:
        """Send the replies in these slots; how many the kernel would not take."""
        send, slots, sizes, senders = self._send, self._slots, self.sizes, self._senders
        lost = 0
        for index in range(first, end):
            try:
                send(slots[index][: sizes[index]], senders[index])
            except OSError:
                lost += 1
        return lost

    @property
    def clients(self) -> Self:
        return self

    def __getitem__(self, index: int) -> str:
        """The text of the address that datagram *index* came from."""
        text: str = self.peer(index)[0]
        return text

    def peer(self, index: int) -> Any:
        """The sender of datagram *index*, as sendto() takes it."""
        return self._senders[index][0] if self._has_source else self._senders[index]

    def source(self, index: int) -> Source:
        """Which address a reply to datagram *index* has to leave from, as sendmsg() takes it; []: the socket has but one."""
        source: Source = self._senders[index][1] if self._has_source else []
        return source

    def _receive_asked(self, slot: memoryview) -> tuple[int, Any]:
        length, control, _, peer = self._socket.recvmsg_into([slot], _CONTROL_OCTETS)
        return length, (peer, _source(control))

    def _send_asked(self, octets: memoryview, sender: Any) -> None:
        peer, source = sender
        self._socket.sendmsg([octets], source, 0, peer)


def _source(control: Source) -> Source:
    """The control message that makes a reply leave from the address its query was sent to."""
    for level, kind, octets in control:
        if (level, kind, len(octets)) == SOURCE_KINDS[socket.AF_INET]:
            # struct in_pktinfo: ifindex, the local address, the destination; index 0: let the routing table choose the link
            return [(level, kind, bytes(4) + octets[4:8] + bytes(4))]
        if (level, kind, len(octets)) == SOURCE_KINDS[socket.AF_INET6]:
            return [(level, kind, octets)]
    return []
