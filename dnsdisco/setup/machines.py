"""Targets that belong to the machine: who its programs ask, and who writes that down."""

from __future__ import annotations

import json
import sys
from typing import Any

from dnsdisco import sockaddr
from dnsdisco.doctor import resolver_file
from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup.plan import one_file, PlannedFile, SetupPlan
from dnsdisco.setup.resolvers import dnsmasq_lines
from dnsdisco.setup.values import SetupRefused, SetupValues
from dnsdisco.written.addresses import join_port

NETWORK_MANAGER_FILE = "/etc/NetworkManager/conf.d/dnsdisco.conf"
NETWORK_MANAGER_DNSMASQ_FILE = "/etc/NetworkManager/dnsmasq.d/dnsdisco.conf"
DOCKER_FILE = "/etc/docker/daemon.json"
MACOS_FOLDER = "/etc/resolver"
BRIDGE = "172.17.0.1"  # Docker's own, unless it is configured otherwise
_INSTEAD = {
    "systemd-resolved": "use `dnsdisco setup resolved`, or replace the link by a file of your own first",
    "NetworkManager": "use `dnsdisco setup networkmanager --apply` first, which makes it leave the file alone",
}


def resolv_conf(values: SetupValues, machine: MachineFiles) -> SetupPlan:
    """The nameserver lines are replaced, the others stay."""
    path = resolver_file.PATH
    if not values.nameservers:
        host, port = values.place
        raise SetupRefused(
            f"{path} has no place for a port, and the server listens on {join_port(host, port)}: let it listen on port 53 "
            f"(--listen {join_port(host, 53)}), or let a resolver that can name a port send it the zones: `dnsdisco setup resolved`, `dnsmasq` or `unbound`"
        )
    owner = resolver_file.writer(machine)
    target = machine.target(path)
    if owner or target:
        what = f"it is a link to {target}" if target else "its first lines say so"
        instead = _INSTEAD.get(
            owner, f"name `{values.nameservers[0]}` in the configuration of {owner or 'the program that writes it'}"
        )
        raise SetupRefused(f"{path} belongs to {owner or 'another program'} ({what}): {instead}")
    kept = [line for line in (machine.text(path) or "").splitlines() if line.split()[:1] != ["nameserver"]]
    lines = [f"nameserver {values.nameservers[0]}", *kept]
    return one_file(path, "".join(f"{line}\n" for line in lines), notes=_upstream_notes(values, machine))


def _upstream_notes(values: SetupValues, machine: MachineFiles) -> tuple[str, ...]:
    """The server's own upstreams may come from the file that is replaced."""
    others = ", ".join(host for host in resolver_file.read(machine).nameservers if host not in values.nameservers)
    if resolver_file.PATH not in values.upstreams or not others:
        return ()
    why = f"the server takes its upstreams from {resolver_file.PATH}, which then names it alone, and no other name is found"
    return (f"{why}: write `forward: {{upstreams: [{others}]}}` into its configuration, or give it --upstream",)


def network_manager(values: SetupValues, _: MachineFiles) -> SetupPlan:
    """It leaves resolv.conf alone; or, where the server has not port 53, it starts a dnsmasq that sends the zones here."""
    if values.nameservers:
        text, then = (
            "[main]\ndns=none\nrc-manager=unmanaged\n",
            ("systemctl reload NetworkManager", "dnsdisco setup resolv.conf --apply"),
        )
        return one_file(NETWORK_MANAGER_FILE, text, *then)
    files = (
        PlannedFile(NETWORK_MANAGER_FILE, "[main]\ndns=dnsmasq\n"),
        PlannedFile(NETWORK_MANAGER_DNSMASQ_FILE, dnsmasq_lines(values)),
    )
    return SetupPlan(
        files, ("systemctl reload NetworkManager",), ("NetworkManager needs the program dnsmasq (Debian: dnsmasq-base)",)
    )


def docker(values: SetupValues, machine: MachineFiles) -> SetupPlan:
    """`dns` of the daemon is replaced, its other settings stay."""
    outside = [host for host in values.nameservers if not sockaddr.is_loopback(host)]
    if not outside:
        raise SetupRefused(
            "a container cannot reach the loopback of this machine, and Docker names no port: let the server listen on port 53 of the bridge, "
            f"too (--listen {BRIDGE}:53)"
        )
    written = machine.text(DOCKER_FILE)
    try:
        daemon: Any = json.loads(written or "{}")
    except ValueError as error:
        raise SetupRefused(f"{DOCKER_FILE} is not JSON ({error}): mend it first") from None
    if not isinstance(daemon, dict):
        raise SetupRefused(f"{DOCKER_FILE} is no JSON object: mend it first")
    return one_file(DOCKER_FILE, json.dumps({**daemon, "dns": outside}, indent=2) + "\n", "systemctl restart docker")


def macos(values: SetupValues, _: MachineFiles) -> SetupPlan:
    """One file a zone (resolver(5)). From Apple's published sources."""
    host, port = values.place
    files = tuple(PlannedFile(f"{MACOS_FOLDER}/{zone}", f"nameserver {host}\nport {port}\n") for zone in values.zones)
    return SetupPlan(files, (f"dscacheutil -q host -a name web.{values.zones[0]}",), ("dig does not read these files",))


def refuse_elsewhere() -> None:
    """Raises SetupRefused where the files of macOS would mean nothing."""
    if sys.platform != "darwin":
        raise SetupRefused(f"this is no Mac, and nothing here reads {MACOS_FOLDER}; without --apply the files are printed")
