"""An IP address with its scope, an address with a port, a network: as people write them, in one canonical form (RFC 5952, RFC 4007 §11)."""

from __future__ import annotations

import ipaddress
import re

from dnsdisco.written.units import did_you_mean, number, shown, text_of

# What the word `private` stands for: private and link-local ranges, whose packets no router on the Internet carries (RFC 1918,
# RFC 3927, RFC 4193, RFC 4291 §2.5.6). Carrier-grade NAT (100.64.0.0/10) is shared with strangers, so it is not among them.
PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")

_SCOPE = re.compile(r"[A-Za-z0-9._@-]{1,15}")  # an interface by its name (IFNAMSIZ) or its number


def ip(text: str) -> str:
    """An IPv4 or IPv6 address in its canonical text (RFC 5952); a scope such as `%eth0` stays. Raises ValueError."""
    canonical = str(ipaddress.ip_address(text))
    _, percent, scope = canonical.partition("%")
    if percent and not _SCOPE.fullmatch(scope):
        raise ValueError(f"expected a scope such as %eth0, found {shown(text)}")
    return canonical


def is_ip(text: str) -> bool:
    try:
        ip(text)
    except ValueError:
        return False
    return True


def address(value: object, default_port: int | None = None, lowest_port: int = 1) -> str:
    """`127.0.0.1:53` or `[::1]:53`, from that or, where there is a default port, from a bare address.

    `lowest_port` 0 lets port 0 through: an address to listen on, whose port the system chooses.
    """
    example = "an address with a port such as 127.0.0.1:53 or [::1]:53"
    host, port_text = split_port(text_of(value))
    if not host or host == "*":
        hint = "; for every address write 0.0.0.0:PORT and [::]:PORT" if port_text else ""
        raise ValueError(f"expected {example}, found {shown(value)}{hint}")
    try:
        host = ip(host)
    except ValueError:
        reason = "a name cannot be used here" if re.search(r"[g-zG-Z]", host.partition("%")[0]) else "this is no IP address"
        raise ValueError(f"expected {example}, found {shown(value)}: {reason}") from None
    if port_text is None:
        if default_port is None:
            raise ValueError(f"expected {example}, found {shown(value)}: the port is missing")
        return join_port(host, default_port)
    return join_port(host, port(port_text, lowest_port))


def port(value: object, lowest: int = 1) -> int:
    """A port, *lowest* to 65535, from a number or its text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    try:
        return number(value, lowest, 65535)
    except ValueError:
        raise ValueError(f"expected a port from {lowest} to 65535, found {shown(value)}") from None


def split_address(canonical: str) -> tuple[str, int]:
    """Host and port of what address() gave back."""
    host, _, port_text = canonical.rpartition(":")
    return host.strip("[]"), int(port_text)


def join_port(host: str, number: int) -> str:
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def split_port(text: str) -> tuple[str, str | None]:
    """Host and the text of the port; None: there is none. More than one colon outside brackets is a bare IPv6 address."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text, re.DOTALL)
    if bracketed:
        return bracketed[1], bracketed[2]
    if text.count(":") == 1:
        host, _, port_text = text.partition(":")
        return host, port_text
    return text, None


def unescaped_scope(host: str) -> str:
    """`[fe80::1%eth0]` for the `[fe80::1%25eth0]` of a URL (RFC 6874 §2); every other text as it is."""
    return host.replace("%25", "%", 1) if re.match(r"\[[0-9A-Fa-f:.]+%25[^\]]", host) else host


def networks(value: object) -> tuple[str, ...]:
    """The networks in canonical text that `10.0.0.0/8`, a bare address, or the word `private` stands for."""
    example = "a network such as 10.0.0.0/8, an address, or the word private"
    text = text_of(value)
    if text.lower() == "private":
        return PRIVATE_NETWORKS
    try:
        return (str(ipaddress.ip_network(text)),)
    except ValueError:
        pass
    try:
        wanted = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"expected {example}, found {shown(value)}{did_you_mean(text, ['private'])}") from None
    raise ValueError(f"expected {example}, found {shown(value)}: bits beyond the prefix are set; did you mean {wanted}?")
