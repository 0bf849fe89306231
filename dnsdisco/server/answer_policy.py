"""What a responder is made with: the settings of answering, and where the time comes from."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from dnsdisco.answer.admit import Admission
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.server.cached_upstream import UpstreamLimits
from dnsdisco.settings.sections import CacheSettings
from dnsdisco.wire.reply import Limits


class Clock(NamedTuple):
    monotonic: Callable[[], float]
    unix: Callable[[], float]


class AnswerPolicy(NamedTuple):
    """The settings of answering."""

    answers: AnswerSettings
    admission: Admission
    recursion: bool  # forwarding is on: RA
    trust_ad: bool = False
    limits: Limits = Limits()
    cache: CacheSettings = CacheSettings()
    asking: UpstreamLimits = UpstreamLimits()
    origin: Hashable = None  # where answers of others come from; a change of it makes what is kept of them old
