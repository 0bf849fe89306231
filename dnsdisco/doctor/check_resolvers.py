"""Other resolvers of this machine that programs ask in the server's place: systemd-resolved, dnsmasq, unbound and the like."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from dnsdisco import sockaddr
from dnsdisco.doctor import codes
from dnsdisco.doctor.check_resolv_conf import STUBS
from dnsdisco.doctor.finding import Finding
from dnsdisco.doctor.known import Known
from dnsdisco.errors import DnsdiscoError
from dnsdisco.wire.constants import TYPES

# In the order of systemd's own precedence, the later files over the earlier ones (resolved.conf(5)).
MAIN_FILE = "/etc/systemd/resolved.conf"
DROP_INS = ("/usr/lib/systemd/resolved.conf.d", "/usr/local/lib/systemd/resolved.conf.d", "/run/systemd/resolved.conf.d", "/etc/systemd/resolved.conf.d")  # fmt: skip
SERVICE_LIST = "/v1/services"
_A = TYPES["A"]


def routing(known: Known) -> Iterator[Finding]:
    """The first resolver that programs ask is one of this machine, replies, and knows nothing of a zone."""
    host = known.resolver.asked[0]
    if not known.runs or not sockaddr.is_loopback(host) or known.is_ours(host) or not (lacking := known.lacks(host)):
        return
    zone = lacking[0]
    says = known.asked(host, zone).says()
    if host in STUBS:
        servers, domains = _configured(known, "DNS"), _configured(known, "Domains")
        routed = f"~{zone}" in domains or zone in domains
        cause = "no `Domains=` line has it" if not routed else f"`DNS=` has {', '.join(servers) or 'nothing'}"
        yield codes.RESOLVED.found(host, f"it {says} for {zone}: {cause}", address=known.address, zone=zone)
    else:
        way = known.address.replace("[", "").replace("]", "").rpartition(":")
        yield codes.FORWARDER.found(host, f"it {says} for {zone}", zone=zone, dnsmasq_address=f"{way[0]}#{way[2]}")


def _configured(known: Known, key: str) -> list[str]:
    """The words of systemd-resolved's setting *key*; an empty value forgets those before."""
    words: list[str] = []
    drop_ins = [path for folder in DROP_INS for path in known.machine.folder(folder) if path.endswith(".conf")]
    for path in (MAIN_FILE, *drop_ins):
        for line in known.machine.lines(path):
            name, equals, value = line.partition("=")
            if equals and name.strip() == key:
                words = [*words, *value.split()] if value.strip() else []
    return words


def rebinding(known: Known) -> Iterator[Finding]:
    """A service that the server answers with an address, asked of the resolver between."""
    between = [host for host in known.resolver.asked if not known.is_ours(host) and known.serves(host)]
    if not between or known.status is None or not known.listen:
        return
    name = _some_service(known)
    host, port = known.listen[0]
    own = known.probe(sockaddr.REACHED_AT.get(host, host), name, "A", port=port) if name else None
    if own is None or own.trouble or _A not in own.types:
        return
    for each in between:
        seen = known.probe(each, name, "A")
        if not seen.trouble and _A not in seen.types:
            text = f"it {seen.says()} for {name}, which the server answers with an address"
            yield codes.REBINDING.found(each, text, zone=known.zone)


def _some_service(known: Known) -> str:
    """The DNS name of a service with a private IPv4 address; "": none is known."""
    try:
        services = known.ask(SERVICE_LIST)["services"]
    except DnsdiscoError:
        return ""
    for name, service in services.items():
        if any(_is_private(each["address"]) for each in service["instances"]):
            return f"{name}.{known.zone}"
    return ""


def _is_private(address: str) -> bool:
    try:
        return ipaddress.IPv4Address(address).is_private
    except ValueError:
        return False
