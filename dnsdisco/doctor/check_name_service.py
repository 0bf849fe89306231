"""The C library's sources of names (nsswitch.conf(5)): what stands before the DNS, and what it takes away from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dnsdisco.doctor import codes
from dnsdisco.doctor.finding import Finding
from dnsdisco.doctor.known import Known

PATH = "/etc/nsswitch.conf"
ALLOW = "/etc/mdns.allow"
HOSTS = "/etc/hosts"
USUAL = "files dns"  # glibc's, without a file
_MDNS = re.compile(r"mdns[46]?")
_MINIMAL = re.compile(r"mdns[46]?_minimal")
_OF_DNS = ("dns", "resolve")  # nss-resolve asks systemd-resolved, which asks the DNS
_ACTION = re.compile(r"(!?)\s*(\w+)\s*=\s*(\w+)")
_SOURCE = re.compile(r"\[[^]]*\]|\S+")


class Source(NamedTuple):
    """`action`: what stands in brackets behind it."""

    name: str
    action: str

    @property
    def ends_search(self) -> bool:
        """True if the search ends at this source when it does not know the name. `!STATUS` means every other status; the last action for one counts."""
        ends = False
        for negation, status, action in _ACTION.findall(self.action.upper()):
            if (status == "NOTFOUND") != bool(negation):
                ends = action == "RETURN"
        return ends


def sources(known: Known) -> list[Source]:
    """Those of the last `hosts:` line, in order. A `#` behind the sources begins no comment: glibc takes it for the name of a source."""
    lines = [line.strip() for line in (known.machine.text(PATH) or "").splitlines()]
    line = next((line for line in reversed(lines) if line.startswith("hosts:")), f"hosts: {USUAL}")
    found: list[Source] = []
    for word in _SOURCE.findall(line.removeprefix("hosts:")):
        if not word.startswith("["):
            found.append(Source(word, ""))
        elif found:
            found[-1] = found[-1]._replace(action=word)
    return found


def line(known: Known) -> Iterator[Finding]:
    found = sources(known)
    shown = " ".join(f"{each.name} {each.action}".strip() for each in found)
    at = next((at for at, each in enumerate(found) if each.name in _OF_DNS), None)
    if at is None:
        yield codes.NO_DNS.found(PATH, f"`hosts: {shown}` has no dns")
        return
    before = found[:at]
    for each in before:
        if _MINIMAL.fullmatch(each.name):
            if each.ends_search and (zones := [zone for zone in known.zones if zone == "local"]):
                yield codes.TWO_LABELS.found(PATH, f"{each.name} takes the names of the zone {zones[0]}")
        elif each.ends_search and not _is_mdns(each):
            text = f"`{each.name} {each.action}` stands before {found[at].name}"
            yield codes.ENDS_BEFORE.found(PATH, text, source=each.name, action=each.action)
    yield from _mdns(known, before)


def _is_mdns(source: Source) -> bool:
    return bool(_MDNS.fullmatch(source.name))


def _mdns(known: Known, before: list[Source]) -> Iterator[Finding]:
    full = next((each for each in before if _is_mdns(each)), None)
    local = [zone for zone in known.zones if zone == "local" or zone.endswith(".local")]
    if full is None or not local:
        return
    allowed = known.machine.lines(ALLOW)
    if any(word == "*" or f".{local[0]}".endswith(f".{word.strip('.')}") for line in allowed for word in line.split()):
        yield codes.MDNS_ALLOW.found(ALLOW, f"it lists {', '.join(allowed)}, and {PATH} has {full.name} before the DNS")
    else:
        yield codes.FULL_MDNS.found(PATH, f"{full.name} is asked for {local[0]} before the DNS")


def hosts(known: Known) -> Iterator[Finding]:
    """Names of the zones that the file has an address for."""
    names = [name for line in known.machine.lines(HOSTS) for name in line.lower().split()[1:]]
    taken = [name for name in names if any(f".{name.rstrip('.')}".endswith(f".{zone}") for zone in known.zones)]
    before = [each.name for each in sources(known)]
    if taken and "files" in before and not set(_OF_DNS) & set(before[: before.index("files")]):
        more = f", and {len(taken) - 1} more" if len(taken) > 1 else ""
        yield codes.HOSTS.found(HOSTS, f"it has {taken[0]}{more}")
