"""Targets that are resolvers themselves, and send the zones to the server: each asks any port, so the server need not have port 53."""

from __future__ import annotations

from dnsdisco.doctor import resolver_file
from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup.plan import one_file, SetupPlan
from dnsdisco.setup.values import SetupRefused, SetupValues
from dnsdisco.written.addresses import join_port
from dnsdisco.written.transports import DNS_PORT

RESOLVED_FILE = "/etc/systemd/resolved.conf.d/dnsdisco.conf"
UPLINKS = "/run/systemd/resolve/resolv.conf"  # the resolvers of the links, without the stub and without servers on other ports
DNSMASQ_FILE = "/etc/dnsmasq.d/dnsdisco.conf"
UNBOUND_FILE = "/etc/unbound/unbound.conf.d/dnsdisco.conf"
COREFILE = "/etc/coredns/Corefile"
ELSEWHERE = 5300  # a port that the pages of docs/ take, too
CACHE_S = 5  # as long as the server's own answers live
_BEGIN, _END = "# dnsdisco: begin\n", "# dnsdisco: end\n"


def resolved(values: SetupValues, machine: MachineFiles) -> SetupPlan:
    host, port = values.place
    domains = " ".join(f"~{zone}" for zone in values.zones)
    text = f"[Resolve]\nDNS={join_port(host, port)}\nDomains={domains}\n"
    address = join_port(host, port)
    alone = f"resolvectl dns LINK {address} && resolvectl domain LINK '{domains}'"
    notes = [
        f"other names go to {address}, too, unless a link has a resolver of its own; for the zones alone, set it on a link: {alone}"
    ]
    if resolver_file.writer(machine) != "systemd-resolved":
        notes.append(f"{resolver_file.PATH} does not lead to systemd-resolved: programs that read it do not ask there")
    elif resolver_file.PATH in values.upstreams:
        why = f"the server takes its upstreams from {resolver_file.PATH}, which leads to systemd-resolved, and that back to the server"
        notes.append(f"{why}: write `forward: {{upstreams: [{UPLINKS}]}}` into its configuration")
    return one_file(RESOLVED_FILE, text, "systemctl restart systemd-resolved", notes=tuple(notes))


def _port_notes(values: SetupValues) -> tuple[str, ...]:
    """Two programs cannot have one port of one address."""
    host, port = values.place
    if port != DNS_PORT:
        return ()
    return (
        f"the server has {join_port(host, port)} itself: let it listen on another port (--listen {join_port(host, ELSEWHERE)}) where the resolver needs this one",
    )


def dnsmasq_lines(values: SetupValues) -> str:
    """`rebind-domain-ok`: without it, `stop-dns-rebind` takes private addresses out of answers."""
    host, port = values.place
    return "".join(f"server=/{zone}/{host}#{port}\nrebind-domain-ok=/{zone}/\n" for zone in values.zones)


def dnsmasq(values: SetupValues, _: MachineFiles) -> SetupPlan:
    return one_file(DNSMASQ_FILE, dnsmasq_lines(values), "systemctl restart dnsmasq", notes=_port_notes(values))


def unbound(values: SetupValues, _: MachineFiles) -> SetupPlan:
    """`local-zone`: below a zone that Unbound answers itself, such as home.arpa. `private-domain`: where `private-address` is set."""
    host, port = values.place
    server = "".join(
        f'    domain-insecure: "{zone}"\n    private-domain: "{zone}"\n    local-zone: "{zone}." transparent\n'
        for zone in values.zones
    )
    forward = "".join(f'forward-zone:\n    name: "{zone}"\n    forward-addr: {host}@{port}\n' for zone in values.zones)
    text = f"server:\n    do-not-query-localhost: no\n{server}{forward}"
    return one_file(UNBOUND_FILE, text, "unbound-checkconf", "systemctl restart unbound", notes=_port_notes(values))


def corefile_block(values: SetupValues, bind: str = "") -> str:
    host, port = values.place
    names = " ".join(f"{zone}:{DNS_PORT}" for zone in values.zones)
    return f"{names} {{\n{bind}    forward . {join_port(host, port)}\n    cache {CACHE_S}\n}}\n"


def _bind(corefile: str) -> str:
    """The `bind` line of the other blocks, where they agree: of two blocks for one port the one with the address alone gets its queries."""
    lines = {" ".join(line.split()) for line in corefile.splitlines() if line.split()[:1] == ["bind"]}
    return f"    {lines.pop()}\n" if len(lines) == 1 else ""


def coredns(values: SetupValues, machine: MachineFiles) -> SetupPlan:
    """A block of its own behind what is there; one of an earlier time is replaced."""
    before = machine.text(COREFILE)
    if before is None:
        raise SetupRefused(
            f"there is no {COREFILE}: put this block into yours (in a cluster: the ConfigMap kube-system/coredns)\n\n{corefile_block(values)}"
        )
    head, begin, rest = before.partition(_BEGIN)
    tail = rest.partition(_END)[2]
    block = f"{_BEGIN}{corefile_block(values, _bind(head + tail))}{_END}"
    text = f"{head}{block}{tail}" if begin else f"{before.rstrip()}\n\n{block}"
    return one_file(COREFILE, text, "systemctl reload coredns", notes=_port_notes(values))
