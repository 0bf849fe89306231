"""Where an answer came from, in a word: for a person who looks at the queries."""

from __future__ import annotations

from dnsdisco.answer import special_use
from dnsdisco.wire.constants import AA, REFUSED
from dnsdisco.wire.name import Labels
from dnsdisco.zone.settings import ZoneSettings

TABLE = "table"  # a compiled answer of ours
CATALOG = "catalog"  # made from the catalog for this query
CACHE = "cache"
STALE = "stale"  # from the cache, past its end
UPSTREAM = "upstream"
SPECIAL = "special"
REFUSED_HERE = "refused"
SOURCES = (TABLE, CATALOG, CACHE, STALE, UPSTREAM, SPECIAL, REFUSED_HERE)
_OF_OTHERS = frozenset((CACHE, STALE, UPSTREAM))


def source_of(noted: str, reply: bytes, labels: Labels, zones: ZoneSettings, *, is_fault: bool = False) -> str:
    """*noted*: what was noted on the way; "": nothing, so the answer was made here. *labels*: of the question, in lower case."""
    if noted in _OF_OTHERS:
        return noted
    if is_fault or reply[3] & 15 == REFUSED:
        return REFUSED_HERE
    if not reply[2] << 8 & AA:
        return CACHE if noted == TABLE else CATALOG  # the table has answers of the cache, too
    if zones.zone_of(labels) is None and special_use.rule_for(labels) is not None:
        return SPECIAL
    return noted or CATALOG
