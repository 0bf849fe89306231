"""What may have been meant by a name of ours that is not there, for the denial's Extended DNS Error: so many in a time, for it takes a search."""

from __future__ import annotations

from dnsdisco.answer.reasons import no_such_name
from dnsdisco.server.reply_sender import Client
from dnsdisco.wire.name import labels_of
from dnsdisco.wire.reply import Reply
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.settings import ZoneSettings

HINTS_MAX = 20  # denied names, in each HINTS_EVERY_S, that are held against what is there: 4 ms of a second at most
HINTS_EVERY_S = 1.0


class Hints:
    """Event loop only."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._left, self._due_at = HINTS_MAX, 0.0

    def of(self, client: Client, denial: Reply, zones: ZoneSettings) -> str:
        """ "" where nothing is like the name, or many names are denied just now; an explanation has one always.

        Behind aliases it is the last one's target that is not there.
        """
        query, is_explained = client.query, client.trace is not None
        if query.edns is None or not (self._left or is_explained):
            return ""
        labels = labels_of(denial.answer[-1].rdata.lower()) if denial.answer else query.labels
        zone = zones.zone_of(labels)
        if zone is None:
            return ""
        self._left -= not is_explained
        return no_such_name(self._catalog, labels[: len(labels) - len(zone)])

    def is_renewed(self, now: float) -> bool:
        """There are as many as ever again; to be called some times a second."""
        if now < self._due_at:
            return False
        self._due_at, self._left = now + HINTS_EVERY_S, HINTS_MAX
        return True
