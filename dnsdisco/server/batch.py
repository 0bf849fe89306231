"""Many datagrams by one system call: recvmmsg and sendmmsg of Linux through ctypes, on buffers that stay where they are.

A reply is written over its query: the id and the question stand already where they belong, and so does where it goes to. Python
touches each datagram a handful of times, and the kernel is entered twice for a whole batch (docs/performance.md has what this saves).
"""

from __future__ import annotations

import ctypes
import errno
import socket
import sys
from collections.abc import Sequence
from struct import Struct
from typing import Literal

SLOTS = 64  # datagrams in one call; more gain nothing measurable, and hold up what else the loop has to do
SLOT_OCTETS = 4096  # of one datagram, in and out
# Slots a whole page apart would all share the same few lines of the processor's cache.
STRIDE = SLOT_OCTETS + 192
SOCKADDR_OCTETS = 28  # struct sockaddr_in6, the larger one

_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)
_IPV6_PKTINFO = getattr(socket, "IPV6_PKTINFO", 50)
SOURCE_KINDS = {socket.AF_INET: (socket.IPPROTO_IP, _IP_PKTINFO, 12), socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_PKTINFO, 20)}

Source = list[tuple[int, int, bytes]]  # as sendmsg() takes it


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


class _CMsgHdr(ctypes.Structure):
    _fields_ = (("length", ctypes.c_size_t), ("level", ctypes.c_int), ("kind", ctypes.c_int))


def is_available() -> bool:
    """Linux, with the C library's own names for the calls."""
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "recvmmsg") and hasattr(ctypes.CDLL(None), "sendmmsg")


class _Ipv6Addresses:
    """By the number of a datagram, the octets of the address that it came from."""

    def __init__(self, addresses: bytearray) -> None:
        self._addresses, self._read = addresses, Struct("16s").unpack_from

    def __getitem__(self, index: int) -> bytes:
        octets: bytes = self._read(self._addresses, index * SOCKADDR_OCTETS + 8)[0]
        return octets


