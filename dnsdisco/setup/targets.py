"""Every target of `dnsdisco setup` by its name."""

from __future__ import annotations

from collections.abc import Callable

from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup import machines, resolvers, unit
from dnsdisco.setup.plan import SetupPlan
from dnsdisco.setup.values import SetupValues

Target = Callable[[SetupValues, MachineFiles], SetupPlan]  # raises SetupRefused
TARGETS: dict[str, Target] = {
    "resolved": resolvers.resolved,
    "resolv.conf": machines.resolv_conf,
    "networkmanager": machines.network_manager,
    "dnsmasq": resolvers.dnsmasq,
    "unbound": resolvers.unbound,
    "coredns": resolvers.coredns,
    "docker": machines.docker,
    "macos": machines.macos,
    "systemd": unit.systemd,
}
