"""The way of Python's logging into the same lines: for the rooms and the packages that log by it."""

from __future__ import annotations

import logging

from dnsdisco.log.lines import Lines


class Handler(logging.Handler):
    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001  a package's own slip: its words as they are
            text = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        fields = {} if error is None else {"reason": f"{type(error).__name__}: {error}"}
        self._lines.event(_level(record.levelno), text, **fields)


def install(lines: Lines, level: str) -> None:
    """Make this the root logger's one handler; nothing below *level* comes here."""
    root = logging.getLogger()
    root.handlers[:] = [Handler(lines)]
    root.setLevel(level.upper())


def _level(number: int) -> str:
    return next(
        name
        for least, name in ((logging.ERROR, "error"), (logging.WARNING, "warning"), (logging.INFO, "info"), (0, "debug"))
        if number >= least
    )
