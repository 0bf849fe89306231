"""The facts for the checks: the machine's files, the resolvers' replies, and the server's own reports, or its configuration if none runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dnsdisco import sockaddr
from dnsdisco.doctor import resolver_file
from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.doctor.probe import ProbeQuestion, ResolverProbe, Seen
from dnsdisco.doctor.resolver_file import ResolverFile
from dnsdisco.errors import DnsdiscoError, Problem
from dnsdisco.wire.constants import TYPES
from dnsdisco.written.addresses import join_port, split_address
from dnsdisco.written.endpoints import listener
from dnsdisco.written.transports import DNS_PORT

STATUS = "/v1/status"
LATER_S = 1.5  # a change reaches every worker in a tenth of that
_SOA = TYPES["SOA"]
Ask = Callable[[str], Any]  # a path of the API; raises DnsdiscoError where it has no answer


@dataclass(frozen=True)
class Known:
    """`status`: /v1/status; None: nobody answers at the control socket, for the reason `silence`. `settings`: those in use, by /v1/config, else
    those of the configuration; {}: it has faults. `written`: finds every fault of it and of the files that it names."""

    machine: MachineFiles
    probe: ResolverProbe
    status: Mapping[str, Any] | None = None
    silence: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    written: Callable[[], Sequence[Problem]] = tuple
    ask: Ask = lambda _: None

    @cached_property
    def resolver(self) -> ResolverFile:
        return resolver_file.read(self.machine)

    @cached_property
    def writer(self) -> str:
        return resolver_file.writer(self.machine)

    @cached_property
    def zones(self) -> list[str]:
        if self.status:
            return [zone["name"] for zone in self.status["zones"]]
        return list(self.settings.get("zones", ()))

    @cached_property
    def listen(self) -> list[tuple[str, int]]:
        """The addresses where plain DNS is answered, or should be."""
        written = self.status["listen"] if self.status else self.settings.get("listen", ())
        found = [listener(entry) for entry in written]
        return [split_address(each.address) for each in found if not each.scheme]

    @cached_property
    def runs(self) -> bool:
        """True if a server of ours runs: by its control socket, or by its answers where it should listen."""
        return self.status is not None or any(
            self.is_authority(sockaddr.REACHED_AT.get(host, host), port) for host, port in self.listen if port
        )

    @cached_property
    def later(self) -> Mapping[str, Any] | None:
        """The status a moment later: at one look a change may be on its way, and a worker's figures come once a second."""
        time.sleep(LATER_S)
        try:
            status: Mapping[str, Any] = self.ask(STATUS)
        except DnsdiscoError:
            return None
        return status

    @cached_property
    def user(self) -> int | None:
        """The user id of the workers; None: none is seen."""
        for worker in (self.status or {}).get("workers", ()):
            try:
                return self.machine.at(f"/proc/{worker['pid']}").stat().st_uid
            except OSError:
                continue
        return None

    def is_ours(self, host: str, port: int = DNS_PORT) -> bool:
        """True if our server listens there, or should."""
        for ours, number in self.listen:
            is_any = ours in sockaddr.REACHED_AT and (":" in ours) == (":" in host)
            if number == port and (ours == host or (is_any and sockaddr.is_here(host))):
                return True
        return False

    def ask_ahead(self) -> None:
        """Every resolver that programs ask for every zone: several that say nothing must not add up."""
        hosts = dict.fromkeys(self.resolver.asked)
        self.probe.ahead(
            ProbeQuestion(host, zone, "SOA", is_tcp=is_tcp) for host in hosts for zone in self.zones for is_tcp in (False, True)
        )

    def is_authority(self, host: str, port: int = DNS_PORT) -> bool:
        return any((seen := self.asked(host, zone, port)).is_authoritative and self._has_soa(seen) for zone in self.zones)

    def asked(self, host: str, zone: str, port: int = DNS_PORT) -> Seen:
        """The reply of a resolver to the question for the SOA of a zone of ours."""
        return self.probe(host, zone, "SOA", port=port)

    def lacks(self, host: str, port: int = DNS_PORT) -> list[str]:
        """The zones that the resolver does not know. [] for one that does not reply, because its zones are unknown."""
        seen = {zone: self.asked(host, zone, port) for zone in self.zones}
        return [zone for zone, each in seen.items() if not each.trouble and not self._has_soa(each)]

    def serves(self, host: str, port: int = DNS_PORT) -> bool:
        """The resolver replies, and knows every zone."""
        seen = [self.asked(host, zone, port) for zone in self.zones]
        return bool(seen) and all(self._has_soa(each) for each in seen)

    def _has_soa(self, seen: Seen) -> bool:
        return _SOA in seen.types

    @cached_property
    def zone(self) -> str:
        """One to name in a sentence."""
        return self.zones[0] if self.zones else "svc.local"

    @cached_property
    def nameserver(self) -> str:
        """The address that belongs into resolv.conf."""
        hosts = [sockaddr.REACHED_AT.get(host, host) for host, port in self.listen if port == DNS_PORT]
        return hosts[0] if hosts else "127.0.0.1"

    @cached_property
    def address(self) -> str:
        """The address, with its port, to which another resolver should send the zone."""
        host, port = self.listen[0] if self.listen else ("127.0.0.1", DNS_PORT)
        return join_port(sockaddr.REACHED_AT.get(host, host), port)
