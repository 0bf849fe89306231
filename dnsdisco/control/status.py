"""Status lines from control to the supervisor, one JSON object each. The supervisor's docstring (dnsdisco/supervisor/family.py) lists the events."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

Say = Callable[..., None]


def to_pipe(fd: int) -> Say:
    """Returns `say(event, **fields)`, which writes to *fd* and never waits for its reader: what does not fit goes with a later call, and of each
    event only its last line then. Without a reader lines are lost: that is no reason to stop answering."""
    os.set_blocking(fd, False)
    begun = b""  # what is left of a line
    waiting: dict[str, bytes] = {}

    def say(event: str, **fields: Any) -> None:
        nonlocal begun
        waiting.pop(event, None)
        waiting[event] = json.dumps({"event": event, **fields}).encode() + b"\n"
        try:
            while begun or waiting:
                if not begun:
                    begun = waiting.pop(next(iter(waiting)))
                begun = begun[os.write(fd, begun) :]
        except BlockingIOError:
            return
        except OSError:
            begun = b""
            waiting.clear()

    return say
