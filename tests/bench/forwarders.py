"""Servers that forward, and the authoritative server that they all ask, which has every name below ELSEWHERE."""

from __future__ import annotations

from tests.bench.cases import ELSEWHERE
from tests.bench.others import CoreDns, Dnsmasq, Knot, Other, Unbound


class Upstream(Knot):
    """Knot with a wildcard: it answers a name that nobody has asked before as quickly as any other."""

    name = "upstream"
    probe = f"probe.{ELSEWHERE}"

    def command(self) -> list[str]:
        zone = self.write(
            "upstream.zone",
            f"$ORIGIN {ELSEWHERE}.\n@ 300 IN SOA ns hostmaster 1 7200 1800 86400 300\n@ 300 IN NS ns\nns 300 IN A 127.0.0.1\n"
            "* 3600 IN A 192.0.2.1\n",
        )
        return self.started("upstream", ELSEWHERE, zone)


class UnboundForwarding(Unbound):
    def command(self) -> list[str]:
        assert self.upstream is not None
        address, port = self.upstream
        config = self.write(
            "unbound.conf",
            f"{self.head()}    outgoing-range: 4096\n    num-queries-per-thread: 2048\nremote-control:\n    control-enable: no\n"
            f'forward-zone:\n    name: "."\n    forward-addr: {address}@{port}\n',
        )
        return [str(self.path()), "-d", "-c", str(config)]


class DnsmasqForwarding(Dnsmasq):
    def command(self) -> list[str]:
        assert self.upstream is not None
        address, port = self.upstream
        lines = [
            f"port={self.port}", f"listen-address={self.address}", "bind-interfaces", "no-resolv", "no-hosts", "user=root",
            "keep-in-foreground", "log-facility=-", "dns-forward-max=1000", "cache-size=10000", f"server={address}#{port}",
        ]  # fmt: skip
        return [str(self.path()), "-C", str(self.write("dnsmasq.conf", "\n".join(lines) + "\n"))]


class CoreDnsForwarding(CoreDns):
    def command(self) -> list[str]:
        assert self.upstream is not None
        address, port = self.upstream
        text = f".:{self.port} {{\n    bind {self.address}\n    cache\n    forward . {address}:{port}\n}}\n"
        return [str(self.path()), "-conf", str(self.write("Corefile", text))]


FORWARDERS: tuple[type[Other], ...] = (UnboundForwarding, DnsmasqForwarding, CoreDnsForwarding)
