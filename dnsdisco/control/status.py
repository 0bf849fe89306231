"""What control tells the supervisor, one JSON line each. The supervisor's docstring (dnsdisco/supervisor/family.py) lists the events."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Say = Callable[..., None]


def to_pipe(fd: int) -> Say:
    """`say(event, **fields)` writes to *fd*. A line is small and its reader always there; without one, it is lost: that is no reason
    to stop answering."""

    def say(event: str, **fields: Any) -> None:
        octets = json.dumps({"event": event, **fields}).encode() + b"\n"
        with suppress(OSError):
            while octets:
                octets = octets[os.write(fd, octets) :]

    return say
