"""Active health checks: what a `check` may ask. Only the instance itself, at a port that it has registered.

The author of a service writes its check. Without these rules the author could send requests from this machine to any address that
it can reach: to the metadata service of a cloud, or to another machine's admin page.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from dnsdisco.model.address import canonical_address, DEFAULT_PORTS
from dnsdisco.model.public import shown_url
from dnsdisco.model.service import Check, Health, Instance
from dnsdisco.written.units import number_from, shown

PATH_CHARACTERS_MAX = 2048  # what servers accept as a request line
SHOWN_INSTANCES = 3  # named in one message

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\[\]]+\]|\{address\}|[^\[\]:{}@]+)(?::(\{port\}|[0-9]{1,5}))?")
_PATH = re.compile(r"[!-~]*")
_PLACEHOLDER = re.compile(r"\{(address|port)\}")

# Link-local addresses answer for the link or for the machine's own host (RFC 3927, RFC 4291 §2.5.6), among them the metadata services
# of the clouds (169.254.169.254); the others are those that clouds put elsewhere.
_REFUSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "fd00:ec2::/64",
            "fd20:ce::/64",
            "0.0.0.0/8",
            "::/128",
            "224.0.0.0/3",
            "ff00::/8",
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1


class Template(NamedTuple):
    """A check as written. `host` "": the instance's address; `port` 0: its first port."""

    scheme: str  # "http", "https", "tcp"
    host: str
    port: int
    path: str  # of the request, from the slash on, placeholders in it still


class Probe(NamedTuple):
    """One thing to be asked over and over. Equal probes are one, whichever services they stand for."""

    scheme: str
    address: str  # canonical; a host name is resolved each time
    port: int
    path: str
    verify: bool
    interval_s: float
    timeout_s: float
    rise: int
    fall: int
    initial: Health

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110 §7.2)."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"


def template(http: str, tcp: str) -> Template:
    """Check the text of `http` or `tcp`. Raises ValueError for one by which no instance could be asked."""
    if http:
        return _http(http)
    host, port = _authority(tcp, tcp)
    if port is None:
        raise ValueError(f"expected an address and a port such as {{address}}:{{port}}, found {shown(tcp)}")
    return Template("tcp", host, port, "")


def probe(check: Check, instance: Instance) -> Probe:
    """The question to *instance*. Raises ValueError, with the reason, where the check would ask another host."""
    scheme, host, port, path = template(check.http, check.tcp)
    if host and host != instance.address:
        raise ValueError(f"a check may ask the instance alone: expected {{address}} in place of {shown(host)}")
    numbers = [each.number for each in instance.ports if each.protocol in ("", "tcp")]
    if not numbers:
        raise ValueError("it has no port (of TCP) that a check could ask")
    if port and port not in numbers:
        raise ValueError(f"a check may ask a port of the instance alone: expected {{port}} or one of `ports` in place of {port}")
    if is_refused(instance.address):
        raise ValueError(f"{instance.address} is a link-local or metadata address, which is never asked")
    port = port or numbers[0]
    values = {"address": instance.address, "port": str(port)}
    return Probe(
        scheme,
        instance.address,
        port,
        _PLACEHOLDER.sub(lambda match: values[match[1]], path),
        check.verify,
        check.interval_s,
        check.timeout_s,
        check.rise,
        check.fall,
        check.initial,
    )


def faults(check: Check, instances: Sequence[Instance]) -> list[str]:
    """Why some instances are not checked, each reason once."""
    reasons: dict[str, list[str]] = {}
    for instance in instances:
        try:
            probe(check, instance)
        except ValueError as error:
            reasons.setdefault(str(error), []).append(instance.id)
    return [f"not run for {_listed(ids)}: {reason}" for reason, ids in reasons.items()]


def is_refused(address: str) -> bool:
    """Never to be asked, whatever leads there. False for host names: what they resolve to is to be looked at."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif parsed in _NAT64:
            parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    return any(parsed in network for network in _REFUSED if network.version == parsed.version)


def _http(url: str) -> Template:
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"expected a URL such as http://{{address}}:{{port}}/health, found {shown_url(url)}")
    scheme, authority, path = match[1].lower(), match[2], match[3] or "/"
    path = path if path.startswith("/") else f"/{path}"
    if not _PATH.fullmatch(path) or len(path) > PATH_CHARACTERS_MAX:
        raise ValueError(f"expected a path of at most {PATH_CHARACTERS_MAX} ASCII characters without spaces, found {shown(path)}")
    if re.search(r"[{}]", _PLACEHOLDER.sub("", path)):
        raise ValueError(f"expected {{address}} and {{port}} alone in braces, found {shown(path)}")
    host, port = _authority(authority, url)
    return Template(scheme, host, DEFAULT_PORTS[scheme] if port is None else port, path)


def _authority(text: str, whole: str) -> tuple[str, int | None]:
    if "@" in text:
        raise ValueError(f"expected no user name and password in a check, found {shown_url(whole)}")
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise ValueError(f"expected an address and a port such as {{address}}:{{port}}, found {shown(text)}")
    host, port = match[1], match[2]
    literal = "" if host in ("{address}", "[{address}]") else canonical_address(host)
    return literal, None if port is None else 0 if port == "{port}" else number_from(port, 1, 65535)


def _listed(ids: list[str]) -> str:
    named = ", ".join(ids[:SHOWN_INSTANCES])
    return named if len(ids) <= SHOWN_INSTANCES else f"{named} and {len(ids) - SHOWN_INSTANCES} more"
