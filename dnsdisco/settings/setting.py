"""The parts of a setting's declaration beside its name, its type and its default; and the bounds that several settings share."""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.settings.kinds import ValueKind

TTL_S_MAX = 3600  # an address that may change any second is not to be kept longer than an hour
KEPT_S_MAX = 7 * 86400  # RFC 8767 §4: longer TTLs are capped at a week


class Setting(NamedTuple):
    """*values*, *default*: for the table of the documentation, where the words of the kind and the value itself would not do."""

    kind: ValueKind
    sentence: str
    values: str = ""
    default: str = ""
    is_for_workers: bool = False  # a worker gets it. Not by default: workers read what strangers send, so they hold no secret
    needs_restart: bool = False  # the supervisor has bound and started by it
    flag: str = ""  # of `dnsdisco serve`; "": there is none


class Section(NamedTuple):
    """The annotation of a setting that is a mapping of others."""

    is_for_workers: bool = False
