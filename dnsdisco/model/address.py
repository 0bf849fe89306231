"""Addresses, host names and URLs, as people and backends write them, in one canonical form (RFC 5952; RFC 1123 §2.1; RFC 3986 §3).

Every function that reads raises ValueError whose text says what was expected and what was found; none raises anything else.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from dnsdisco.model.public import shown_url
from dnsdisco.written.names import NAME_OCTETS_MAX
from dnsdisco.written.units import shown, unexpected

URL_CHARACTERS_MAX = 2048  # what browsers and proxies agree on; more is no address of a service

# Where a URL leaves the port out (IANA's registry). Other schemes have no port that everybody would choose.
DEFAULT_PORTS = {
    "amqp": 5672,
    "amqps": 5671,
    "ftp": 21,
    "http": 80,
    "https": 443,
    "ldap": 389,
    "ldaps": 636,
    "mqtt": 1883,
    "mysql": 3306,
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "ssh": 22,
    "ws": 80,
    "wss": 443,
}

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_HOST_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}")


class Url(NamedTuple):
    scheme: str
    address: str  # canonical
    port: int | None  # 1..65535; the scheme's own where the URL has none; None: not known


def canonical_address(value: Any) -> str:
    """An IPv4 or IPv6 address in its RFC 5952 text, or a host name in lower case without the last dot.

    An IPv4-mapped IPv6 address becomes the IPv4 one that it stands for. What no client can connect to is refused: 0.0.0.0, `::`,
    multicast, broadcast, and addresses with a scope (`fe80::1%eth0`), which an AAAA record cannot say.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected an IP address or a host name, found {shown_url(value)}")
    if _IPV4.fullmatch(value):
        return _usable(value, value)
    if ":" in value:
        return _ipv6(value)
    return host_name(value)


def host_name(text: str) -> str:
    """A host name in lower case without the last dot; `_` is allowed, for container names have it."""
    name = text.lower().removesuffix(".")
    if not name.isascii():
        raise ValueError(f"expected a host name in ASCII, found {shown_url(text)}; write it in its xn-- form (RFC 5890)")
    if len(name) > NAME_OCTETS_MAX:
        raise ValueError(f"expected a host name of at most {NAME_OCTETS_MAX} octets, found {len(name)}")
    if not _HOST.fullmatch(name):
        raise ValueError(f"expected an IP address or a host name, found {shown_url(text)}")
    if name.rpartition(".")[2].isdigit():
        raise ValueError(f"expected an IP address or a host name, found {shown_url(text)}, which is neither")
    return name


def scheme_from(value: Any) -> str:
    """A URL scheme in lower case (RFC 3986 §3.1); "" for nothing."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not _SCHEME.fullmatch(value.lower()):
        raise unexpected("a URL scheme such as http", value)
    return value.lower()


def parse_url(value: Any) -> Url:
    """The scheme, the address and the port of a URL with a host."""
    if not isinstance(value, str) or "://" not in value:
        raise ValueError(f"expected a URL such as http://auth-service:5001, found {shown_url(value)}")
    if len(value) > URL_CHARACTERS_MAX:
        raise ValueError(f"expected a URL of at most {URL_CHARACTERS_MAX} characters, found {len(value)}")
    # urlsplit() drops line ends and tabs in silence: what is checked would not be what is used.
    if not value.isprintable() or " " in value:
        raise ValueError(f"expected a URL without spaces and control characters, found {shown_url(value)}")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"expected a URL such as http://auth-service:5001, found {shown_url(value)}") from None
    scheme = scheme_from(parts.scheme)
    if not scheme or not host:
        raise ValueError(f"expected a URL with a host such as http://auth-service:5001, found {shown_url(value)}")
    if port == 0:
        raise ValueError(f"expected a port from 1 to 65535, found 0 in {shown_url(value)}")
    return Url(scheme, canonical_address(host), port or DEFAULT_PORTS.get(scheme))


def build_url(scheme: str, address: str, port: int | None) -> str:
    """`http://[2001:db8::1]:8080`; http where there is no scheme."""
    host = f"[{address}]" if ":" in address else address
    return f"{scheme or 'http'}://{host}" if port is None else f"{scheme or 'http'}://{host}:{port}"


def _ipv6(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "%" in bare:
        raise ValueError(f"expected an address without a scope, found {shown_url(text)}: DNS cannot say `%`")
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        hint = "; a port goes into `port`" if re.fullmatch(r"[^:]*:[0-9]{1,5}|\[.*\]:[0-9]{1,5}", text) else ""
        raise ValueError(f"expected an IP address or a host name, found {shown_url(text)}{hint}") from None
    mapped = address.ipv4_mapped
    return _usable(str(mapped), text) if mapped else _usable(str(address), text)


def _usable(canonical: str, written: str) -> str:
    if canonical.startswith("0.") or canonical == "::":
        raise ValueError(f"expected an address that a client can connect to, found {shown(written)}, which means any or none")
    first, colon, _ = canonical.partition(":")
    if colon:
        is_multicast = len(first) == 4 and first.startswith("ff")  # RFC 4291 §2.7
    else:
        is_multicast = first.startswith("2") and 224 <= int(first.partition(".")[0]) <= 239  # RFC 5771
    if is_multicast or canonical == "255.255.255.255":
        raise unexpected("the address of one machine", written)
    return canonical
