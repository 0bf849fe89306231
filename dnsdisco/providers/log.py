"""The logger of the room. Composition roots decide what it prints, and where (`structlog.configure`)."""

from __future__ import annotations

import logging
from typing import Any

import structlog


def _line(_logger: Any, _method: str, event: dict[str, Any]) -> str:
    """`text (key=value)`, for programs that format their own log lines."""
    text = str(event.pop("event"))
    return f"{text} ({', '.join(f'{key}={value}' for key, value in event.items())})" if event else text


_PLAIN: list[Any] = [structlog.stdlib.filter_by_level, _line]


def logger() -> Any:
    """structlog as it is configured now; where it is not configured, logging's "dnsdisco": a library must not print to a program's output."""
    if structlog.is_configured():
        return structlog.get_logger("dnsdisco")
    return structlog.wrap_logger(logging.getLogger("dnsdisco"), processors=_PLAIN, wrapper_class=structlog.stdlib.BoundLogger)
