"""resolv.conf: who programs ask, who else, and who writes the file."""

from __future__ import annotations

from collections.abc import Iterator

from dnsdisco import sockaddr
from dnsdisco.doctor import codes
from dnsdisco.doctor.finding import Finding
from dnsdisco.doctor.known import Known
from dnsdisco.doctor.resolver_file import NAMESERVERS_MAX, NDOTS_USUAL, PATH

STUBS = ("127.0.0.53", "127.0.0.54")  # systemd-resolved's (systemd-resolved.service(8))
# How each program that writes the file is made to name us. Without one, the file itself is written.
_WAYS = {
    "systemd-resolved": "`dnsdisco setup resolved --apply` lets systemd-resolved send the zone here",
    "NetworkManager": "`dnsdisco setup networkmanager --apply` lets NetworkManager leave the file alone; then `dnsdisco setup resolv.conf --apply`",
    "resolvconf": "name the server in resolvconf's own configuration (`name_servers={nameserver}` in /etc/resolvconf.conf, or its head file)",
}


def way(known: Known) -> str:
    """Check the way from programs to the server on this machine."""
    given = _WAYS.get(known.writer)
    if given is None and known.writer:
        return f"name `{known.nameserver}` in the configuration of {known.writer}, which writes the file"
    if given is None and not known.is_ours(known.nameserver):
        return (
            f"let the server listen on port 53 ({known.address} has no place in {PATH}); then `dnsdisco setup resolv.conf --apply`"
        )
    return given.format(nameserver=known.nameserver) if given else "`dnsdisco setup resolv.conf --apply`"


def lines(known: Known) -> Iterator[Finding]:
    """Check the lines of the file."""
    file = known.resolver
    for line in file.passed_over:
        yield codes.PASSED_OVER.found(PATH, f"`{line}` names no address, so nobody reads it")
    if len(file.nameservers) > NAMESERVERS_MAX:
        rest = ", ".join(file.nameservers[NAMESERVERS_MAX:])
        yield codes.TOO_MANY.found(PATH, f"there are {len(file.nameservers)}; {rest} is never asked")
    if file.ndots > NDOTS_USUAL:
        yield codes.NDOTS.found(PATH, f"`ndots:{file.ndots}`: a name with fewer dots is tried below {_listed(file.search)} first")
    if file.search:
        yield codes.SEARCH.found(PATH, f"names that are not found are tried below {_listed(file.search)}")


def _listed(search: tuple[str, ...]) -> str:
    return ", ".join(search) or "the search list"


def asked(known: Known) -> Iterator[Finding]:
    """Check that the resolvers that programs ask know the zones."""
    if not known.zones:
        return
    known.ask_ahead()
    file = known.resolver
    serving = [host for host in file.asked if known.serves(host)]
    for host in file.asked:
        if known.is_ours(host) and host in serving and known.writer:
            text = f"it names {host}, and belongs to {known.writer}"
            yield codes.WRITTEN_ANEW.found(PATH, text, way=way(known))
            break
    if serving and serving[0] == file.asked[0]:
        yield codes.FOUND.found(serving[0], f"programs ask {serving[0]}, which knows {', '.join(known.zones)}")
    for host in file.asked:
        seen = known.asked(host, known.zone)
        if host == "::1" and seen.trouble and known.runs:
            yield codes.NO_IPV6.found(host, f"it {seen.says()}; the server listens on {_listening(known)}")
        elif seen.trouble == "closed" and sockaddr.is_loopback(host) and known.runs and not known.is_ours(host):
            text = f"{PATH} names {host}, where nothing listens on port 53; the server listens on {_listening(known)}"
            yield codes.NOT_ON_53.found(host, text, nameserver=host)
        elif seen.trouble and not (known.is_ours(host) and not known.runs):
            yield codes.DEAD_NAMESERVER.found(host, f"it {seen.says()}")
        elif serving and known.lacks(host):
            text = f"it {seen.says()} for {known.zone}, which {serving[0]} knows"
            yield codes.NAMES_OTHERS.found(host, text, nameserver=serving[0])
    first = file.asked[0]
    if not serving and known.runs and not sockaddr.is_loopback(first):
        others = ", ".join(file.asked)
        yield codes.NOT_NAMED.found(PATH, f"programs ask {others}, and none of them knows {known.zone}", way=way(known))


def _listening(known: Known) -> str:
    return ", ".join(f"{host} port {port}" for host, port in known.listen)
