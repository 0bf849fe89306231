"""Addresses that no name of the public DNS has business with: those of this host and of networks that the Internet does not carry.

A page of a stranger may give its own name the address of a device of yours, and then speak to it from your browser as if to itself (DNS
rebinding). With `forward.rebind_protection` such answers are withheld.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.wire.constants import A, AAAA, EDE_BLOCKED, HTTPS, NOERROR, SVCB
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name import Labels
from dnsdisco.wire.reply import Reply, RR

# This host and network (RFC 1122 §3.2.1.3), private use (RFC 1918), shared (RFC 6598), link-local (RFC 3927), broadcast.
_IPV4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "255.255.255.255/32",
    )
)
# This host, IPv4 in IPv6 (RFC 4291 §2.5.5), unique local (RFC 4193), link-local; site-local, which some still route (RFC 3879).
_IPV6 = tuple(ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "fc00::/7", "fe80::/10", "fec0::/10"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1: an IPv4 address in its last 32 bits
_IPV4_HINT, _IPV6_HINT = 4, 6  # keys of SVCB and HTTPS records (RFC 9460 §7.3)

BLOCKED = Reply(NOERROR, ede=(Ede(EDE_BLOCKED, "a private address for a public name (forward.rebind_protection)"),))


def is_guarded(labels: Labels, settings: AnswerSettings) -> bool:
    """An upstream's private addresses for that name (lower case) are withheld: it is neither allowed nor in a zone of `forward.zones`,
    whose upstreams are asked because they know what is inside. The root is no such zone: it is everything."""
    if not settings.configured.forward.rebind_protection:
        return False
    free = settings.rebind_allowed | settings.overrides
    return not any(labels[at:] in free for at in range(len(labels)))


def has_private(records: Iterable[RR]) -> bool:
    return any(_is_private(record) for record in records)


def _is_private(record: RR) -> bool:
    if record.rtype == A:
        return _is_private_ipv4(record.rdata)
    if record.rtype == AAAA:
        return _is_private_ipv6(record.rdata)
    if record.rtype in (SVCB, HTTPS):
        return any(_is_private_hint(key, value) for key, value in _parameters(record.rdata))
    return False


def _is_private_ipv4(octets: bytes) -> bool:
    if len(octets) != 4:
        return False
    address = ipaddress.IPv4Address(octets)
    return any(address in network for network in _IPV4)


def _is_private_ipv6(octets: bytes) -> bool:
    if len(octets) != 16:
        return False
    address = ipaddress.IPv6Address(octets)
    return any(address in network for network in _IPV6) or (address in _NAT64 and _is_private_ipv4(octets[12:]))


def _is_private_hint(key: int, value: bytes) -> bool:
    size, is_private = {_IPV4_HINT: (4, _is_private_ipv4), _IPV6_HINT: (16, _is_private_ipv6)}.get(key, (0, _is_private_ipv4))
    return bool(size) and any(is_private(value[at : at + size]) for at in range(0, len(value), size))


def _parameters(rdata: bytes) -> list[tuple[int, bytes]]:
    """The SvcParams (RFC 9460 §2.2), as far as they can be read: what a client cannot read either does no harm."""
    at, found = 2, []
    while at < len(rdata) and rdata[at]:
        at += 1 + rdata[at]
    at += 1
    while at + 4 <= len(rdata):
        length = int.from_bytes(rdata[at + 2 : at + 4], "big")
        found.append((int.from_bytes(rdata[at : at + 2], "big"), rdata[at + 4 : at + 4 + length]))
        at += 4 + length
    return found
