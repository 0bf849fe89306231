"""The settings of our zones, ready for the zone room."""

from __future__ import annotations

from dataclasses import dataclass

from dnsdisco.settings.declared import Settings
from dnsdisco.wire.name import from_text as name_from_text
from dnsdisco.wire.name import Labels, labels_of


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """`zones`: those of `configured`, as labels; the first one is that which PTR targets are in. TTLs in seconds."""

    zones: tuple[Labels, ...] = ((b"svc", b"local"),)
    server_addresses: tuple[str, ...] = ("127.0.0.1",)  # of the name server's name: where we listen
    configured: Settings = Settings()  # noqa: RUF009  immutable
    stale_ttl: int = 30  # at most, on answers of a provider that is not there (RFC 8767 §5)

    def zone_of(self, labels: Labels) -> Labels | None:
        """The longest of our zones that *labels* (lower case) are in, else None."""
        best: Labels | None = None
        for zone in self.zones:
            if len(labels) >= len(zone) and labels[len(labels) - len(zone) :] == zone and (best is None or len(zone) > len(best)):
                best = zone
        return best


def zone_labels(text: str) -> Labels:
    """The labels of a zone's name as a person wrote it, in lower case. Raises WireError."""
    return labels_of(name_from_text(text).lower())
