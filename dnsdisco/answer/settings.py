"""The settings of the answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from dnsdisco.settings.declared import Settings
from dnsdisco.wire.name import Labels
from dnsdisco.zone.settings import ZoneSettings


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """`overrides`: the zones of `forward.zones`, which may take special names from us."""

    zone: ZoneSettings = field(default_factory=ZoneSettings)
    overrides: frozenset[Labels] = frozenset()
    rebind_allowed: frozenset[Labels] = frozenset()  # domains whose names may have private addresses all the same

    @property
    def configured(self) -> Settings:
        return self.zone.configured
