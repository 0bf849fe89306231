"""Finds upstreams that are this server itself, before anything is sent: a server that forwards to itself answers no question."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress

from dnsdisco import sockaddr
from dnsdisco.written.addresses import is_ip

Own = Iterable[tuple[str, int]]  # the addresses and ports that this server listens on


def is_own(host: str, port: int, own: Own) -> bool:
    """True if a question sent to *host* and *port* would come back to us: an address of *own*, or any local one where *own* has a wildcard.

    An unspecified address (0.0.0.0) as destination means this host.
    """
    if not is_ip(host):
        return False  # a name: its address is only known once it is looked up
    listens = [address for address, own_port in own if own_port == port]
    if not listens:
        return False
    if host in listens or ("%" in host and _is_same_place(host, listens)):
        return True
    if host in sockaddr.REACHED_AT:
        return True
    has_wildcard = any(address == "::" or (address == "0.0.0.0" and ":" not in host) for address in listens)  # noqa: S104
    return has_wildcard and is_local_address(host)


def is_local_address(host: str) -> bool:
    """The kernel lets us bind it: an address of this host, or anything in 127/8."""
    try:
        family, address = sockaddr.of(host, 0)
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(address)
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.ENODEV)
    return True


def _is_same_place(host: str, listens: Iterable[str]) -> bool:
    """A scope has two spellings: an interface's name, and its number."""
    try:
        place = sockaddr.of(host, 0)
    except OSError:
        return False  # there is no such interface, so no server listens there
    for each in listens:
        with suppress(OSError):
            if sockaddr.of(each, 0) == place:
                return True
    return False
