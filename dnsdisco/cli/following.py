"""Follows a page of the running server: what it says now, and whenever it has changed, through the server's restarts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from dnsdisco.cli import report, server_client
from dnsdisco.errors import ServerError

AGAIN_S = 1.0  # a server that is not there is looked for as often
QUIET_S = 0.1  # changes that follow each other faster are seen as one,
BURST_S_MAX = 1.0  # but not for longer


def follow(path: str, target: str) -> Iterator[Any]:
    """Each state of *target* as JSON, the first one at once; None: there is no such thing. It may be the same state again.

    That a server has nothing is believed once it has heard of its providers: one that has just started may not know yet.
    """
    index: int | None = None
    is_lost = False
    while True:
        try:
            index, plain = server_client.followed(path, target, index)
            if plain is None and not _is_ready(path):
                raise server_client.ServerAbsent("the server has not heard of all its providers yet")
            index, plain = _settled(path, target, index, plain)
        except ServerError as error:
            if not is_lost:
                report.complain(f"{error}; looking for it again each second")
            is_lost, index = True, None
            time.sleep(AGAIN_S)
            continue
        is_lost = False
        yield plain


def _settled(path: str, target: str, index: int, plain: Any) -> tuple[int, Any]:
    """What *target* is once it has been quiet for QUIET_S."""
    until = time.monotonic() + BURST_S_MAX
    while time.monotonic() < until:
        before = index
        index, plain = server_client.followed(path, target, index, QUIET_S)
        if index == before:
            break
    return index, plain


def _is_ready(path: str) -> bool:
    try:
        server_client.ask(path, "GET", "/ready")
    except server_client.ServerRefused:
        return False
    return True
