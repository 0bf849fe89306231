"""The worker process: `python -m dnsdisco.server FD` reads its parameters as one JSON document from FD, and ends with its supervisor.

A test or `dnsdisco.testing` makes a `Worker` of sockets that it has.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from dnsdisco.errors import DnsdiscoError
from dnsdisco.server import log as server_log
from dnsdisco.server.worker import Worker, WorkerParameters

log = logging.getLogger("dnsdisco.worker")

BAD_PARAMETERS = 78  # EX_CONFIG: starting again would not help
# Objects that live before the collector looks for cycles. A catalog makes a million that have none: with the interpreter's own 700,
# reading one takes two to three times as long. Our own cycles are few (an exception and its frame), and small.
COLLECT_AFTER = (20_000, 20, 10)
ALIVE_S = 0.5  # between two words to the supervisor that the loop goes round
FILES_MAX = 65_536  # descriptors we ask for: 1,024 questions on their way at several upstreams, 512 TCP clients


def main(arguments: Sequence[str]) -> int:
    """The process. Returns its exit code."""
    plain = _read_parameters(int(arguments[1]))
    gc.set_threshold(*COLLECT_AFTER)
    number = int(plain.get("worker", 0))
    lines = server_log.configure(number, plain["settings"])
    _raise_file_limit()
    status_fd = plain.get("status_fd")
    if status_fd is not None:
        os.set_blocking(status_fd, False)
    parameters = WorkerParameters(
        worker=number,
        listeners=[(each["transport"], socket.socket(fileno=each["fd"]), each["detail"]) for each in plain["sockets"]],
        link=socket.socket(fileno=plain["link_fd"]),
        late=socket.socket(fileno=plain["late_fd"]) if "late_fd" in plain else None,
        absent=[(host, port) for host, port in plain.get("absent", ())],
        settings=plain["settings"],
        say=lambda event: _say(status_fd, event),
        journal=plain.get("journal") or (),
        lines=lines,
        cookie_secret=bytes.fromhex(plain.get("cookie_secret") or "") or os.urandom(16),
    )
    try:
        worker = Worker(parameters)
    except (DnsdiscoError, ValueError, TypeError, KeyError) as error:
        log.error("the settings cannot be used: %s", error)  # noqa: TRY400  # it is what was written that is at fault
        return BAD_PARAMETERS
    asyncio.run(_run(worker, status_fd))
    return 0


async def _run(worker: Worker, status_fd: int | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload is control's to make; the terminal's going is the supervisor's
    _say(status_fd, "started")
    parent = os.getppid()
    if status_fd is not None:

        def is_orphan() -> None:
            loop.remove_reader(status_fd)
            worker.stop()

        loop.add_reader(status_fd, is_orphan)  # a pipe's writing end becomes readable when its reader has gone, and never before

    async def look_for_parent() -> None:
        while os.getppid() == parent:  # noqa: ASYNC110  # the kernel tells nobody
            await asyncio.sleep(1.0)
        worker.stop()

    async def say_alive() -> None:
        """Report also while the worker ends: the supervisor kills a child that is silent."""
        while True:
            _say(status_fd, "alive")
            await asyncio.sleep(ALIVE_S)

    asides = [loop.create_task(look_for_parent()), loop.create_task(say_alive())]
    try:
        await worker.run()
    finally:
        for aside in asides:
            aside.cancel()
        if status_fd is not None:
            loop.remove_reader(status_fd)
        for number in (signal.SIGTERM, signal.SIGINT):  # a second signal has nowhere to go once the loop is closed
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def _read_parameters(fd: int) -> dict[str, Any]:
    with open(fd, "rb") as file:  # a descriptor, not a path
        parameters: dict[str, Any] = json.load(file)
    return parameters


def _say(status_fd: int | None, event: str) -> None:
    if status_fd is not None:
        with suppress(OSError):  # without a supervisor it still answers
            os.write(status_fd, json.dumps({"event": event, "cpu_s": time.process_time()}).encode() + b"\n")


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
