"""DNS names as people write them (RFC 1035 §2.3.4). Every function raises ValueError that says what was expected and what was found."""

from __future__ import annotations

import re

from dnsdisco.written.units import shown, text_of

NAME_OCTETS_MAX = 253  # as text without the last dot: 255 octets on the wire (RFC 1035 §2.3.4)
ZONE_OCTETS_MAX = 125  # as text: 127 octets in a message, which with two labels makes the 255 of RFC 1035 §2.3.4
LABEL_OCTETS_MAX = 63

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")


def dns_name(value: object) -> str:
    """A DNS name in lower case without its last dot; letters, digits, `-` and `_` only. Never the root."""
    text = text_of(value).lower().removesuffix(".")
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
