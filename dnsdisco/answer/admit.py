"""Which clients may ask, and how much they may receive: by network, looked up once for each client address."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from dnsdisco.answer.rate import Bucket, Buckets, KINDS, Network, OCTETS_A_TOKEN
from dnsdisco.settings.sections import RateLimits
from dnsdisco.written.addresses import PRIVATE_NETWORKS

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
KNOWN_MAX = 8192  # client addresses remembered; when full, all are forgotten
_RATE = RateLimits()

ClientKey: TypeAlias = int | bytes | str  # a client's address as the datagram loop has it at hand: a number, octets, or text


class KnownClient(NamedTuple):
    """A client address. `bucket`: how much it may receive over UDP; None: no limit."""

    is_admitted: bool
    is_local: bool
    bucket: Bucket | None

    @property
    def is_free(self) -> bool:
        """The client may ask, without a limit."""
        return self.is_admitted and self.bucket is None


class Admission:
    """The ACL and the rate limit, looked up by the text of a client's address as the socket gives it."""

    def __init__(
        self, allow: Iterable[str], rate: RateLimits = _RATE, own: Iterable[str] = (), *, trusts_loopback: bool = True
    ) -> None:
        """*own*: this host's addresses that are listened on; a client with such an address is on this host. *trusts_loopback*: it is not limited.

        Raises ValueError for a text that is no network.
        """
        networks = _networks(allow)
        self._networks = networks
        # All of the loopback may ask: then no client that reaches a loopback address has to be looked up.
        self.admits_loopback = all(
            any(loopback.version == network.version and loopback.subnet_of(network) for network in networks)  # type: ignore[arg-type]
            for loopback in _LOOPBACK
        )
        self.buckets = Buckets(rate, (*(_LOOPBACK if trusts_loopback else ()), *_networks(rate.exempt), *_networks(own)))
        self.known: dict[str, KnownClient] = {}
        self.clients_forgotten = self.networks_forgotten = 0  # times that all of them made room
        # For the datagram loop: clients without a limit, and the other clients that may ask, with the tokens of their network by kind
        # of answer.
        self.admitted: set[ClientKey] = set()
        self.credits: dict[ClientKey, list[int]] = {}

    def look(self, peer: str, now: float) -> KnownClient:
        """Look up *peer*: may it ask, is it on the loopback, and how much may it receive?"""
        known = self.known.get(peer)
        if known is None:
            address = ipaddress.ip_address(peer.partition("%")[0])
            if self.buckets.is_full:  # the next client finds a bucket that its whole network shares
                self.buckets.clear()
                self.known.clear()
                self.credits.clear()
                self.networks_forgotten += 1
            known = self.unlimited(peer)._replace(bucket=self.buckets.of(address, now))
            if len(self.known) >= KNOWN_MAX:
                self.known.clear()
                self.clients_forgotten += 1
            self.known[peer] = known
        return known

    def unlimited(self, peer: str) -> KnownClient:
        """Like look(), but for a reply that does not go to *peer*: it takes no token, and the client is not remembered."""
        address = ipaddress.ip_address(peer.partition("%")[0])
        is_admitted = any(address in network for network in self._networks)
        return KnownClient(is_admitted, any(address in network for network in _LOOPBACK), None)

    def is_limited(self, peer: str) -> bool:
        """True if there is a bound on what *peer* may receive."""
        return self.buckets.is_limited(ipaddress.ip_address(peer.partition("%")[0]))

    def may_have(self, client: ClientKey, reply: bytes) -> bool:
        """True if the datagram loop knows *client* as one that may have *reply* (behind its id); takes the tokens for it."""
        if client in self.admitted:
            return True
        credit = self.credits.get(client)
        if credit is None or credit[kind := KINDS[reply[1] & 15]] <= 0:
            return False
        credit[kind] -= 1 + len(reply) // OCTETS_A_TOKEN
        return True

    def meet(self, peer: str, client: ClientKey, now: float) -> None:
        """Let the datagram loop know *peer* as *client*, if it may ask."""
        if client in self.admitted or client in self.credits:
            return
        known = self.look(peer, now)
        if len(self.admitted) + len(self.credits) >= KNOWN_MAX:
            self.admitted.clear()
            self.credits.clear()
        if known.is_free:
            self.admitted.add(client)
        elif known.is_admitted and known.bucket is not None:
            self.credits[client] = known.bucket.credit


def _networks(words: Iterable[str]) -> list[Network]:
    return [
        ipaddress.ip_network(text, strict=False) for word in words for text in (PRIVATE_NETWORKS if word == "private" else (word,))
    ]
