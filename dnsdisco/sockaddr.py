"""From a written address to the family and the socket address to connect to or bind, scope included. Standard library alone.

`fe80::1%eth0` is the address of a machine on one link (RFC 4007 §11): without the number of the interface the system cannot use it. That number
changes when the interface is made anew, so it is looked up at each use and never kept.
"""

from __future__ import annotations

import errno
import os
import socket

REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where this machine reaches what listens on every address

Address = tuple[str, int] | tuple[str, int, int, int]


def of(host: str, port: int) -> tuple[socket.AddressFamily, Address]:
    """The family and socket address of *host*, an IPv4 or IPv6 text with or without a scope. Raises OSError (ENODEV) when there is no such interface."""
    if ":" not in host:
        return socket.AF_INET, (host, port)
    bare, percent, scope = host.partition("%")
    return socket.AF_INET6, (bare, port, 0, _number(scope) if percent else 0)


def host_of(address: Address) -> str:
    """The host's text, with its scope, of what getsockname() returns."""
    if len(address) == 4 and address[3]:
        try:
            return f"{address[0]}%{socket.if_indextoname(address[3])}"
        except OSError:  # the interface has gone
            return f"{address[0]}%{address[3]}"
    return address[0]


def without_scope(host: str) -> str:
    """The address as the other side knows it: a scope has a meaning on this machine alone (RFC 6874 §4), in no certificate and no Host field."""
    return host.partition("%")[0]


def is_loopback(host: str) -> bool:
    """True if the address *host* is of this machine alone (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3)."""
    return host == "::1" or host.startswith("127.")


def is_here(host: str) -> bool:
    """True if this machine has the address *host*, so that it could answer another host from it, or if that is not known."""
    try:
        family, target = of(host, 0)
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind(target)
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV)
    return True


def _number(scope: str) -> int:
    try:
        return socket.if_nametoindex(scope)
    except OSError:
        if scope.isascii() and scope.isdigit():
            return int(scope)
        raise OSError(errno.ENODEV, f"{os.strerror(errno.ENODEV)}: {scope}") from None
