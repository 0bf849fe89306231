"""Who may ask: no page of another site through somebody's browser (DNS rebinding, cross-origin requests).

A browser that was made to resolve evil.example to our address still says `Host: evil.example`. Nobody can make an address, `localhost`
or this machine's own name mean something else, so these are the names that we have; and those of `http_hosts`, which the operator answers for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case

HOST_OCTETS_MAX = 255 + 6  # a name and a port


def is_ours(headers: Headers, names: Collection[str]) -> bool:
    """The request was meant for us: its Host is an address, `localhost` or one of *names* (in lower case). HTTP/1.0 may have none."""
    hosts = [value for name, value in headers if name == b"host"]
    return not hosts or (len(hosts) == 1 and _is_known(_host_of(hosts[0]), names))


def is_from_here(headers: Headers, names: Collection[str]) -> bool:
    """The page that asks, if a page asks, came from us: a browser says where it came from wherever it matters."""
    return all(
        (origin := _origin_of(value)) is not None and _is_known(_host_of(origin), names) and _is_same(origin, headers)
        for name, value in headers
        if name == b"origin"
    )


def _is_known(host: str, names: Collection[str]) -> bool:
    return host == "localhost" or host in names or _is_address(host)


def _is_same(origin: bytes, headers: Headers) -> bool:
    """A page of another port of this machine is another site's as well."""
    return any(name == b"host" and value.lower() == origin for name, value in headers)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _host_of(value: bytes) -> str:
    """In lower case, without the port, the brackets and the last dot; "": none that can be read."""
    text = value.decode("latin-1").strip().lower()
    if len(text) > HOST_OCTETS_MAX:
        return ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        is_good = ":" in host and bool(bracket) and (not port or port[:1] == ":")
    else:
        host, _, port = text.partition(":")
        is_good = not port or port.isdecimal()
    return host.removesuffix(".") if is_good else ""


def _origin_of(value: bytes) -> bytes | None:
    """host:port of a page's origin; None for `null` and whatever else is none."""
    try:
        parts = urlsplit(value.decode("ascii").strip().lower())
    except ValueError:
        return None
    return parts.netloc.encode() if parts.scheme in ("http", "https") and parts.netloc else None
