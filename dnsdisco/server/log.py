"""The log of a worker: its rooms use Python's logging, and this file turns each record into a line of the server's one form."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from dnsdisco.log.handler import install
from dnsdisco.log.lines import Lines


def configure(worker: int, settings: Mapping[str, object]) -> Lines:
    lines = Lines(settings, worker=worker)
    apply(lines, settings)
    if worker:  # all workers find the same forwarding loops; each needs to be logged only once
        logging.getLogger("dnsdisco.forward.loops").setLevel(logging.ERROR)
    return lines


def apply(lines: Lines, settings: Mapping[str, object]) -> None:
    """New settings, after a reload."""
    lines.apply(settings)
    install(lines, lines.level)
