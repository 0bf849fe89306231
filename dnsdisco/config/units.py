"""One written value in, one canonical value out. Every function raises ValueError whose text says what was expected and what was found.

Canonical forms are plain str, int and float that these functions read again unchanged, so settings travel as JSON. Providers use
this file for their own options and for the values of a services file.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

DNS_PORT = 53
DOT_PORT = 853  # RFC 7858 §3.1

# What the word `private` stands for: private and link-local ranges, whose packets no router on the Internet carries (RFC 1918,
# RFC 3927, RFC 4193, RFC 4291 §2.5.6). Carrier-grade NAT (100.64.0.0/10) is shared with strangers, so it is not among them.
PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")

DURATION_S_MAX = 10 * 365 * 86400  # ten years: anything beyond is a slip of the pen, and no clock here overflows below it
NAME_OCTETS_MAX = 253  # as text without the last dot: 255 octets on the wire (RFC 1035 §2.3.4)
ZONE_OCTETS_MAX = 125  # as text: 127 octets in a message, which with two labels makes the 255 of RFC 1035 §2.3.4
LABEL_OCTETS_MAX = 63
SHOWN_CHARACTERS_MAX = 60  # of a wrong value in a message

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")


def shown(value: object) -> str:
    """A wrong value as a message shows it: one line, printable, short."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
    text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(value)[: SHOWN_CHARACTERS_MAX + 1])
    text = text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 1] + "…"
    return f"'{text}'" if isinstance(value, str) else text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" for a slip of the pen, else ""."""
    as_written = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), as_written, n=1, cutoff=0.65)
    return f"; did you mean {as_written[near[0]]}?" if near else ""


