"""Which requests are accepted: none of a page of another site in a user's browser (DNS rebinding, cross-origin requests).

A browser that was made to resolve evil.example to our address still sends `Host: evil.example`. No attacker can give an address, `localhost`
or this machine's own name another meaning, so these are accepted, and those of `http_hosts`, for which the operator is responsible.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from dnsdisco.written.addresses import is_ip

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case

HOST_OCTETS_MAX = 255 + 6  # a name and a port
PORT_MAX = 65535

_SCOPE = re.compile(r"(?:25)?[a-z0-9_-]+(?:\.[0-9]+)?")  # eth0, eth0.100, 3; also as a URL has it, `%25eth0` (RFC 6874 §2)
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


def target_of(path: str) -> tuple[bytes | None, str]:
    """The authority of a target in absolute form (RFC 9112 §3.2.2), and the path in it; (None, *path*) for any other target."""
    match = _ABSOLUTE.match(path)
    return (match[1].encode(), path[match.end() :] or "/") if match else (None, path)


def is_ours(headers: Headers, names: Collection[str], authority: bytes | None = None) -> bool:
    """The request was meant for us: its Host is an address, `localhost` or one of *names* (in lower case). HTTP/1.0 may have none.

    *authority*: what the target names, which counts in place of the Host. More than one Host is a trick all the same.
    """
    hosts = [value for name, value in headers if name == b"host"]
    if authority is not None:
        return len(hosts) <= 1 and _is_known(_host_of(authority), names)
    return not hosts or (len(hosts) == 1 and _is_known(_host_of(hosts[0]), names))


def is_from_here(headers: Headers, names: Collection[str], authority: bytes | None = None) -> bool:
    """True if no page of another site asks: a browser sends the origin of its page wherever it matters."""
    asked = authority if authority is not None else next((value for name, value in headers if name == b"host"), b"")
    return all(
        (origin := _origin_of(value)) is not None and _is_known(_host_of(origin), names) and origin == asked.lower()
        for name, value in headers
        if name == b"origin"
    )


def _is_known(host: str, names: Collection[str]) -> bool:
    return host == "localhost" or host in names or _is_address(host)


def _is_address(host: str) -> bool:
    """A scope, which only a link-local address has, is an interface of this machine: it ends no name (`%.evil.example`)."""
    address, percent, scope = host.partition("%")
    return is_ip(address) and (not percent or (address.startswith("fe80:") and _SCOPE.fullmatch(scope) is not None))


def _host_of(value: bytes) -> str:
    """The host in lower case, without the port, the brackets and the last dot; "" if it cannot be read."""
    text = value.decode("latin-1").strip().lower()
    if len(text) > HOST_OCTETS_MAX:
        return ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        is_good = ":" in host and not host.endswith(".") and bool(bracket) and (not port or port[:1] == ":")
        port = port[1:]
    else:
        host, _, port = text.partition(":")
        is_good = True
    is_port = not port or (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= PORT_MAX)
    return host.removesuffix(".") if is_good and is_port else ""


def _origin_of(value: bytes) -> bytes | None:
    """host:port of a page's origin; None for `null` and whatever else is none."""
    try:
        parts = urlsplit(value.decode("ascii").strip().lower())
    except ValueError:
        return None
    return parts.netloc.encode() if parts.scheme in ("http", "https") and parts.netloc else None
