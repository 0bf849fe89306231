"""Runs every check side by side, each with the same deadline: whatever hangs, the doctor ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from dnsdisco.doctor import (
    check_backends,
    check_name_service,
    check_ports,
    check_programs,
    check_resolv_conf,
    check_resolvers,
    check_server,
    codes,
)
from dnsdisco.doctor.finding import Finding
from dnsdisco.doctor.known import Known

DEADLINE_S = 6.0  # of all checks: a probe takes 1.5 s at most, and a check makes a few one after another

Check = Callable[[Known], Iterable[Finding]]
CHECKS: dict[str, Check] = {
    "the server": check_server.runs,
    "what was written": check_server.written,
    "the workers": check_server.workers,
    "the addresses": check_server.addresses,
    "the state folder and the certificate": check_server.files,
    "the lines of resolv.conf": check_resolv_conf.lines,
    "the resolvers that programs ask": check_resolv_conf.asked,
    "the ports": check_ports.holders,
    "TCP and EDNS": check_ports.transports,
    "nsswitch.conf": check_name_service.line,
    "the hosts file": check_name_service.hosts,
    "other resolvers of this machine": check_resolvers.routing,
    "private addresses": check_resolvers.rebinding,
    "the providers": check_backends.providers,
    "the upstreams": check_backends.upstreams,
    "musl": check_programs.musl,
    "containers": check_programs.containers,
    "multicast DNS": check_programs.multicast,
    "browsers": check_programs.browsers,
    "HAProxy": check_programs.haproxy,
    "the clock": check_programs.clock,
}


def findings(known: Known, checks: dict[str, Check] | None = None, deadline_s: float = DEADLINE_S) -> list[Finding]:
    """All that is found, the worst last, and among equals by code. A check that has not ended is a finding, too."""
    running = {name: _Running(check, known) for name, check in (CHECKS if checks is None else checks).items()}
    until = time.monotonic() + deadline_s
    found: list[Finding] = []
    for name, each in running.items():
        each.thread.join(max(0.0, until - time.monotonic()))
        if each.thread.is_alive():
            found.append(codes.UNFINISHED.found(name, f"it has not ended within {deadline_s:g} s", check=name))
        elif each.error is not None:
            raise each.error
        else:
            found += each.found
    return sorted(dict.fromkeys(found), key=lambda finding: (finding.weight, finding.code, finding.subject))


def is_ok(found: Iterable[Finding]) -> bool:
    """No error: a warning names what may fail one day, a note what is good to know."""
    return all(finding.level != "error" for finding in found)


class _Running:
    """One check in a thread that does not keep the process alive."""

    def __init__(self, check: Check, known: Known) -> None:
        self.found: list[Finding] = []
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(check, known), daemon=True)
        self.thread.start()

    def _run(self, check: Check, known: Known) -> None:
        try:
            self.found = list(check(known))
        except BaseException as error:  # noqa: BLE001  raised again where the checks are gathered
            self.error = error
