"""Who may ask: networks, looked up once per client address."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# The word `private` in `acl.allow`: RFC 1918, unique local (RFC 4193), link-local and shared address space (RFC 6598).
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10")
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
KNOWN_MAX = 8192  # client addresses remembered; when full, all are forgotten


class Admission:
    """`admits` and `is_loopback` by the text of the client's address, as the socket gives it."""

    def __init__(self, allow: Iterable[str]) -> None:
        """Raises ValueError for what is no network."""
        networks: list[Network] = []
        for word in allow:
            networks += [ipaddress.ip_network(text, strict=False) for text in (PRIVATE if word == "private" else (word,))]
        self._networks = networks
        # All of the loopback may ask: then nobody who reaches a loopback address has to be looked at.
        self.admits_loopback = all(
            any(loopback.version == network.version and loopback.subnet_of(network) for network in networks)  # type: ignore[arg-type]
            for loopback in _LOOPBACK
        )
        self.known: dict[str, tuple[bool, bool]] = {}
        self.admitted: set[bytes] = set()  # the octets of addresses that may ask, for the datagram loop

    def look(self, peer: str) -> tuple[bool, bool]:
        """Whether *peer* may ask, and whether it is on the loopback."""
        known = self.known.get(peer)
        if known is None:
            address = ipaddress.ip_address(peer.partition("%")[0])
            known = any(address in network for network in self._networks), any(address in network for network in _LOOPBACK)
            if len(self.known) >= KNOWN_MAX:
                self.known.clear()
            self.known[peer] = known
        return known

    def meet(self, peer: str, octets: bytes) -> None:
        """Let the datagram loop know *peer* by the *octets* of its address, if it may ask."""
        if octets not in self.admitted and self.look(peer)[0]:
            if len(self.admitted) >= KNOWN_MAX:
                self.admitted.clear()
            self.admitted.add(octets)