def number(value: object, low: int, high: int) -> int:
    """A whole number from *low* to *high*. A boolean is not a number, and neither is a text."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise ValueError(f"expected a whole number from {low} to {high}, found {shown(value)}")


def duration_s(value: object, low: float = 0.0, high: float = DURATION_S_MAX) -> float:
    """Seconds, from a number or from a text such as `10s`, `500ms`, `1m30s`; units us, ms, s, m, h, d, w."""
    seconds = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value) if abs(value) <= DURATION_S_MAX else math.inf  # an int may be too large for a float
    elif isinstance(value, str) and len(value) <= SHOWN_CHARACTERS_MAX and value.isascii():
        text = value.strip().lower()
        if re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        elif text and not _DURATION_PART.sub("", text):
            seconds = sum(float(count) * _SECONDS[unit] for count, unit in _DURATION_PART.findall(text))
    if math.isnan(seconds):
        raise ValueError(f"expected a duration such as 10s, 500ms or 1m (a number is seconds), found {shown(value)}")
    if not low <= seconds <= high:
        raise ValueError(f"expected a duration from {low:g} to {high:g} seconds, found {shown(value)}")
    return seconds


def whole_seconds(value: object, low: int, high: int) -> int:
    """A TTL: whole seconds, from a number or from a text such as `5m`."""
    seconds = duration_s(value, low, high)
    if seconds != int(seconds):
        raise ValueError(f"expected whole seconds, found {shown(value)}")
    return int(seconds)


def ip(text: str) -> str:
    """An IPv4 or IPv6 address in its canonical text (RFC 5952); a scope such as `%eth0` stays."""
    return str(ipaddress.ip_address(text))


def address(value: object, default_port: int | None = None, lowest_port: int = 1) -> str:
    """`127.0.0.1:53` or `[::1]:53`, from that or, where there is a default port, from a bare address.

    `lowest_port` 0 lets port 0 through: an address to listen on, whose port the system chooses.
    """
    example = "an address with a port such as 127.0.0.1:53 or [::1]:53"
    host, port_text = _split_port(_text(value))
    if not host or host == "*":
        hint = "; for every address write 0.0.0.0:PORT and [::]:PORT" if port_text else ""
        raise ValueError(f"expected {example}, found {shown(value)}{hint}")
    try:
        host = ip(host)
    except ValueError:
        reason = "a name cannot be used here" if re.search(r"[g-zG-Z]", host) else "this is no IP address"
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


def networks(value: object) -> tuple[str, ...]:
    """The networks in canonical text that `10.0.0.0/8`, a bare address, or the word `private` stands for."""
    example = "a network such as 10.0.0.0/8, an address, or the word private"
    text = _text(value)
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


def upstream(value: object) -> str:
    """A resolver to forward to, in canonical form.

    `192.0.2.1:53` (port 53 when left out), `tls://192.0.2.1:853#name` (RFC 7858; port 853 when left out, the name is what the
    certificate is checked against), `https://host/path` (RFC 8484; `#name` as above
    where the host is an address), or the path of a file such as /etc/resolv.conf, which the caller
    makes absolute.
    """
    try:
        return _upstream(_text(value))
    except ValueError as error:
        example = "192.0.2.1, 192.0.2.1:5353, tls://192.0.2.1#dns.example, https://dns.example/dns-query or /etc/resolv.conf"
        reason = str(error)
        if reason.startswith("expected an address"):  # the longer example stands above it already
            reason = reason.partition(": ")[2]
        raise ValueError(f"expected an upstream such as {example}, found {shown(value)}{': ' + reason if reason else ''}") from None


def is_path(text: str) -> bool:
    """An upstream that is a file: it has a slash and no scheme, or is named as resolver files are."""
    return "://" not in text and ("/" in text or text.endswith(".conf"))


def dns_name(value: object) -> str:
    """A DNS name (RFC 1035 §2.3.4) in lower case without its last dot; letters, digits, `-` and `_` only. Never the root."""
    text = _text(value).lower().removesuffix(".")
    if not text.isascii():
        raise ValueError(f"expected a DNS name in ASCII, found {shown(value)}; write it in its xn-- form (RFC 5890)")
    if len(text) > NAME_OCTETS_MAX:
        raise ValueError(f"expected a DNS name of at most {NAME_OCTETS_MAX} octets, found {len(text)}")
    for label in text.split("."):
        if len(label) > LABEL_OCTETS_MAX:
            raise ValueError(f"expected labels of at most {LABEL_OCTETS_MAX} octets, found {shown(label)}")
        if not _LABEL.fullmatch(label):
            raise ValueError(
                f"expected a DNS name such as svc.local (letters, digits, - and _, with single dots between labels), found {shown(value)}",
            )
    return text


def zone(value: object) -> str:
    """A zone to serve: a DNS name that leaves room for `INSTANCE.SERVICE.` of 63 octets each."""
    text = dns_name(value)
    if len(text) > ZONE_OCTETS_MAX:
        raise ValueError(
            f"expected a zone of at most {ZONE_OCTETS_MAX} characters, found {len(text)}: names below it would be too long"
        )
    return text


def _text(value: object) -> str:
    """What was written; "" for what is not a text, which then fits nothing."""
    return value.strip() if isinstance(value, str) else ""


def _split_port(text: str) -> tuple[str, str | None]:
    """Host and the text of the port; None: there is none. More than one colon outside brackets is a bare IPv6 address."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text, re.DOTALL)
    if bracketed:
        return bracketed[1], bracketed[2]
    if text.count(":") == 1:
        host, _, port_text = text.partition(":")
        return host, port_text
    return text, None


def _upstream(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text if is_path(text) else address(text, DNS_PORT)
    match scheme.lower():
        case "tls":
            return _tls_upstream(rest)
        case "https":
            return _https_upstream(text)
        case "udp" | "tcp" | "dns":
            raise ValueError(f"leave {scheme}:// out; UDP is tried first, and TCP where it is needed")
    raise ValueError(f"{shown(scheme)} is not a known scheme")


def _tls_upstream(rest: str) -> str:
    where, has_name, name = rest.partition("#")
    where = address(where.rstrip("/"), DOT_PORT)
    return f"tls://{where}#{dns_name(name)}" if has_name else f"tls://{where}"


def _https_upstream(text: str) -> str:
    text = "https" + text[text.index("://") :].removesuffix("{?dns}")  # a URI template (RFC 8484 §4.1.1)
    parts = urlsplit(text)
    if not parts.hostname or not parts.path.strip("/"):
        raise ValueError("the host or the path is missing, often /dns-query")
    if parts.username is not None:
        raise ValueError("a user name has no use here")
    if parts.fragment:
        try:
            ipaddress.ip_address(parts.hostname)
        except ValueError:
            raise ValueError("a #name has no use where the host is a name") from None
        dns_name(parts.fragment)
    if parts.port == 0:
        raise ValueError("port 0 cannot be used")
    return text
