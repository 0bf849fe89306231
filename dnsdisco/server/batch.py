"""Many datagrams by one system call: recvmmsg and sendmmsg of Linux through ctypes, on buffers that stay where they are.

A reply is written over its query: the id and the question stand already where they belong. Python touches each datagram a handful
of times, and the kernel is entered twice for a whole batch (docs/performance.md has what this saves).
"""

from __future__ import annotations

import ctypes
import errno
import socket
import sys

SLOTS = 64  # datagrams in one call; more gain nothing measurable, and hold up what else the loop has to do
SLOT_OCTETS = 4096  # of one datagram, in and out
# Slots a whole page apart would all share the same few lines of the processor's cache.
STRIDE = SLOT_OCTETS + 192
SOCKADDR_OCTETS = 28  # struct sockaddr_in6, the larger one


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("octets", ctypes.c_uint))


def is_available() -> bool:
    """Linux, with the C library's own names for the calls."""
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "recvmmsg") and hasattr(ctypes.CDLL(None), "sendmmsg")


class Batch:
    """The buffers of one socket. After receive(), datagram *i* is `octets[i * STRIDE :]` with the length that was returned.

    `reply(i, length)` says that the first *length* octets there are to go back to where they came from; `send()` sends them all.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Raises OSError or AttributeError where the calls do not exist."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._receive, self._send = libc.recvmmsg, libc.sendmmsg
        self._receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._fd = sock.fileno()
        self._family = sock.family
        self.octets = bytearray(SLOTS * STRIDE)
        self.addresses = bytearray(SLOTS * SOCKADDR_OCTETS)
        self._octets_at = ctypes.addressof(ctypes.c_char.from_buffer(self.octets))
        self._addresses_at = ctypes.addressof(ctypes.c_char.from_buffer(self.addresses))
        name_octets = 16 if sock.family == socket.AF_INET else SOCKADDR_OCTETS
        self._in, self._in_parts = self._headers(name_octets, SLOT_OCTETS)
        self._out, self._out_parts = self._headers(name_octets, 0)
        word = ctypes.sizeof(ctypes.c_uint)
        lengths = memoryview(self._in).cast("B").cast("I")
        self._lengths = lengths[_MMsgHdr.octets.offset // word :: ctypes.sizeof(_MMsgHdr) // word]
        long = ctypes.sizeof(ctypes.c_size_t)
        out = memoryview(self._out).cast("B").cast("P")
        self._names = out[0 :: ctypes.sizeof(_MMsgHdr) // long]
        parts = memoryview(self._out_parts).cast("B").cast("P")
        self._bases, self._sizes = parts[0::2], parts[1::2]
        self._pending = 0

    def _headers(self, name_octets: int, part_octets: int) -> tuple[ctypes.Array[_MMsgHdr], ctypes.Array[_IoVec]]:
        headers, parts = (_MMsgHdr * SLOTS)(), (_IoVec * SLOTS)()
        for index in range(SLOTS):
            parts[index] = _IoVec(self._octets_at + index * STRIDE, part_octets)
            header = headers[index].header
            header.name, header.namelen = self._addresses_at + index * SOCKADDR_OCTETS, name_octets
            header.iov, header.iovlen = ctypes.addressof(parts) + index * ctypes.sizeof(_IoVec), 1
        return headers, parts

    def receive(self) -> list[int]:
        """The lengths of the datagrams that were there; none: []. Never blocks."""
        count = self._receive(self._fd, ctypes.addressof(self._in), SLOTS, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return []
        lengths: list[int] = self._lengths[:count].tolist()
        return lengths

    @property
    def waiting(self) -> int:
        """Replies that send() would send."""
        return self._pending

    def reply(self, index: int, length: int) -> None:
        at = self._pending
        self._pending = at + 1
        self._names[at] = self._addresses_at + index * SOCKADDR_OCTETS
        self._bases[at] = self._octets_at + index * STRIDE
        self._sizes[at] = length

    def send(self) -> int:
        """Send what reply() was told of; how many the kernel would not take."""
        waiting, done, lost = self._pending, 0, 0
        self._pending = 0
        step = ctypes.sizeof(_MMsgHdr)
        while done < waiting:
            sent = self._send(self._fd, ctypes.addressof(self._out) + done * step, waiting - done, socket.MSG_DONTWAIT)
            if sent <= 0:
                if ctypes.get_errno() == errno.EINTR:
                    continue
                sent, lost = 1, lost + 1  # that one cannot be sent; the others may
            done += sent
        return lost

    def peer(self, index: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """Where datagram *index* came from, as sendto() takes it."""
        at = index * SOCKADDR_OCTETS
        raw = self.addresses[at : at + SOCKADDR_OCTETS]
        port = raw[2] << 8 | raw[3]
        if self._family == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, raw[4:8]), port
        scope = int.from_bytes(raw[24:28], sys.byteorder)
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port, int.from_bytes(raw[4:8], "big"), scope