class Batch:
    """The buffers of one socket. After receive(), datagram *i* is `octets[i * STRIDE :]` with the length that was returned, from
    `addresses[i * SOCKADDR_OCTETS :]`.

    `sizes[i] = n` means that the first *n* octets there are sent back to the sender; `send(i, k)` sends those of slots
    *i* to *k* - 1. *has_source*: the socket listens on every address and reports which one was asked (IP_PKTINFO); a reply leaves from
    there (RFC 2181 §4.1).
    """

    def __init__(self, sock: socket.socket, *, has_source: bool = False) -> None:
        """Raises OSError or AttributeError where the calls do not exist."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._receive, self._send = libc.recvmmsg, libc.sendmmsg
        self._receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._fd = sock.fileno()
        self._family = sock.family
        self.octets = bytearray(SLOTS * STRIDE)
        self.addresses = bytearray(SLOTS * SOCKADDR_OCTETS)
        # By the number of a datagram, the address that it came from: of IPv4 as a number, which costs no object.
        ipv4 = memoryview(self.addresses).cast("I")[1 :: SOCKADDR_OCTETS // 4]
        self.clients: Sequence[int] | _Ipv6Addresses = ipv4 if sock.family == socket.AF_INET else _Ipv6Addresses(self.addresses)
        self._source_octets = SOURCE_KINDS[sock.family][2]
        self._control_octets = _aligned(ctypes.sizeof(_CMsgHdr) + self._source_octets) if has_source else 0
        self._controls = bytearray(SLOTS * self._control_octets)
        self._in, self._in_parts = self._headers(SLOT_OCTETS)
        self._out, self._out_parts = self._headers(0)
        self._in_at, self._out_at, self._step = ctypes.addressof(self._in), ctypes.addressof(self._out), ctypes.sizeof(_MMsgHdr)
        self._lengths = self._field(self._in, _MMsgHdr.octets.offset, "I")
        controllen = _MMsgHdr.header.offset + _MsgHdr.controllen.offset
        self._controls_in, self._controls_out = (self._field(each, controllen, "P") for each in (self._in, self._out))
        self._room = memoryview(bytearray(self._controls_in)).cast("P")  # as it is before anything is received
        self.sizes = memoryview(self._out_parts).cast("B").cast("P")[1::2]
        interfaces = memoryview(self._controls).cast("I")[ctypes.sizeof(_CMsgHdr) // 4 :: max(self._control_octets // 4, 1)]
        self._interfaces, self._none = interfaces, memoryview(bytearray(4 * SLOTS)).cast("I")

    def _headers(self, part_octets: int) -> tuple[ctypes.Array[_MMsgHdr], ctypes.Array[_IoVec]]:
        headers, parts = (_MMsgHdr * SLOTS)(), (_IoVec * SLOTS)()
        octets, addresses = (ctypes.addressof(ctypes.c_char.from_buffer(each)) for each in (self.octets, self.addresses))
        controls = ctypes.addressof(ctypes.c_char.from_buffer(self._controls)) if self._controls else None
        for index in range(SLOTS):
            parts[index] = _IoVec(octets + index * STRIDE, part_octets)
            header = headers[index].header
            header.name = addresses + index * SOCKADDR_OCTETS
            header.namelen = 16 if self._family == socket.AF_INET else SOCKADDR_OCTETS
            header.iov, header.iovlen = ctypes.addressof(parts) + index * ctypes.sizeof(_IoVec), 1
            if controls is not None:
                header.control, header.controllen = controls + index * self._control_octets, self._control_octets
        return headers, parts

    def _field(self, headers: ctypes.Array[_MMsgHdr], offset: int, form: Literal["I", "P"]) -> memoryview[int]:
        """One field of all headers, to be read and written as a whole."""
        size = memoryview(bytes(8)).cast(form).itemsize
        return memoryview(headers).cast("B").cast(form)[offset // size :: ctypes.sizeof(_MMsgHdr) // size]

    def receive(self) -> list[int]:
        """The lengths of the datagrams that were there; none: []. Never blocks."""
        if self._control_octets:
            self._controls_in[:] = self._room
        count = self._receive(self._fd, self._in_at, SLOTS, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return []
        if self._control_octets:
            self._controls_out[:count] = self._controls_in[:count]
            if self._family == socket.AF_INET:
                self._interfaces[:count] = self._none[:count]  # the routing table chooses the link
        lengths: list[int] = self._lengths[:count].tolist()
        return lengths

    def send(self, first: int, end: int) -> int:
        """Send the replies in these slots; how many the kernel would not take."""
        lost = 0
        while first < end:
            sent = self._send(self._fd, self._out_at + first * self._step, end - first, socket.MSG_DONTWAIT)
            if sent <= 0:
                if ctypes.get_errno() == errno.EINTR:
                    continue
                sent, lost = 1, lost + 1  # that one cannot be sent; the others may
            first += sent
        return lost

    def peer(self, index: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """The sender of datagram *index*, as sendto() takes it."""
        at = index * SOCKADDR_OCTETS
        raw = self.addresses[at : at + SOCKADDR_OCTETS]
        port = raw[2] << 8 | raw[3]
        if self._family == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, raw[4:8]), port
        scope = int.from_bytes(raw[24:28], sys.byteorder)
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port, int.from_bytes(raw[4:8], "big"), scope

    def source(self, index: int) -> Source:
        """Which address a reply to datagram *index* has to leave from, as sendmsg() takes it; []: the socket has but one."""
        if not self._control_octets or self._controls_out[index] < self._control_octets:
            return []
        level, kind, size = SOURCE_KINDS[socket.AddressFamily(self._family)]
        at = index * self._control_octets + ctypes.sizeof(_CMsgHdr)
        return [(level, kind, bytes(self._controls[at : at + size]))]


def _aligned(octets: int) -> int:
    word = ctypes.sizeof(ctypes.c_size_t)
    return (octets + word - 1) // word * word
