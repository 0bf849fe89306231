"""Reverse names: `4.3.2.1.in-addr.arpa` and the nibbles of ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5)."""

from __future__ import annotations

import ipaddress

from dnsdisco.wire.name import Labels

IN_ADDR: Labels = (b"in-addr", b"arpa")
IP6: Labels = (b"ip6", b"arpa")
_NIBBLES = frozenset(b"0123456789abcdef")


def address_of(labels: Labels) -> str | None:
    """The address (canonical text) that a whole reverse name stands for; None for any other name."""
    if labels[-2:] == IN_ADDR and len(labels) == 6:
        octets = labels[3::-1]
        if all(_is_octet(label) for label in octets):
            return ".".join(label.decode() for label in octets)
    elif labels[-2:] == IP6 and len(labels) == 34:
        nibbles = labels[31::-1]
        if all(len(label) == 1 and label[0] in _NIBBLES for label in nibbles):
            return str(ipaddress.IPv6Address(int(b"".join(nibbles), 16)))
    return None


def is_part(labels: Labels) -> bool:
    """*labels* are the end of a whole reverse name, which may be an instance's: an empty non-terminal then (RFC 8020)."""
    if labels[-2:] == IN_ADDR:
        return len(labels) < 6 and all(_is_octet(label) for label in labels[:-2])
    return labels[-2:] == IP6 and len(labels) < 34 and all(len(label) == 1 and label[0] in _NIBBLES for label in labels[:-2])


def _is_octet(label: bytes) -> bool:
    return label.isdigit() and len(label) <= 3 and int(label) <= 255 and (label == b"0" or label[:1] != b"0")
