"""Special-use names: answered here, never forwarded, each overridable by `forward.zones` (RFC 6761 §5; docs/special-names.md is made from
this table).

A zone of ours inside one of them is served normally; its ancestors then exist (RFC 8020).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from dnsdisco.wire.name import from_text as name_from_text
from dnsdisco.wire.name import Labels, labels_of


class Rule(Enum):
    LOCALHOST = "localhost"  # loopback addresses (RFC 6761 §6.3)
    LOOPBACK_PTR = "loopback-ptr"  # PTR localhost. (RFC 6303 §4.2)
    NOTHING = "nothing"  # NXDOMAIN at the name and below
    EMPTY = "empty"  # the name exists with nothing in it; NXDOMAIN below
    NODATA = "nodata"  # NODATA at the name and below


class Special(NamedTuple):
    """`names`: zones as text. `source`: the RFC or registry. `meaning`: what they are, for the page that lists them."""

    names: tuple[str, ...]
    rule: Rule
    source: str
    meaning: str


_LINK_LOCAL = ("8.e.f.ip6.arpa", "9.e.f.ip6.arpa", "a.e.f.ip6.arpa", "b.e.f.ip6.arpa")
_TEST_NETS = ("2.0.192.in-addr.arpa", "100.51.198.in-addr.arpa", "113.0.203.in-addr.arpa")

TABLE: tuple[Special, ...] = (
    Special(("localhost",), Rule.LOCALHOST, "RFC 6761 §6.3", "this host"),
    Special(("invalid",), Rule.NOTHING, "RFC 6761 §6.4", "names that are meant not to exist"),
    Special(("onion",), Rule.NOTHING, "RFC 7686 §2", "Tor's names, which the DNS must not see"),
    Special(("alt",), Rule.NOTHING, "RFC 9476 §2", "names of other systems than the DNS"),
    Special(("local",), Rule.NOTHING, "RFC 6762 §22.1", "multicast DNS"),
    Special(("home.arpa",), Rule.EMPTY, "RFC 8375 §4", "home networks"),
    Special(("resolver.arpa",), Rule.NODATA, "RFC 9462 §6.4", "discovery of encrypted resolvers, which this one does not offer"),
    Special(("127.in-addr.arpa",), Rule.LOOPBACK_PTR, "RFC 6303 §4.2", "loopback addresses"),
    Special(("1" + ".0" * 31 + ".ip6.arpa",), Rule.LOOPBACK_PTR, "RFC 6303 §4.3", "the loopback address `::1`"),
    Special(
        ("10.in-addr.arpa", *(f"{octet}.172.in-addr.arpa" for octet in range(16, 32)), "168.192.in-addr.arpa"),
        Rule.EMPTY,
        "RFC 6303 §4.1",
        "private addresses (RFC 1918)",
    ),
    Special(
        tuple(f"{octet}.100.in-addr.arpa" for octet in range(64, 128)),
        Rule.EMPTY,
        "RFC 7793 §2",
        "shared address space of providers (RFC 6598)",
    ),
    Special(("0.in-addr.arpa",), Rule.EMPTY, "RFC 6303 §4.2", "this network"),
    Special(("254.169.in-addr.arpa",), Rule.EMPTY, "RFC 6303 §4.2, RFC 6762 §12", "link-local addresses"),
    Special(_TEST_NETS, Rule.EMPTY, "RFC 6303 §4.2", "addresses for documentation"),
    Special(("255.255.255.255.in-addr.arpa",), Rule.EMPTY, "RFC 6303 §4.2", "broadcast"),
    Special(("0" + ".0" * 31 + ".ip6.arpa",), Rule.EMPTY, "RFC 6303 §4.3", "the unspecified address `::`"),
    Special(("d.f.ip6.arpa",), Rule.EMPTY, "RFC 6303 §4.4", "unique local addresses (RFC 4193)"),
    Special(_LINK_LOCAL, Rule.EMPTY, "RFC 6303 §4.5, RFC 6762 §12", "link-local addresses"),
    Special(("8.b.d.0.1.0.0.2.ip6.arpa",), Rule.EMPTY, "RFC 6303 §4.6", "addresses for documentation (RFC 3849)"),
)

_RULES: dict[Labels, Rule] = {labels_of(name_from_text(text)): special.rule for special in TABLE for text in special.names}

# Where a reverse name that is cut short may have an instance's address below it.
REVERSE_ZONES: tuple[Labels, ...] = tuple(
    zone for zone, rule in _RULES.items() if rule is Rule.EMPTY and zone[-2:] in ((b"in-addr", b"arpa"), (b"ip6", b"arpa"))
)

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
