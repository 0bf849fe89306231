"""The bound of aliases that one name may lead through, wherever they come from: our zones, one upstream, or several in turn."""

from __future__ import annotations

from collections.abc import Iterable

from dnsdisco.wire.constants import CNAME
from dnsdisco.wire.reply import RR

ALIASES_MAX = 16  # Unbound follows 11, dnsmasq answers 12; names in use need three or four
TOO_MANY = f"more than {ALIASES_MAX} aliases in a row"


def count(records: Iterable[RR]) -> int:
    """The aliases among *records*."""
    return sum(record.rtype == CNAME for record in records)


def are_too_many(number: int) -> bool:
    """So many aliases in a row are not followed; TOO_MANY is the reason."""
    return number > ALIASES_MAX
