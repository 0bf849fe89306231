"""docs/setup.md: what `dnsdisco setup` prints, as a page. `python -m tests.setup.setup_page` writes it; a test holds the two together."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup import resolvers
from dnsdisco.setup.targets import TARGETS
from dnsdisco.setup.values import SetupValues

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "setup.md"
ON_5300 = SetupValues.of(["svc.local"], ["127.0.0.1:5300"])
ON_53 = SetupValues.of(["svc.local"], ["127.0.0.1:53", "172.17.0.1:53"])
LANGUAGES = {"resolved": "ini", "networkmanager": "ini", "docker": "json", "unbound": "yaml"}

HEAD = """# Pointing a machine at it

```
dnsdisco setup TARGET            # prints what it would write, and where
dnsdisco setup TARGET --apply    # writes it, and prints what to restart
dnsdisco setup TARGET --undo     # makes every file again what it was
```

Zones and addresses are those of the running server, else those of the configuration. Services are restarted by nobody but you. What belongs to
another program, such as a resolv.conf that is a link of systemd-resolved, and what could not work, such as a resolv.conf while the server is not on
port 53, is refused with the reason and the way; the exit status is 1.

`--apply` writes each file at once and keeps its mode and owner. What was there before is kept in `/etc/dnsdisco/setup/TARGET.json`, for root alone;
`--undo` restores it to the octet, and refuses where somebody has changed the file since. Afterwards `dnsdisco doctor` says whether programs find the names
([doctor.md](doctor.md)).

This page shows what is printed for a server on `127.0.0.1:5300`, or port 53 where that is needed. It is made from the code:
`python -m tests.setup.setup_page`.

| target | when |
|---|---|
| [`resolved`](#resolved) | systemd-resolved answers on this machine (`/etc/resolv.conf` has `nameserver 127.0.0.53`) |
| [`resolv.conf`](#resolvconf) | programs are to ask the server itself, on port 53 |
| [`networkmanager`](#networkmanager) | NetworkManager writes resolv.conf |
| [`dnsmasq`](#dnsmasq), [`unbound`](#unbound), [`coredns`](#coredns) | such a resolver runs already, and keeps port 53 |
| [`docker`](#docker) | containers are to find the names |
| [`macos`](#macos) | on a Mac |
| [`systemd`](#systemd) | the server itself is to be started by systemd |
"""

MORE = {
    "resolved": "systemd-resolved refuses names below `.local` without a routing domain (`~`). A global `DNS=` line takes every other name, too; for the zone alone, set it on a link: "
    "`resolvectl dns LINK 127.0.0.1:5300; resolvectl domain LINK '~svc.local'`, which lasts until the link goes down. A server whose upstreams come from "
    "/etc/resolv.conf would be asked by systemd-resolved and ask it back: write `forward: {upstreams: [/run/systemd/resolve/resolv.conf]}`.",
    "resolv.conf": "The nameserver lines are replaced, all others stay. One line alone: programs would also ask a second server, which does not know the zone. There is no "
    "place for a port, so the server must listen on port 53: as root, with the capability `CAP_NET_BIND_SERVICE`, or through systemd's sockets. "
    "The server takes its upstreams from the same file by default, without its own addresses: once it names the server alone, name them with `--upstream`.",
    "networkmanager": "With the server on port 53, NetworkManager is made to leave resolv.conf alone, and `dnsdisco setup resolv.conf` is next. On another port, its own dnsmasq "
    "sends the zone to the server:",
    "dnsmasq": "`rebind-domain-ok`: where `stop-dns-rebind` is on, dnsmasq would silently remove private addresses.",
    "unbound": "`private-domain` has a meaning where `private-address` is set; `local-zone … transparent` below zones that Unbound answers itself, such as `home.arpa`.",
    "coredns": "The block is put behind the others of /etc/coredns/Corefile, with their `bind` line. In Kubernetes it goes into the ConfigMap `kube-system/coredns`. Pods have `ndots:5`: "
    "write names with a dot at their end, or each is tried below the search list first.",
    "docker": "Containers cannot reach the host's loopback, so the server listens on the bridge, too (`--listen 172.17.0.1:53`). `docker run --dns 172.17.0.1` does the same for one container. Other settings "
    "in the file stay.",
    "macos": "`dig` does not read these files. From Apple's published sources; not tried on a Mac.",
    "systemd": "The unit of [deploy/systemd/dnsdisco.service](../deploy/systemd/dnsdisco.service), with the program that prints it in place of /opt/dnsdisco/bin/dnsdisco. It reads "
    "/etc/dnsdisco/dnsdisco.yaml, has no rights but port 53, and keeps its state in /var/lib/dnsdisco.",
}


def shown(target: str, values: SetupValues, root: str = "/nowhere") -> str:
    wanted = TARGETS[target](values, MachineFiles(root))
    parts = []
    for file in wanted.files:
        body = resolvers.corefile_block(values) if target == "coredns" else file.text
        parts.append(f"```{LANGUAGES.get(target, '')}\n# {file.path}\n{body}```\n".replace("# /etc/docker/daemon.json\n", ""))
    return "\n".join(parts) + (f"\nThen: {', '.join(f'`{each}`' for each in wanted.then)}\n" if wanted.then else "")


def page() -> str:
    parts = [HEAD]
    with tempfile.TemporaryDirectory() as root:
        corefile = Path(root) / resolvers.COREFILE.lstrip("/")
        corefile.parent.mkdir(parents=True)
        corefile.write_text(".:53 {\n}\n")
        for target in TARGETS:
            parts.append(f"\n## {target}\n\n{MORE[target]}\n")
            if target != "systemd":
                parts.append("\n" + shown(target, ON_53 if target in ("resolv.conf", "docker") else ON_5300, root))
            if target == "networkmanager":
                parts.append("\nOn port 53:\n\n" + shown(target, ON_53, root))
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
