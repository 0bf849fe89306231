"""What the supervisor tells a person, on stderr: a line per change of state, in the form that the control process logs in."""

from __future__ import annotations

import sys
import time
from contextlib import suppress


def line(text: str) -> None:
    """As it is: for what is part of the command line's contract. A reader that has gone away is no reason to stop."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def event(level: str, text: str, **fields: object) -> None:
    if sys.stderr.isatty():
        told = "".join(f" {key}={value}" for key, value in fields.items())
        line(f"dnsdisco: {text}{told}")
    else:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"
        told = "".join(f" {key}={_quoted(str(value))}" for key, value in fields.items())
        line(f"timestamp={stamp} level={level} event={_quoted(text)}{told}")


def _quoted(text: str) -> str:
    text = "".join(char if char.isprintable() else "?" for char in text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if not text or set(' "=\\') & set(text) else text
