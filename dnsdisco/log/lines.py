"""What a process of the server logs with: a level, a form, a sink."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dnsdisco.log import form
from dnsdisco.log.sink import Sink, STDERR

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}  # with the numbers of Python's logging
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # syslog(3); journald takes them as `<N>` before a line


class Lines:
    """*settings*: of `log_level` (the least that is logged) and `log_format` (text, json). *fields* are in every event."""

    def __init__(
        self, settings: Mapping[str, object], environ: Mapping[str, str] = os.environ, fd: int = STDERR, **fields: object
    ) -> None:
        self._sink = Sink(fd)
        self._fields = fields
        self._is_for_journal = _is_journal(fd, environ.get("JOURNAL_STREAM", ""))
        self._is_terminal = not self._is_for_journal and os.isatty(fd)
        self._is_coloured = self._is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        self.lost = 0  # lines that could not be written
        self._lost = 0  # of them, since the last one that was written
        self.apply(settings)

    def apply(self, settings: Mapping[str, object]) -> None:
        """New settings, after a reload."""
        self.level = str(settings.get("log_level") or "info")
        self.is_json = settings.get("log_format") == "json"
        self._form: form.Form = form.for_machines
        if self.is_json:
            self._form = form.as_json
        elif self._is_terminal:
            self._form = form.in_colour if self._is_coloured else form.for_eyes

    def event(self, level: str, text: str, **fields: object) -> None:
        """A change of state."""
        if LEVELS[level] >= LEVELS[self.level]:
            self._write(level, form.line(self._form, level, text, {**fields, **self._fields}))

    def contract(self, level: str, text: str, event: str, **fields: object) -> None:
        """A line that is part of the command line's contract, whatever the level: *text* as it is, or as JSON *event* with *fields*."""
        self._write(level, form.line(form.as_json, level, event, fields) if self.is_json else text)

    def _write(self, level: str, line: str) -> None:
        if self._lost and self._put("warning", form.line(self._form, "warning", "log lines were lost", self._lost_fields())):
            self._lost = 0
        if not self._put(level, line):
            self.lost += 1
            self._lost += 1

    def _put(self, level: str, line: str) -> bool:
        return self._sink.write(f"<{_PRIORITIES[level]}>{line}" if self._is_for_journal else line)

    def _lost_fields(self) -> dict[str, object]:
        return {"lines": self._lost, **self._fields}


def _is_journal(fd: int, journal: str) -> bool:
    """True if *fd* is the stream that systemd connected with its journal (`device:inode` in JOURNAL_STREAM, systemd.exec(5))."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return journal == f"{status.st_dev}:{status.st_ino}"
