"""The server that `dnsdisco query` asks: the one that was named, else the one that runs here, else the one of the configuration."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import click

from dnsdisco.cli import server_client
from dnsdisco.config.client_defaults import Glance, glance
from dnsdisco.errors import ServerError
from dnsdisco.sockaddr import is_here, REACHED_AT
from dnsdisco.written.addresses import address, is_ip, join_port, split_address
from dnsdisco.written.addresses import port as port_from
from dnsdisco.written.endpoints import listener, upstream, UpstreamAddress
from dnsdisco.written.names import dns_name
from dnsdisco.written.transports import DNS_PORT, TLS_PORT

FIND_S = 1.0  # for the running server to say where it listens; the configuration knows, too


def named(written: str) -> UpstreamAddress:
    """An address, a host name that the system resolves, `tls://…` or `https://…`. Raises UsageError."""
    scheme, separator, rest = written.partition("://")
    try:
        if separator:
            return upstream(_with_address(rest) if scheme.lower() == "tls" else written)
        return UpstreamAddress("udp", *split_address(address(written, DNS_PORT)))
    except ValueError as error:
        try:
            if separator:
                raise
            return UpstreamAddress("udp", *_resolved(*_host_and_port(written, DNS_PORT)))
        except (OSError, ValueError):
            raise click.UsageError(f"--server: {error}") from None


def found(config: str | None) -> tuple[UpstreamAddress, str]:
    """Where the server that runs here answers, and its first zone; else as the configuration has both. Raises ConfigError."""
    seen = _of_running(glance(config))
    return _reachable(seen.servers), seen.zone


def _of_running(seen: Glance) -> Glance:
    path = server_client.named_by_variable() or seen.control
    if path is None:
        return seen
    try:
        status = server_client.ask(path, "GET", "/v1/status", seconds=FIND_S)
    except ServerError:
        return seen
    servers = tuple(each for each in status["listen"] if "://" not in each) or tuple(status["listen"])
    return Glance(servers or seen.servers, status["zones"][0]["name"], path)


def _reachable(servers: Sequence[str]) -> UpstreamAddress:
    """The first that this machine has, else the first; an address of this machine, where the server listens on all of them."""
    listeners = [(each, *split_address(each.address)) for each in map(listener, servers)]
    each, host, port = next((found for found in listeners if is_here(found[1])), listeners[0])
    host = REACHED_AT.get(host, host)
    return upstream(f"{each.scheme}://{join_port(host, port)}{each.path}") if each.scheme else UpstreamAddress("udp", host, port)


def _with_address(rest: str) -> str:
    """What follows tls://, with the address of a host name in its place, and that name for the certificate. Raises OSError, ValueError."""
    place, _, name = rest.partition("#")
    host, port = _host_and_port(place, TLS_PORT)
    if is_ip(host.partition("%")[0].strip("[]")) or ":" in host:
        return f"tls://{rest}"
    return f"tls://{join_port(*_resolved(host, port))}#{name or host}"


def _host_and_port(written: str, default: int) -> tuple[str, int]:
    host, _, port = written.partition(":") if written.count(":") == 1 else (written, "", "")
    return host, port_from(port or default)


def _resolved(host: str, port: int) -> tuple[str, int]:
    if not dns_name(host):
        raise ValueError("no host name")
    return str(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][4][0]), port
