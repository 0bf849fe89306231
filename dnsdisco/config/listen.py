"""An entry of `listen`: an address for plain DNS, `tls://` (RFC 7858) or `https://` (RFC 8484)."""

from __future__ import annotations

import re
from typing import NamedTuple

from dnsdisco.config import units

HTTPS_PORT = 443
DOH_PATH = "/dns-query"  # RFC 8484 §4.1 has it in its examples, and every client has it as its default
PATH_OCTETS_MAX = 255
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]*)+")
_TEMPLATE = "{?dns}"  # the form in which a URI template is written (RFC 8484 §3); clients add it, servers do not need it


class Listener(NamedTuple):
    """`scheme`: tls, https; "" for plain DNS. `address`: as units.address() writes it. `path`: of https."""

    scheme: str
    address: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}{self.path}" if self.scheme else self.address


def listener(value: object) -> str:
    """The canonical form of an entry: `127.0.0.1:53`, `tls://127.0.0.1:853`, `https://127.0.0.1:443/dns-query`. Raises ValueError."""
    return str(split(value))


def split(value: object) -> Listener:
    """An entry, canonical or as it was written, taken apart. Raises ValueError."""
    text = value.strip() if isinstance(value, str) else ""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Listener("", units.address(value, units.DNS_PORT, 0))
    match scheme.lower():
        case "tls":
            return Listener("tls", _address(rest.removesuffix("/"), units.DOT_PORT, value, "tls://127.0.0.1:853"))
        case "https":
            where, slash, path = rest.removesuffix(_TEMPLATE).partition("/")
            address = _address(where, HTTPS_PORT, value, "https://127.0.0.1:443/dns-query")
            return Listener("https", address, _path(slash + path))
        case "udp" | "tcp" | "dns":
            raise ValueError(f"leave {scheme}:// out: an address alone is answered on over UDP and TCP, found {units.shown(value)}")
        case "http":
            raise ValueError(
                f"DNS over HTTP needs TLS; expected https:// such as https://127.0.0.1:443/dns-query, found {units.shown(value)}"
            )
    raise ValueError(f"expected 127.0.0.1:53, tls://127.0.0.1:853 or https://127.0.0.1:443/dns-query, found {units.shown(value)}")


def _address(where: str, port: int, value: object, example: str) -> str:
    try:
        return units.address(where, port, 0)
    except ValueError as error:
        text = str(error)  # its example is of another form
        reason = text if text.startswith("expected a port") else text.partition(": ")[2]
        raise ValueError(f"expected {example}, found {units.shown(value)}{': ' + reason if reason else ''}") from None


def _path(path: str) -> str:
    if not path or path == "/":
        return DOH_PATH
    is_plain = _PATH.fullmatch(path) and len(path) <= PATH_OCTETS_MAX
    if not is_plain or any(step in (".", "..") for step in path.split("/")):
        raise ValueError(f"expected a path such as {DOH_PATH}, without a query, found {units.shown(path)}")
    return path
