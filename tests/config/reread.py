"""Settings that are read again: their plain form is one that a person could have written, but for what is off."""

from __future__ import annotations

from dnsdisco.config.reading import checked
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import to_plain


def reread(settings: Settings) -> Settings:
    plain = to_plain(settings)
    off = {key: "off" for key in ("http", "state_dir", "control") if plain[key] is None}
    return checked({**plain, **off})
