"""A resolv.conf as a source of upstreams, looked at again and again: it is replaced by DHCP, VPNs and people at any time."""

from __future__ import annotations

import logging
import os

from dnsdisco.written.addresses import ip
from dnsdisco.written.endpoints import UpstreamAddress
from dnsdisco.written.transports import DNS_PORT

log = logging.getLogger("dnsdisco.forward")

FILE_OCTETS_MAX = 64 * 1024  # a resolv.conf has a few lines; whatever else is behind the path must not fill our memory


class ResolvConf:
    """One file. A file that is not there has no upstreams: one warning, and it is read when it comes.

    One that has just lost all of its servers may be in the middle of being written: they are let go when it has none at the next look either.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.addresses: tuple[UpstreamAddress, ...] = ()
        self._seen: tuple[int, int, int] | None = None
        self._has_warned = False
        self._has_lost = False

    def look(self) -> bool:
        """Read the file if it was replaced or has changed since the last look. True: its addresses are different now."""
        try:
            status = os.stat(self.path)  # noqa: PTH116  # pathlib would cost the worker 5 ms of its start
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return False
            with open(self.path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                addresses = parse_resolv_conf(file.read(FILE_OCTETS_MAX))
        except OSError as error:
            seen, addresses = None, ()
            if not self._has_warned:
                self._has_warned = True
                log.warning("%s: %s; nothing is forwarded to its servers", self.path, error.strerror or error)
        else:
            self._has_warned = False
        if self.addresses and not addresses and not self._has_lost:
            self._has_lost, self._seen = True, None
            return False
        self._has_lost = False
        self._seen = seen
        has_changed = addresses != self.addresses
        self.addresses = addresses
        return has_changed


def parse_resolv_conf(text: str) -> tuple[UpstreamAddress, ...]:
    """The `nameserver` lines of a resolv.conf, in order, each once. What is not an address is passed over, as the C library does."""
    found: list[UpstreamAddress] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            host = ip(words[1])
        except ValueError:
            continue
        address = UpstreamAddress("udp", host, DNS_PORT)
        if address not in found:
            found.append(address)
    return tuple(found)
