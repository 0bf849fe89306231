"""`python -m dnsdisco.control FD`: the control process. It reads its parameters as a JSON document from the inherited descriptor FD.

{"links": [fd, …], "status_fd": 8, "source": {"config": path|null, "flags": {…}}, "settings": {…}, "restarts": 0, "kept": {…},
 "listening": ["127.0.0.1:53"], "journal": [9, 10], "origins": {"ttl": "file:3", …}}
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dnsdisco.control import log as logging
from dnsdisco.control import turns
from dnsdisco.control.parameters import ControlParameters, HttpDoor
from dnsdisco.control.run import Control
from dnsdisco.control.status import to_pipe
from dnsdisco.errors import ConfigError
from dnsdisco.log.lines import Lines
from dnsdisco.priority import give_way, READY_NICENESS
from dnsdisco.providers import registry
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import from_plain

# Objects that live before the collector looks for cycles. A view of 10,000 services is a million that have none: with the interpreter's
# own 700, reading and merging one takes twice as long. What providers' packages leave in cycles waits a little longer.
COLLECT_AFTER = (20_000, 20, 10)


def main() -> int:
    gc.set_threshold(*COLLECT_AFTER)
    with os.fdopen(int(sys.argv[1]), "rb") as document:
        plain = json.load(document)
    taking_turns = turns.start()
    lines = Lines(plain["settings"])
    logging.configure(lines)
    return asyncio.run(_run(plain, lines, lambda: give_way(READY_NICENESS, but=(taking_turns,))))


async def _run(plain: dict[str, Any], lines: Lines, on_ready: Callable[[], None]) -> int:
    loop = asyncio.get_running_loop()
    log = logging.logger()
    loop.set_exception_handler(lambda _, context: log.error("internal error", reason=_reason_of(context)))
    source = _Source(plain)
    parameters = ControlParameters(
        links=[socket.socket(fileno=fd) for fd in plain["links"]],
        say=to_pipe(plain["status_fd"]),
        settings=from_plain(Settings, plain["settings"]),
        environ=os.environ,
        create=registry.create,
        resolve=source.resolve,
        origins=lambda: source.origins,
        restarts=plain.get("restarts", 0),
        kept=plain.get("kept") or {},
        http=_http,
        config=_absolute(plain["source"].get("config")),
        is_config_found=bool(plain["source"].get("is_found")),
        listening=plain.get("listening") or (),
        journal=plain.get("journal") or (),
        lines=lines,
        on_ready=on_ready,
    )
    control = Control(parameters, log)
    taken = {
        signal.SIGTERM: control.stop,
        signal.SIGINT: control.stop,
        signal.SIGHUP: lambda: control.reload() and None,
        signal.SIGUSR1: control.log_statistics,
    }
    for number, take in taken.items():
        loop.add_signal_handler(number, take)
    loop.add_reader(plain["status_fd"], control.stop)  # readable only when its reader is gone: so is our supervisor
    parameters.say("started")  # signals are safe from now on
    try:
        return await control.run()
    finally:
        for number in taken:  # a second signal has nowhere to go once the loop is closed
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).absolute())


class _Source:
    """Reads the settings. `origins`: the place that each of the last ones came from."""

    def __init__(self, plain: dict[str, Any]) -> None:
        self.origins: Mapping[str, str] = plain.get("origins") or {}
        self._plain = plain["source"]

    def resolve(self) -> Settings:
        """The configuration read anew; what reads it is loaded only here, at a reload."""
        from dnsdisco.config.sources import Given, inspect  # noqa: PLC0415

        found = inspect(Given.from_plain(self._plain, os.environ), registry, is_to_serve=True)
        if found.settings is None:
            raise ConfigError(found.problems)
        self.origins = found.origins
        return found.settings


def _http(control: Control, log: logging.Logger) -> HttpDoor:
    from dnsdisco.admin.listener import HttpListener  # noqa: PLC0415  what it serves with is loaded in its own thread, if it is to serve

    return HttpListener(control, log)


def _reason_of(context: dict[str, Any]) -> str:
    error = context.get("exception")
    frame = error.__traceback__ if error is not None else None
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f" ({frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno})" if frame else ""
    return f"{type(error).__name__}: {error}{where}" if error is not None else str(context.get("message"))


if __name__ == "__main__":
    # Not sys.exit(): that would wait for what a provider's package has left running, and a hung backend must not hold us.
    os._exit(main())
