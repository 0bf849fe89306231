"""Ports and the way of a message: who holds port 53, and whether TCP and EDNS get through."""

from __future__ import annotations

from collections.abc import Iterator

from dnsdisco import sockaddr
from dnsdisco.doctor import codes
from dnsdisco.doctor.check_resolv_conf import STUBS
from dnsdisco.doctor.finding import Finding
from dnsdisco.doctor.known import Known
from dnsdisco.doctor.probe import OCTETS

STUB_PROGRAM = "systemd-resolve"  # as the kernel cuts the name


def holders(known: Known) -> Iterator[Finding]:
    """Find addresses where our server should listen and another program does. A running server has all its addresses, or waits for them."""
    for host, port in known.listen if known.status is None else ():
        at = sockaddr.REACHED_AT.get(host, host)
        if not port or known.is_authority(at, port):
            continue
        for each in known.machine.listening(port):
            is_any = each.host in sockaddr.REACHED_AT or host in sockaddr.REACHED_AT
            if each.host != host and not (is_any and (":" in each.host) == (":" in host)):
                continue
            program = known.machine.program(each.inode)
            if program.startswith(STUB_PROGRAM) or each.host in STUBS:
                yield codes.STUB_LISTENER.found(f"{host} port {port}", f"systemd-resolved has {each.host} port {port}")
            else:
                text = f"{program or 'another program (root sees which)'} has {each.protocol.upper()} {each.host} port {port}"
                yield codes.PORT_HELD.found(f"{host} port {port}", text, program=program or "it")
            break


def transports(known: Known) -> Iterator[Finding]:
    """Check TCP and EDNS with every resolver that programs ask and that knows a zone."""
    for host in known.resolver.asked:
        if not known.zones or not known.serves(host):
            continue
        over_udp = known.asked(host, known.zone)
        over_tcp = known.probe(host, known.zone, "SOA", is_tcp=True)
        if over_tcp.trouble:
            yield codes.TCP.found(host, f"over UDP it answers; over TCP it {over_tcp.says()}", host=host)
        if over_udp.edns_octets is None:
            yield codes.EDNS.found(host, "its replies have no OPT record")
        elif over_udp.edns_octets < OCTETS:
            yield codes.EDNS.found(host, f"it takes messages of {over_udp.edns_octets} octets; {OCTETS} are usual")
