"""Runs every check side by side, each with the same deadline: whatever hangs, the doctor ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from functools import partial
from typing import Generic, TypeVar

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

T = TypeVar("T")
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
    running = {name: _Running(partial(_all_of, check, known)) for name, check in (CHECKS if checks is None else checks).items()}
    until = time.monotonic() + deadline_s
    found: list[Finding] = []
    for name, each in running.items():
        if each.has_ended(until):
            found += each.result()
        else:
            found.append(codes.UNFINISHED.found(name, f"it has not ended within {deadline_s:g} s", check=name))
    return sorted(dict.fromkeys(found), key=lambda finding: (finding.weight, finding.code, finding.subject))


def _all_of(check: Check, known: Known) -> list[Finding]:
    return list(check(known))


def within(ask: Callable[[], T], seconds: float, otherwise: T) -> T:
    """The result of *ask*, or *otherwise* if it has not ended in time. Raises its errors."""
    running = _Running(ask)
    return running.result() if running.has_ended(time.monotonic() + seconds) else otherwise


def is_ok(found: Iterable[Finding]) -> bool:
    """No error: a warning names what may fail one day, a note what is good to know."""
    return all(finding.level != "error" for finding in found)


class _Running(Generic[T]):
    """A call in a thread that does not keep the process alive."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._future.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised again by result()
            self._future.set_exception(error)

    def has_ended(self, until: float) -> bool:
        return bool(wait([self._future], max(0.0, until - time.monotonic())).done)

    def result(self) -> T:
        return self._future.result()
