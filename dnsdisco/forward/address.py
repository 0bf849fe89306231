"""How an upstream is written: `192.0.2.1`, `[2001:db8::1]:5353`, `tls://192.0.2.1#dns.example`, `https://…`, or a resolv.conf path."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

DNS_PORT = 53
TLS_PORT = 853  # RFC 7858 §3.1
HTTPS_PORT = 443

_HOST = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE
)
_PATH = re.compile(r"/[!$-;=?-\]_a-z~]+")  # what may stand in a request line; # begins the name


class UpstreamAddress(NamedTuple):
    """`transport`: "udp" (TCP when need be), "tls" or "https". `name`: who the certificate must name; "": the host itself."""

    transport: str
    host: str  # IPv4 or IPv6 text, with its %zone for a link-local address; for https perhaps a name, in lower case
    port: int
    name: str = ""
    path: str = ""  # https: of the URL

    @property
    def is_by_name(self) -> bool:
        """The host is a name, to be resolved by another upstream."""
        return self.transport == "https" and not is_address(self.host)

    def __str__(self) -> str:
        place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        name = f"#{self.name}" if self.name else ""
        if self.transport == "https":
            return f"https://{place.removesuffix(f':{HTTPS_PORT}')}{self.path}{name}"
        return f"tls://{place}{name}" if self.transport == "tls" else place


def is_path(text: str) -> bool:
    """It names a resolv.conf, not an address."""
    return "/" in text and "://" not in text


def parse_address(text: str) -> UpstreamAddress:
    """The address that *text* writes. Raises ValueError with what was expected."""
    transport, rest, port = "udp", text.strip(), DNS_PORT
    name = path = ""
    if "://" in rest:
        scheme, rest = rest.split("://", 1)
        rest, _, name = rest.partition("#")
        match scheme:
            case "tls":
                transport, port = "tls", TLS_PORT
            case "https":
                transport, port = "https", HTTPS_PORT
                rest, slash, path = rest.partition("/")
                path = slash + path
                if not _PATH.fullmatch(path):
                    raise ValueError(f"{text!r}: expected a path, often /dns-query")
            case _:
                raise ValueError(f"{text!r}: unknown scheme {scheme!r}; tls:// and https:// are known")
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
        if transport != "https" or not _HOST.fullmatch(host):
            raise ValueError(
                f"{text!r}: {host!r} is not an IP address (an upstream's name could only be resolved by an upstream)"
            ) from None
        if name:
            raise ValueError(f"{text!r}: a #name has no use where the host is a name") from None
        host = host.lower()
    if port_text:
        if not (port_text.isascii() and port_text.isdecimal() and 0 < int(port_text) < 65536):
            raise ValueError(f"{text!r}: {port_text!r} is not a port")
        port = int(port_text)
    return UpstreamAddress(transport, host, port, name, path)


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


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
