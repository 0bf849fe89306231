"""Finds the process that has an address already, as far as /proc shows it: another user's process is seen, but not which one it is."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

COMMAND_CHARACTERS_MAX = 60
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp


def holder(kind: socket.SocketKind, host: str, port: int) -> str:
    """ "pid 812 (systemd-resolved)", "a process of user dnsmasq", or "another process"."""
    for inode, uid in _sockets(kind, host, port):
        pid = _owner(inode)
        return f"a process of {_user(uid)}" if pid is None else f"pid {pid} ({_command(pid)})"
    return "another process"


def _sockets(kind: socket.SocketKind, host: str, port: int) -> Iterator[tuple[str, int]]:
    """Inode and user of every socket that *host* and *port* collide with."""
    wanted = ipaddress.ip_address(host.partition("%")[0])
    name = "tcp" if kind == socket.SOCK_STREAM else "udp"
    for table in (name, f"{name}6"):
        try:
            rows = Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if len(fields) < 10 or (name == "tcp" and fields[3] != _LISTEN):
                continue
            address, _, number = fields[1].partition(":")
            if int(number, 16) == port and _collide(_address(address), wanted):
                yield fields[9], int(fields[7])


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel prints 32-bit words in its own byte order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _collide(held: ipaddress.IPv4Address | ipaddress.IPv6Address, wanted: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if held.is_unspecified or wanted.is_unspecified:
        return held.version in (wanted.version, 6)  # `::` takes IPv4 too, unless its socket has IPV6_V6ONLY
    return held == wanted


def _owner(inode: str) -> int | None:
    target = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError), os.scandir(process / "fd") as fds:  # it has ended, or is not ours to look into
            if any(os.readlink(fd.path) == target for fd in fds):  # noqa: PTH115  a name like socket:[1] is no path
                return int(process.name)
    return None


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        words = []
    text = "".join(char if char.isprintable() else "?" for char in " ".join(words).strip())
    return text[:COMMAND_CHARACTERS_MAX] or "a process that has just ended"


def _user(uid: int) -> str:
    try:
        import pwd  # noqa: PLC0415  not on every platform

        return f"user {pwd.getpwuid(uid).pw_name}"
    except (ImportError, KeyError):
        return f"user {uid}"
