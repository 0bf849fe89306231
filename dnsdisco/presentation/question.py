"""A question as people write it: a name, perhaps without its zone, or an address; and a type, which may be left out."""

from __future__ import annotations

import ipaddress

from dnsdisco.errors import excerpt, WireError
from dnsdisco.wire.constants import type_from_text, TYPES
from dnsdisco.wire.name import from_text


def type_of(rtype: str, name: str) -> int:
    """The number of *rtype*; "": A, or PTR where *name* is an address. Raises WireError."""
    return type_from_text(rtype) if rtype else TYPES["PTR" if _reverse(name) else "A"]


def owner_of(name: str, zone: str) -> bytes:
    """*name* in wire form: the reverse name of an address, else below *zone* where it has no dot. Raises WireError."""
    text = _reverse(name) or (name if "." in name else f"{name}.{zone}")
    try:
        return from_text(text if text.isascii() else _to_ascii(text))
    except (WireError, UnicodeError) as error:
        raise WireError(f"{excerpt(name)} is not a DNS name: {error}") from None


def _reverse(name: str) -> str:
    try:
        return ipaddress.ip_address(name).reverse_pointer
    except ValueError:
        return ""


def _to_ascii(text: str) -> str:
    return ".".join(label if label.isascii() else label.encode("idna").decode("ascii") for label in text.split("."))
