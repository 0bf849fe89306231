"""The machine as its files show it: texts, links, who listens where. Everything is below a root, so that a folder can stand for a machine."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import NamedTuple

OCTETS_MAX = 256 * 1024  # of one file: those that are looked at have a few lines
LINKS_MAX = 8  # that lead on to another link
_LISTENING = {"tcp": "0A", "udp": "07"}  # states of /proc/net: TCP_LISTEN, and what an unconnected UDP socket has


class WaitingSocket(NamedTuple):
    """A socket that waits for anybody, by /proc/net."""

    protocol: str  # tcp, udp
    host: str
    port: int
    inode: str


class MachineFiles:
    """*root*: what stands for `/`."""

    def __init__(self, root: str = "/") -> None:
        self._root = Path(root)

    def at(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def text(self, path: str) -> str | None:
        """The text of the file; None if it is not there, or may not be read."""
        try:
            with self.at(path).open(encoding="utf-8", errors="replace") as file:
                return file.read(OCTETS_MAX)
        except OSError:
            return None

    def lines(self, path: str) -> list[str]:
        """Without comments (`#`, `;`) and blanks around them; [] for a file that is not there."""
        found = (re.split(r"[#;]", line, maxsplit=1)[0].strip() for line in (self.text(path) or "").splitlines())
        return [line for line in found if line]

    def has(self, path: str) -> bool:
        return os.path.lexists(self.at(path))

    def folder(self, path: str) -> list[str]:
        """The paths of what is in it, by their names; [] where it is not there."""
        try:
            return [f"{path}/{name}" for name in sorted(entry.name for entry in self.at(path).iterdir())]
        except OSError:
            return []

    def target(self, path: str) -> str | None:
        """The final target of a symbolic link, as an absolute path of the machine; None if it is no link."""
        found = None
        for _ in range(LINKS_MAX):
            try:
                link = str(self.at(path).readlink())
            except OSError:
                break
            path = found = os.path.normpath(f"{os.path.dirname(path)}/{link}" if not link.startswith("/") else link)  # noqa: PTH120
        return found

    def listening(self, port: int) -> list[WaitingSocket]:
        """Everything that waits on *port*."""
        found = []
        for protocol, state in _LISTENING.items():
            for family in ("", "6"):
                for line in (self.text(f"/proc/net/{protocol}{family}") or "").splitlines()[1:]:
                    words = line.split()
                    host, _, number = words[1].rpartition(":")
                    if words[3] == state and int(number, 16) == port:
                        found.append(WaitingSocket(protocol, _host(host), port, words[9]))
        return found

    def program(self, inode: str) -> str:
        """The name and the pid of the process that has the socket *inode*; "": only root sees that of others."""
        for process in self.folder("/proc"):
            pid = process.rpartition("/")[2]
            if not pid.isdigit():
                continue
            for fd in self.folder(f"{process}/fd"):
                try:
                    if os.readlink(self.at(fd)) == f"socket:[{inode}]":  # noqa: PTH115
                        return f"{self.command(pid)} (pid {pid})"
                except OSError:
                    continue
        return ""

    def command(self, pid: str) -> str:
        return (self.text(f"/proc/{pid}/comm") or "?").strip()

    def is_running(self, command: str) -> bool:
        return any(
            self.command(process.rpartition("/")[2]) == command[:15]  # the kernel keeps so many characters
            for process in self.folder("/proc")
            if process.rpartition("/")[2].isdigit()
        )


def _host(octets: str) -> str:
    """An address of /proc/net: hexadecimal words of 32 bits, each in the machine's order, which is little-endian where Python runs."""
    packed = b"".join(bytes.fromhex(octets[at : at + 8])[::-1] for at in range(0, len(octets), 8))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
