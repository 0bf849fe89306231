"""Special-use names: answered here, never forwarded, each overridable by `forward.zones` (RFC 6761 §5; listed in docs/special-names.md).

A zone of ours inside one of them is served all the same; its ancestors then exist (RFC 8020).
"""

from __future__ import annotations

from enum import Enum

from dnsdisco.wire.name import from_text as name_from_text
from dnsdisco.wire.name import labels_of

Labels = tuple[bytes, ...]


class Rule(Enum):
    LOCALHOST = "localhost"  # loopback addresses (RFC 6761 §6.3)
    LOOPBACK_PTR = "loopback-ptr"  # PTR localhost. (RFC 6303 §4.2)
    NOTHING = "nothing"  # NXDOMAIN at the name and below
    EMPTY = "empty"  # the name exists with nothing in it; NXDOMAIN below
    NODATA = "nodata"  # NODATA at the name and below


def _zone(text: str) -> Labels:
    return labels_of(name_from_text(text))


_RULES: dict[Labels, Rule] = {
    _zone("localhost"): Rule.LOCALHOST,
    _zone("invalid"): Rule.NOTHING,  # RFC 6761 §6.4
    _zone("onion"): Rule.NOTHING,  # RFC 7686 §2
    _zone("alt"): Rule.NOTHING,  # RFC 9476 §2
    _zone("local"): Rule.NOTHING,  # RFC 6762 §22.1
    _zone("home.arpa"): Rule.EMPTY,  # RFC 8375 §4
    _zone("resolver.arpa"): Rule.NODATA,  # RFC 9462 §6.4
    _zone("127.in-addr.arpa"): Rule.LOOPBACK_PTR,
    _zone("1" + ".0" * 31 + ".ip6.arpa"): Rule.LOOPBACK_PTR,
}

# RFC 6303 §4, RFC 7793 §2: private, link-local and documentation ranges.
REVERSE_ZONES: tuple[Labels, ...] = tuple(
    _zone(name)
    for name in (
        "10.in-addr.arpa",
        *(f"{octet}.172.in-addr.arpa" for octet in range(16, 32)),
        "168.192.in-addr.arpa",
        *(f"{octet}.100.in-addr.arpa" for octet in range(64, 128)),
        "0.in-addr.arpa",
        "254.169.in-addr.arpa",
        "2.0.192.in-addr.arpa",
        "100.51.198.in-addr.arpa",
        "113.0.203.in-addr.arpa",
        "255.255.255.255.in-addr.arpa",
        "0" + ".0" * 31 + ".ip6.arpa",
        "d.f.ip6.arpa",
        "8.e.f.ip6.arpa",
        "9.e.f.ip6.arpa",
        "a.e.f.ip6.arpa",
        "b.e.f.ip6.arpa",
        "8.b.d.0.1.0.0.2.ip6.arpa",
    )
)
_RULES.update(dict.fromkeys(REVERSE_ZONES, Rule.EMPTY))

_DEPTHS = sorted({len(zone) for zone in _RULES}, reverse=True)


def rule_for(labels: Labels) -> tuple[Labels, Rule] | None:
    """The special-use zone that *labels* (lower case) are in and its rule; the longest one. O(1)."""
    for depth in _DEPTHS:
        if len(labels) >= depth and (rule := _RULES.get(labels[len(labels) - depth :])) is not None:
            return labels[len(labels) - depth :], rule
    return None


def is_overridden(labels: Labels, special_zone: Labels, overrides: frozenset[Labels]) -> bool:
    """A forward zone that is the special one or inside it has been configured on purpose."""
    return any(
        len(zone) >= len(special_zone) and labels[len(labels) - len(zone) :] == zone
        for zone in overrides
        if len(labels) >= len(zone)
    )
