"""The zones and addresses of the server, which every text is made with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dnsdisco import sockaddr
from dnsdisco.errors import DnsdiscoError
from dnsdisco.written.addresses import split_address
from dnsdisco.written.endpoints import listener
from dnsdisco.written.transports import DNS_PORT


class SetupRefused(DnsdiscoError):
    """It would not work, or belongs to somebody else: the reason, and the way."""


class ServedPlace(NamedTuple):
    """Where plain DNS is answered, as this machine reaches it."""

    host: str
    port: int


class SetupValues(NamedTuple):
    """`upstreams`: as they are written; a path is a resolv.conf."""

    zones: tuple[str, ...]
    places: tuple[ServedPlace, ...]
    upstreams: tuple[str, ...] = ()

    @classmethod
    def of(cls, zones: Iterable[str], listen: Iterable[str], upstreams: Iterable[str] = ()) -> SetupValues:
        """*listen*: as in the configuration. Raises SetupRefused where no address is for plain DNS."""
        listeners = [listener(entry) for entry in listen]
        bound = [split_address(each.address) for each in listeners if not each.scheme]
        places = tuple(ServedPlace(sockaddr.REACHED_AT.get(host, host), port) for host, port in bound if port)
        if not places:
            raise SetupRefused(
                "the server listens on no address for plain DNS whose port is known: start it, or write `listen` with a port"
            )
        return cls(tuple(zones), places, tuple(upstreams))

    @property
    def place(self) -> ServedPlace:
        """Where another resolver of this machine sends the zones."""
        return self.places[0]

    @property
    def nameservers(self) -> tuple[str, ...]:
        """The addresses with port 53, the only one that a resolv.conf can mean."""
        return tuple(place.host for place in self.places if place.port == DNS_PORT)
