"""The servers that are compared: each on loopback with its own folder, port and pid, the zone served or forwarded."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.bench import others
from tests.conformance.decoded import decode
from tests.conformance.exchange import send, Target
from tests.conformance.probes import header, name
from tests.conformance.zonedata import NEGATIVE_TTL, TTL, ZoneData

SOA_QUESTION = b"\0\6\0\1"
SETTLED_S = 0.5


class Server(others.Other):
    """`is_recursive`: it forwards the zone to *upstream*. `serial`: of the SOA that it serves."""

    is_recursive = False
    version_command: tuple[str, ...] = ("-V",)

    def __init__(self, folder: Path, data: ZoneData, *, serial: int = 1, upstream: Target | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, 0, cpu=None)
        self.data, self.serial = data, serial
        self.upstream: Target | None = upstream
        self.started_at = time.monotonic()

    @property
    def target(self) -> Target:
        return Target(self.address, self.port)

    def zone_file(self) -> Path:
        return self.write(f"{self.data.zone}.zone", self.data.master(self.serial))

    def _wait(self, seconds: float = 20.0) -> None:
        question = header(counts=(1, 0, 0, 0)) + name(self.data.zone) + SOA_QUESTION
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            reply = send(self.target, question, is_tcp=False, timeout_s=0.2)
            if reply is not None and reply[6:8] == b"\0\1":
                return
            time.sleep(0.02)
        self.__exit__()
        raise RuntimeError(f"{self.name} does not answer:\n{(self.folder / f'{self.name}.log').read_text()[-3000:]}")

    def version(self) -> str:
        """As the program itself tells it."""
        said = subprocess.run([str(self.path()), *self.version_command], capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
        return found[0] if found else "?"


class Named(Server):
    name, program, package = "named", "named", "bind9"

    def command(self) -> list[str]:
        config = self.write(
            "named.conf",
            f'options {{ directory "{self.folder}"; listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }};'
            f' pid-file "{self.folder}/named.pid"; session-keyfile "{self.folder}/session.key"; recursion no; minimal-responses no-auth; zero-no-soa-ttl no;'
            f" notify no; }};\n"
            f'controls {{ }};\nzone "{self.data.zone}" {{ type master; file "{self.zone_file()}"; check-names ignore; check-srv-cname ignore; }};\n',
        )
        return [str(self.path()), "-g", "-n", "1", "-U", "1", "-c", str(config)]


class Knotd(Server):
    name, program, package = "knotd", "knotd", "knot"

    def command(self) -> list[str]:
        config = self.write(
            "knot.conf",
            f"server:\n    listen: {self.address}@{self.port}\n    rundir: {self.folder}\n    udp-workers: 1\n    tcp-workers: 1\n"
            f"    background-workers: 1\ndatabase:\n    storage: {self.folder}/knotdb\nlog:\n  - target: stderr\n    any: warning\n"
            f"zone:\n  - domain: {self.data.zone}\n    file: {self.zone_file()}\n    zonefile-sync: -1\n    journal-content: none\n",
        )
        return [str(self.path()), "-c", str(config)]


class Nsd(Server):
    name, program, package, version_command = "nsd", "nsd", "nsd", ("-v",)

    def command(self) -> list[str]:
        config = self.write(
            "nsd.conf",
            f'server:\n  ip-address: {self.address}@{self.port}\n  port: {self.port}\n  server-count: 1\n  username: ""\n'
            f'  zonesdir: "{self.folder}"\n  database: ""\n  pidfile: "{self.folder}/nsd.pid"\n  xfrdfile: "{self.folder}/xfrd"\n'
            f'  zonelistfile: "{self.folder}/zones"\n  rrl-ratelimit: 0\n  do-ip6: no\nremote-control:\n  control-enable: no\n'
            f'zone:\n  name: {self.data.zone}\n  zonefile: "{self.zone_file()}"\n',
        )
        return [str(self.path()), "-d", "-c", str(config)]


class Unbound(Server):
    name, program, package, is_recursive = "unbound", "unbound", "unbound", True

    def command(self) -> list[str]:
        assert self.upstream is not None
        config = self.write(
            "unbound.conf",
            f"server:\n    interface: {self.address}@{self.port}\n    port: {self.port}\n    num-threads: 1\n    do-daemonize: no\n"
            f'    username: ""\n    chroot: ""\n    directory: "{self.folder}"\n    pidfile: ""\n    use-syslog: no\n'
            f'    module-config: "iterator"\n    do-not-query-localhost: no\n    local-zone: "test." nodefault\n    incoming-num-tcp: 100\n'
            f'forward-zone:\n    name: "."\n    forward-addr: {self.upstream.address}@{self.upstream.port}\n'
            "remote-control:\n    control-enable: no\n",
        )
        return [str(self.path()), "-d", "-c", str(config)]


class Dnsmasq(Server):
    name, program, package, is_recursive, version_command = "dnsmasq", "dnsmasq", "dnsmasq-base", True, ("--version",)

    def command(self) -> list[str]:
        assert self.upstream is not None
        lines = [
            f"port={self.port}", f"listen-address={self.address}", "bind-interfaces", "no-resolv", "no-hosts", "user=root",
            "keep-in-foreground", "log-facility=-", f"server={self.upstream.address}#{self.upstream.port}", "cache-size=10000",
        ]  # fmt: skip
        return [str(self.path()), "-C", str(self.write("dnsmasq.conf", "\n".join(lines) + "\n"))]


class CoreDns(Server):
    name, program, package, is_recursive, version_command = "coredns", "coredns", ".ci/servers coredns", True, ("-version",)

    path = others.CoreDns.path

    def command(self) -> list[str]:
        assert self.upstream is not None
        config = self.write(
            "Corefile",
            f".:{self.port} {{\n    bind {self.address}\n    forward . {self.upstream.address}:{self.upstream.port}\n    cache 3600\n}}\n",
        )
        return [str(self.path()), "-conf", str(config)]


class PdnsRecursor(Server):
    name, program, package, is_recursive = "pdns_recursor", "pdns_recursor", "pdns-recursor", True
    version_command = ("--version",)

    def command(self) -> list[str]:
        assert self.upstream is not None
        lines = [
            f"local-address={self.address}", f"local-port={self.port}", "daemon=no", "threads=1", f"socket-dir={self.folder}", "quiet=yes",
            f"forward-zones-recurse=.={self.upstream.address}:{self.upstream.port}", "dont-query=", "dnssec=off", "disable-syslog=yes",
            "security-poll-suffix=", "setuid=", "setgid=", "hint-file=", "write-pid=no", "export-etc-hosts=no", "serve-rfc1918=no",
        ]  # fmt: skip
        self.write("recursor.conf", "\n".join(lines) + "\n")
        return [str(self.path()), f"--config-dir={self.folder}"]


class Dnsdist(Server):
    name, program, package, is_recursive, version_command = "dnsdist", "dnsdist", "dnsdist", False, ("--version",)

    def command(self) -> list[str]:
        assert self.upstream is not None
        config = self.write(
            "dnsdist.conf",
            f'setLocal("{self.address}:{self.port}")\nnewServer{{address="{self.upstream.address}:{self.upstream.port}", checkType="SOA",'
            f' checkName="{self.data.zone}.", useClientSubnet=false}}\nsetSecurityPollSuffix("")\n',
        )
        return [str(self.path()), "--supervised", "--disable-syslog", "-C", str(config)]


class Dnsdisco(Server):
    """As `dnsdisco serve`: the whole program. It serves the zone, or, given an *upstream*, forwards it and serves `svc.local`."""

    name = "dnsdisco"

    def available(self) -> str:
        return ""

    def command(self) -> list[str]:
        self.is_recursive = self.upstream is not None
        zone = "svc.local" if self.is_recursive else self.data.zone
        self.write("services.json", self.data.services)
        self.write("extra.zone", self.data.zone_file.replace(f"$ORIGIN {self.data.zone}.", f"$ORIGIN {zone}."))
        settings = {
            "zones": [zone],
            "listen": [f"{self.address}:{self.port}"],
            "ttl": TTL,
            "negative_ttl": NEGATIVE_TTL,
            "providers": [{"type": "static", "path": "services.json"}],
            "zone_files": ["extra.zone"],
            "forward": {"upstreams": [f"{self.upstream.address}:{self.upstream.port}"] if self.upstream else []},
            "cache": {"negative_max_ttl": NEGATIVE_TTL},
            "identity": {"server_id": "here"},
            "http": "off",
            "state_dir": "off",
        }
        self.write("dnsdisco.yaml", yaml.safe_dump(settings))
        return [sys.executable, "-m", "dnsdisco.cli", "serve", "--config", str(self.folder / "dnsdisco.yaml")]

    def version(self) -> str:
        from importlib.metadata import version

        return version("dnsdisco")

    def settled_serial(self) -> int:
        """Of the SOA that it answers with, once that has stayed the same for `SETTLED_S`: nothing more is being published."""
        serial, since = self._serial(), time.monotonic()
        while time.monotonic() - since < SETTLED_S:
            time.sleep(0.05)
            if (now := self._serial()) != serial:
                serial, since = now, time.monotonic()
        return serial

    def _serial(self) -> int:
        zone = "svc.local" if self.is_recursive else self.data.zone
        reply = send(self.target, header(counts=(1, 0, 0, 0)) + name(zone) + SOA_QUESTION, is_tcp=False)
        assert reply is not None
        return int.from_bytes(decode(reply).answer[0].data[-20:-16], "big")


AUTHORITATIVE: tuple[type[Server], ...] = (Named, Knotd, Nsd)
FORWARDING: tuple[type[Server], ...] = (Unbound, Dnsmasq, CoreDns, PdnsRecursor)


def is_here(server: type[Server]) -> bool:
    """Its program is installed."""
    return server.path() is not None
