"""How an upstream is written: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`, `tls://192.0.2.1#dns.example`, or a resolv.conf path."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

DNS_PORT = 53
TLS_PORT = 853  # RFC 7858 §3.1


class UpstreamAddress(NamedTuple):
    """`transport`: "udp" (TCP when need be) or "tls". `name`: who the certificate must name; "": the address itself."""

    transport: str
    host: str  # IPv4 or IPv6 text, with its %zone for a link-local address
    port: int
    name: str = ""

    def __str__(self) -> str:
        place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"tls://{place}{'#' + self.name if self.name else ''}" if self.transport == "tls" else place


def is_path(text: str) -> bool:
    """It names a resolv.conf, not an address."""
    return "/" in text and "://" not in text


def parse_address(text: str) -> UpstreamAddress:
    """The address that *text* writes. Raises ValueError with what was expected."""
    transport, rest, port = "udp", text.strip(), DNS_PORT
    name = ""
    if "://" in rest:
        scheme, rest = rest.split("://", 1)
        if scheme == "https":
            raise ValueError(f"{text!r}: DNS over HTTPS is not there yet; use tls://ADDRESS#NAME")
        if scheme != "tls":
            raise ValueError(f"{text!r}: unknown scheme {scheme!r}; tls:// is known")
        transport, port = "tls", TLS_PORT
        rest, _, name = rest.partition("#")
    if rest.startswith("["):
        host, closed, tail = rest[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise ValueError(f"{text!r}: expected [ADDRESS]:PORT")
        port_text = tail[1:] if tail else ""
    elif rest.count(":") == 1:
        host, _, port_text = rest.partition(":")
    else:
        host, port_text = rest, ""
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(
            f"{text!r}: {host!r} is not an IP address (an upstream's name could only be resolved by an upstream)"
        ) from None
    if port_text:
        if not (port_text.isascii() and port_text.isdecimal() and 0 < int(port_text) < 65536):
            raise ValueError(f"{text!r}: {port_text!r} is not a port")
        port = int(port_text)
    return UpstreamAddress(transport, host, port, name)


def parse_resolv_conf(text: str) -> tuple[UpstreamAddress, ...]:
    """The `nameserver` lines of a resolv.conf, in order, each once. What is not an address is passed over, as the C library does."""
    found: list[UpstreamAddress] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            host = str(ipaddress.ip_address(words[1]))
        except ValueError:
            continue
        address = UpstreamAddress("udp", host, DNS_PORT)
        if address not in found:
            found.append(address)
    return tuple(found)
