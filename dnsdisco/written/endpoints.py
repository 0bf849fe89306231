"""A listener and an upstream: an address with its transport, plain DNS, `tls://` (RFC 7858) or `https://` (RFC 8484).

`str()` of either is its canonical form, which is read again unchanged.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from dnsdisco.written import addresses
from dnsdisco.written.addresses import is_ip, join_port, split_address, split_port
from dnsdisco.written.names import dns_name
from dnsdisco.written.transports import DNS_PORT, examples, HTTPS_PORT, TLS_PORT, Transport, TRANSPORTS
from dnsdisco.written.units import shown, text_of

PATH_OCTETS_MAX = 255

_TEMPLATE = "{?dns}"  # the form in which a URI template is written (RFC 8484 §3); clients add it, servers do not need it
_LISTENED_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]*)+")
_ASKED_PATH = re.compile(r"/[!$-;=?-\]_a-z~]+")  # what may stand in a request line; # begins the name
_UPSTREAMS = "192.0.2.1, 192.0.2.1:5353, tls://192.0.2.1#dns.example, https://dns.example/dns-query or /etc/resolv.conf"


class Listener(NamedTuple):
    """An entry of `listen`. `scheme`: tls, https; "" for plain DNS. `address`: as addresses.address() writes it. `path`: of https."""

    scheme: str
    address: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}{self.path}" if self.scheme else self.address

    @property
    def transport(self) -> Transport:
        return TRANSPORTS[self.scheme]

    def apart(self) -> dict[str, Any]:
        """The parts as JSON, for the supervisor, which parses nothing."""
        host, port = split_address(self.address)
        transport = self.transport
        how = transport.how.format(path=self.path)
        bound = {"sockets": transport.sockets, "usual_port": transport.port, "elsewhere": transport.elsewhere}
        return {
            "scheme": self.scheme,
            "host": host,
            "port": port,
            "path": self.path,
            **bound,
            "command": transport.command,
            "how": how,
        }


class UpstreamAddress(NamedTuple):
    """A resolver to forward to.

    `transport`: "udp" (TCP when need be), "tls" or "https". `name`: what the certificate must name; "": the host itself.
    """

    transport: str
    host: str  # IPv4 or IPv6 text, with its %scope for a link-local address; for https perhaps a name, in lower case
    port: int
    name: str = ""
    path: str = ""  # https: of the URL

    @property
    def is_by_name(self) -> bool:
        """The host is a name, to be resolved by another upstream."""
        return self.transport == "https" and not is_ip(self.host)

    def __str__(self) -> str:
        place = join_port(self.host, self.port)
        name = f"#{self.name}" if self.name else ""
        if self.transport == "https":
            return f"https://{place.removesuffix(f':{HTTPS_PORT}')}{self.path}{name}"
        return f"tls://{place}{name}" if self.transport == "tls" else place


def listener(value: object) -> Listener:
    """`127.0.0.1:53` (port 53 when left out), `tls://127.0.0.1:853`, `https://127.0.0.1:443/dns-query`. Port 0: the system chooses."""
    text = text_of(value)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Listener("", addresses.address(value, DNS_PORT, 0))
    transport = TRANSPORTS.get(scheme.lower())
    if transport is not None and scheme:
        if not transport.path:
            return Listener(transport.scheme, _listened_address(rest.removesuffix("/"), transport, value))
        where, slash, path = rest.removesuffix(_TEMPLATE).partition("/")
        return Listener(transport.scheme, _listened_address(where, transport, value), _listened_path(slash + path, transport))
    match scheme.lower():
        case "udp" | "tcp" | "dns":
            raise ValueError(f"leave {scheme}:// out: an address alone is answered on over UDP and TCP, found {shown(value)}")
        case "http":
            raise ValueError(
                f"DNS over HTTP needs TLS; expected https:// such as {TRANSPORTS['https'].example}, found {shown(value)}"
            )
    raise ValueError(f"expected {examples()}, found {shown(value)}")


def upstream(value: object) -> UpstreamAddress:
    """The resolver that was written.

    `192.0.2.1:53` (port 53 when left out), `tls://192.0.2.1:853#name` (port 853 when left out, the name is what the certificate is
    checked against), `https://host/path` (`#name` as above where the host is an address). A scope such as `fe80::1%eth0` stays.
    """
    try:
        return _upstream(text_of(value))
    except ValueError as error:
        reason = str(error)
        if reason.startswith("expected an address"):  # the longer example stands above it already
            reason = reason.partition(": ")[2]
        raise ValueError(
            f"expected an upstream such as {_UPSTREAMS}, found {shown(value)}{': ' + reason if reason else ''}"
        ) from None


def is_path(text: str) -> bool:
    """An upstream that is a file: it has a slash and no scheme, or is named as resolver files are."""
    return "://" not in text and ("/" in text or text.endswith(".conf"))


def upstream_or_path(value: object) -> str:
    """The canonical form of an upstream, or the path of a file such as /etc/resolv.conf, which the caller makes absolute."""
    text = text_of(value)
    return text if is_path(text) else str(upstream(value))


def _listened_address(where: str, transport: Transport, value: object) -> str:
    try:
        return addresses.address(addresses.unescaped_scope(where), transport.port, 0)
    except ValueError as error:
        text = str(error)  # its example is of another form
        reason = text if text.startswith("expected a port") else text.partition(": ")[2]
        raise ValueError(f"expected {transport.example}, found {shown(value)}{': ' + reason if reason else ''}") from None


def _listened_path(path: str, transport: Transport) -> str:
    if not path or path == "/":
        return transport.path
    is_plain = _LISTENED_PATH.fullmatch(path) and len(path) <= PATH_OCTETS_MAX
    if not is_plain or any(step in (".", "..") for step in path.split("/")):
        raise ValueError(f"expected a path such as {transport.path}, without a query, found {shown(path)}")
    return path


def _upstream(text: str) -> UpstreamAddress:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return UpstreamAddress("udp", *split_address(addresses.address(text, DNS_PORT)))
    match scheme.lower():
        case "tls":
            where, has_name, name = rest.partition("#")
            host, port = split_address(addresses.address(addresses.unescaped_scope(where.rstrip("/")), TLS_PORT))
            return UpstreamAddress("tls", host, port, dns_name(name) if has_name else "")
        case "https":
            return _https_upstream(rest)
        case "udp" | "tcp" | "dns":
            raise ValueError(f"leave {scheme}:// out; UDP is tried first, and TCP where it is needed")
    raise ValueError(f"{shown(scheme)} is not a known scheme")


def _https_upstream(rest: str) -> UpstreamAddress:
    rest, _, name = rest.partition("#")
    where, slash, path = rest.partition("/")
    path = slash + path.removesuffix(_TEMPLATE)
    if "@" in where:
        raise ValueError("a user name has no use here")
    host, port_text = split_port(addresses.unescaped_scope(where))
    if not host or not path.strip("/"):
        raise ValueError("the host or the path is missing, often /dns-query")
    if not _ASKED_PATH.fullmatch(path):
        raise ValueError("the path has a character that must be written as %XX")
    port = HTTPS_PORT if port_text is None else addresses.port(port_text)
    if is_ip(host):
        return UpstreamAddress("https", addresses.ip(host), port, dns_name(name) if name else "", path)
    if name:
        raise ValueError("a #name has no use where the host is a name")
    host = dns_name(host)
    if host.rpartition(".")[2].isdigit():
        raise ValueError("this is no IP address")
    return UpstreamAddress("https", host, port, "", path)
