"""What a person is told, on stderr: a line per change of state, never a secret, never a second line smuggled in by a name.

On a terminal for eyes, else as key=value for machines. Retries that fail as before are no news.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

TOLD_MAX = 10_000  # reasons remembered, so that each is told once; then they may be told again
SHOWN_MAX = 20  # of a kind at once; the rest is counted, `dnsdisco check` lists them all
TEXT_CHARACTERS_MAX = 1000

Logger = structlog.typing.FilteringBoundLogger


def configure(stream: TextIO | None = None) -> None:
    stream = stream or sys.stderr
    is_terminal = stream.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _one_line,
            structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback)
            if is_terminal
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def time_of_day() -> str:
    """Now, for people."""
    return time.strftime("%H:%M:%SZ", time.gmtime())


def logger() -> Logger:
    log: Logger = structlog.get_logger()
    return log


class Told:
    """Which reasons a person has heard already. Bounded."""

    def __init__(self) -> None:
        self._told: set[object] = set()

    def news(self, reasons: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those not told before, each once; they are told from now on."""
        fresh = [reason for reason in dict.fromkeys(reasons) if reason not in self._told]
        if len(self._told) + len(fresh) > TOLD_MAX:
            self._told.clear()
        self._told.update(fresh[:TOLD_MAX])
        return fresh


def tell_faults(log: Logger, told: Told, event: str, faults: Iterable[tuple[str, str]], **fields: str) -> None:
    """One warning for each (service, reason) that is new; beyond SHOWN_MAX one line counts the rest."""
    fresh = told.news(faults)
    for service, reason in fresh[:SHOWN_MAX]:
        log.warning(event, service=service, reason=reason, **fields)
    if len(fresh) > SHOWN_MAX:
        log.warning(event, more=len(fresh) - SHOWN_MAX, **fields)


def _one_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Names come from backends: control characters, escapes and line ends are shown as `\\ddd`, as in RFC 1035 §5.1."""
    for key, value in event.items():
        if isinstance(value, str):
            shown = value if value.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in value)
            event[key] = shown if len(shown) <= TEXT_CHARACTERS_MAX else shown[: TEXT_CHARACTERS_MAX - 1] + "…"
    return event


def _escaped(char: str) -> str:
    return "".join(f"\\{octet:03d}" for octet in char.encode("utf-8", "surrogatepass"))
