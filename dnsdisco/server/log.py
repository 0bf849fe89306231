"""What a worker tells a person, on stderr: one line each, in the form that control uses, without its libraries.

On a terminal for eyes, else key=value for machines. What came from the network can neither break a line nor colour it.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

TEXT_CHARACTERS_MAX = 1000


class OneLine(logging.Formatter):
    def __init__(self, worker: int, *, is_terminal: bool) -> None:
        super().__init__()
        self._worker = worker
        self._is_terminal = is_terminal

    def format(self, record: logging.LogRecord) -> str:
        text = printable(record.getMessage())
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        level = record.levelname.lower()
        if self._is_terminal:
            return f"{at} [{level:<8}] {text} worker={self._worker}"
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'timestamp={at} level={level} event="{quoted}" worker={self._worker}'


def printable(text: str) -> str:
    """Control characters, escapes and line ends as `\\ddd` (RFC 1035 §5.1); not longer than a line should be."""
    shown = "".join(
        char if char.isprintable() else "".join(f"\\{octet:03d}" for octet in char.encode("utf-8", "replace")) for char in text
    )
    return shown if len(shown) <= TEXT_CHARACTERS_MAX else shown[: TEXT_CHARACTERS_MAX - 1] + "…"


def configure(worker: int, stream: TextIO | None = None) -> None:
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine(worker, is_terminal=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    if worker:  # all workers find the same circles of forwarders; a person need hear of each but once
        logging.getLogger("dnsdisco.forward.circles").setLevel(logging.ERROR)
    logging.raiseExceptions = False  # a full disk behind stderr is no reason for a traceback
