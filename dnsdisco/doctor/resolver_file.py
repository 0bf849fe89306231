"""/etc/resolv.conf as a C library reads it (resolv.conf(5)): what counts, what is passed over, and who writes the file."""

from __future__ import annotations

import re
from typing import NamedTuple

from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.written.addresses import ip

PATH = "/etc/resolv.conf"
NAMESERVERS_MAX = 3  # glibc's and musl's MAXNS: those behind are never asked
NDOTS_USUAL = 1

# What the path that a link leads to has in it, and the line by which each program signs the file.
_LINKED = {
    "systemd/resolve": "systemd-resolved",
    "NetworkManager": "NetworkManager",
    "resolvconf": "resolvconf",
    "connman": "ConnMan",
}
_SIGNED = re.compile(
    r"^[#;].*\b(?:generated|managed) by (?:man:)?(systemd-resolved|NetworkManager|resolvconf|dhcpcd|Connection Manager|WSL)\b",
    re.IGNORECASE | re.MULTILINE,
)


class ResolverFile(NamedTuple):
    """`passed_over`: nameserver lines that say no address, as they are written."""

    is_there: bool
    nameservers: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = NDOTS_USUAL

    @property
    def asked(self) -> tuple[str, ...]:
        """Those that programs ask: the first three; the loopback where there is none (resolv.conf(5))."""
        return self.nameservers[:NAMESERVERS_MAX] or ("127.0.0.1",)


def read(machine: MachineFiles) -> ResolverFile:
    """A comment is a line that begins with `#` or `;`: behind an address neither begins one."""
    text = machine.text(PATH)
    if text is None:
        return ResolverFile(is_there=False)
    nameservers: list[str] = []
    passed_over: list[str] = []
    search: tuple[str, ...] = ()
    ndots = NDOTS_USUAL
    for line in text.splitlines():
        word, *rest = line.split() or ("",)
        if word == "nameserver" and rest:
            try:
                nameservers.append(ip(rest[0]))
            except ValueError:
                passed_over.append(line)
        elif word in ("search", "domain"):
            search = tuple(domain for domain in rest if domain != ".")
        elif word == "options":
            numbers = [option.removeprefix("ndots:") for option in rest if option.startswith("ndots:")]
            ndots = next((min(int(number), 15) for number in reversed(numbers) if number.isdecimal()), ndots)
    return ResolverFile(True, tuple(nameservers), tuple(passed_over), search, ndots)


def writer(machine: MachineFiles) -> str:
    """The program that writes the file anew whenever it likes; "": it is a plain file of the administrator."""
    if target := machine.target(PATH):
        return next((name for part, name in _LINKED.items() if part in target), "")
    signed = _SIGNED.search(machine.text(PATH) or "")
    return signed[1] if signed else ""
