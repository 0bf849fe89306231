"""The log of control: a line per change of state, never a secret. A retry that fails as before is not logged.

Like the providers' room, control logs with structlog; this file turns each event into a line of the server's one form.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

import structlog

from dnsdisco.log.handler import install
from dnsdisco.log.lines import LEVELS, Lines

LOGGED_MAX = 10_000  # reasons remembered, so that each is logged once; then they may be logged again
SHOWN_MAX = 20  # of a kind at once; the rest is counted, `dnsdisco check` lists them all

Logger = structlog.typing.FilteringBoundLogger


class _Events:
    """The target of structlog: a method for each level."""

    def __init__(self, lines: Lines) -> None:
        for level in LEVELS:
            setattr(self, level, partial(_event, lines, level))


def _event(lines: Lines, level: str, event: object = "", **fields: object) -> None:
    lines.event(level, str(event), **fields)


def configure(lines: Lines) -> None:
    """Everything that this process logs goes into *lines*, which hold back what is below their level. Packages' warnings, too."""
    structlog.configure(
        processors=[],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS["debug"]),
        logger_factory=lambda *_: _Events(lines),
        cache_logger_on_first_use=True,
    )
    install(lines, "warning")


def time_of_day() -> str:
    """Now, for people."""
    return time.strftime("%H:%M:%SZ", time.gmtime())


def logger() -> Logger:
    log: Logger = structlog.get_logger()
    return log


class LoggedReasons:
    """Which reasons a person has heard already. Bounded."""

    def __init__(self) -> None:
        self._logged: set[object] = set()

    def news(self, reasons: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The reasons that were not logged before, each once; they count as logged from now on."""
        fresh = [reason for reason in dict.fromkeys(reasons) if reason not in self._logged]
        if len(self._logged) + len(fresh) > LOGGED_MAX:
            self._logged.clear()
        self._logged.update(fresh[:LOGGED_MAX])
        return fresh


def log_faults(log: Logger, logged: LoggedReasons, event: str, faults: Iterable[tuple[str, str]], **fields: str) -> None:
    """One warning for each (service, reason) that is new; beyond SHOWN_MAX one line counts the rest."""
    fresh = logged.news(faults)
    for service, reason in fresh[:SHOWN_MAX]:
        log.warning(event, service=service, reason=reason, **fields)
    if len(fresh) > SHOWN_MAX:
        log.warning(event, more=len(fresh) - SHOWN_MAX, **fields)
