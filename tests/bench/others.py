"""Servers that others wrote, from Debian's packages (CoreDNS from `.ci/servers`), with the same services as static data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench.peers import Peer

SOA = "svc.local. 2 IN SOA ns.dns.svc.local. hostmaster.svc.local. 1 7200 1800 86400 2"


class Other(Peer):
    """`program` is looked for in PATH and the sbin folders."""

    program = ""
    package = ""

    def available(self) -> str:
        return "" if self.path() else f"not here; on Debian: apt-get install {self.package}"

    @classmethod
    def path(cls) -> str | None:
        return shutil.which(cls.program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")

    def records(self) -> Iterator[str]:
        """Every record in master-file form."""
        for n in range(self.services):
            first = f"10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}"
            second = f"10.{10 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}"
            name = f"s{n}.svc.local."
            for label, address in (("a", first), ("b", second)):
                yield f"{name} 5 IN A {address}"
                yield f"{name} 5 IN SRV 0 1 80 {label}.{name}"
                yield f"{label}.{name} 5 IN A {address}"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def zone_file(self) -> Path:
        head = ["$ORIGIN svc.local.", SOA, "svc.local. 5 IN NS ns.dns.svc.local.", "ns.dns.svc.local. 5 IN A 127.0.0.1"]
        return self.write(f"{self.program}.zone", "\n".join([*head, *self.records()]) + "\n")


class Knot(Other):
    name = "Knot"
    program = "knotd"
    package = "knot"

    modules = ""

    def command(self) -> list[str]:
        return self.started("knot", "svc.local", self.zone_file())

    def started(self, name: str, zone: str, file: Path) -> list[str]:
        config = self.write(
            f"{name}.conf",
            f"server:\n    listen: {self.address}@{self.port}\n    rundir: {self.folder}/{name}\n    udp-workers: {self.workers}\n"
            f"    tcp-workers: {self.workers}\n    background-workers: 1\ndatabase:\n    storage: {self.folder}/{name}db\n"
            f"log:\n  - target: stderr\n    any: error\n"
            f"{self.modules}zone:\n  - domain: {zone}\n    file: {file}\n    zonefile-sync: -1\n    journal-content: none\n",
        )
        (self.folder / name).mkdir(exist_ok=True)
        return [str(self.path()), "-c", str(config)]


class KnotWithCookies(Knot):
    """Without the module it leaves cookies out of its replies; with it, a client cookie alone gets no answer but BADCOOKIE."""

    name = "Knot with cookies"
    modules = "template:\n  - id: default\n    global-module: mod-cookies\n"

    def started(self, name: str, zone: str, file: Path) -> list[str]:
        return super().started(f"{name}-cookies", zone, file)


class Nsd(Other):
    name = "NSD"
    program = "nsd"
    package = "nsd"

    def command(self) -> list[str]:
        config = self.write(
            "nsd.conf",
            f'server:\n  ip-address: {self.address}@{self.port}\n  port: {self.port}\n  server-count: 1\n  username: ""\n  zonesdir: "{self.folder}"\n'
            f'  database: ""\n  pidfile: "{self.folder}/nsd.pid"\n  xfrdfile: "{self.folder}/xfrd"\n  zonelistfile: "{self.folder}/zones"\n'
            f"  rrl-ratelimit: 0\n  do-ip6: no\nremote-control:\n  control-enable: no\n"
            f'zone:\n  name: svc.local\n  zonefile: "{self.zone_file()}"\n',
        )
        return [str(self.path()), "-d", "-c", str(config)]


class Bind(Other):
    name = "BIND"
    program = "named"
    package = "bind9"

    def command(self) -> list[str]:
        config = self.write(
            "named.conf",
            f'options {{ directory "{self.folder}"; listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }};'
            f' pid-file "{self.folder}/named.pid"; session-keyfile "{self.folder}/session.key"; recursion no; minimal-responses no; }};\n'
            f'controls {{ }};\nzone "svc.local" {{ type master; file "{self.zone_file()}"; }};\n',
        )
        return [str(self.path()), "-g", "-n", "1", "-U", "1", "-c", str(config)]


class Unbound(Other):
    name = "Unbound"
    program = "unbound"
    package = "unbound"

    def command(self) -> list[str]:
        data = "".join(f"    local-data: '{record}'\n" for record in [SOA, *self.records()])
        config = self.write(
            "unbound.conf",
            f"{self.head()}    local-zone: svc.local. static\n{data}remote-control:\n    control-enable: no\n",
        )
        return [str(self.path()), "-d", "-c", str(config)]

    def head(self) -> str:
        return (
            f"server:\n    interface: {self.address}@{self.port}\n    port: {self.port}\n    num-threads: 1\n    do-daemonize: no\n"
            f'    username: ""\n    chroot: ""\n    directory: "{self.folder}"\n    pidfile: ""\n    use-syslog: no\n    module-config: "iterator"\n'
            "    do-not-query-localhost: no\n"
        )


class Dnsmasq(Other):
    name = "dnsmasq"
    program = "dnsmasq"
    package = "dnsmasq-base"

    def command(self) -> list[str]:
        lines = [
            f"port={self.port}", f"listen-address={self.address}", "bind-interfaces", "no-resolv", "no-hosts", "local=/svc.local/",
            "user=root", "keep-in-foreground", "log-facility=-", "local-ttl=5", "dns-forward-max=1000",
        ]  # fmt: skip
        for record in self.records():
            owner, _, _, kind, *data = record.split()
            owner = owner.rstrip(".")
            lines.append(
                f"host-record={owner},{data[0]}"
                if kind == "A"
                else f"srv-host={owner},{data[3].rstrip('.')},{data[2]},{data[0]},{data[1]}"
            )
        return [str(self.path()), "-C", str(self.write("dnsmasq.conf", "\n".join(lines) + "\n"))]


class CoreDns(Other):
    name = "CoreDNS"
    program = "coredns"

    def available(self) -> str:
        return "" if self.path() else "not here; get it with `.ci/servers coredns`"

    @classmethod
    def path(cls) -> str | None:
        cached = Path.home() / ".cache/dnsdisco/servers/bin/coredns"
        return os.environ.get("COREDNS_BIN") or shutil.which("coredns") or (str(cached) if cached.exists() else None)

    def command(self) -> list[str]:
        config = self.write("Corefile", f"svc.local:{self.port} {{\n    bind {self.address}\n    file {self.zone_file()}\n}}\n")
        return [str(self.path()), "-conf", str(config)]


OTHERS: tuple[type[Peer], ...] = (Knot, KnotWithCookies, Nsd, Unbound, Bind, Dnsmasq, CoreDns)
