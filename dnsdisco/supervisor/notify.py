"""Reports to a service manager: sd_notify(3), which is one datagram, so that no library is needed for it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress


class Notifier:
    """Takes NOTIFY_SOCKET out of *environ*, so that no child uses it. Without that variable, nothing is sent."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        path = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        usec, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        is_watched = usec.isdecimal() and (not pid or pid == str(os.getpid()))
        self._alive_every_s = int(usec) / 1e6 / 4 if is_watched else 0.0  # 0: no service manager waits for it
        self._alive_at = 0.0

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report the begin of a reload. ready() must follow, also when the new configuration is not used (systemd's Type=notify-reload)."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=stopping")

    def alive(self) -> None:
        """Four times within WatchdogSec, however often this is called: sd_watchdog_enabled(3)."""
        now = time.monotonic()
        if self._alive_every_s and now - self._alive_at >= self._alive_every_s:
            self._alive_at = now
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), self._address)
