"""Which addresses that are listened on this machine does not have, as those of an interface that comes later. They are degraded, not fatal."""

from __future__ import annotations

from collections.abc import Sequence

from dnsdisco import sockaddr
from dnsdisco.control.log import Logger

LOOK_S = 2.0  # between two looks: each costs a system call or three for each address


class Presence:
    """*listening*: as the supervisor writes them, `[scheme://]host:port[/path]`. Logs what goes and what comes."""

    def __init__(self, listening: Sequence[str], log: Logger) -> None:
        self.absent: tuple[str, ...] = ()
        self._listening, self._log = listening, log
        self._looked_at = float("-inf")

    def look(self, now: float) -> None:
        """Look for the addresses, at most once in LOOK_S; call it often."""
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        absent = tuple(address for address in self._listening if not _is_here(address))
        for address in absent:
            if address not in self.absent:
                self._log.warning("this machine does not have an address of `listen`", address=address)
        for address in self.absent:
            if address not in absent:
                self._log.info("this machine has an address of `listen` now", address=address)
        self.absent = absent


def _is_here(address: str) -> bool:
    return sockaddr.is_here(address.rpartition("://")[2].partition("/")[0].rpartition(":")[0].strip("[]"))
