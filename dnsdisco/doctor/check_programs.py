"""Programs that find names in a way of their own: musl, containers, browsers, HAProxy; and the clock that some of them rely on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from dnsdisco import sockaddr
from dnsdisco.doctor import codes
from dnsdisco.doctor.finding import Finding
from dnsdisco.doctor.known import Known
from dnsdisco.doctor.resolver_file import PATH as RESOLV_CONF
from dnsdisco.errors import DnsdiscoError
from dnsdisco.wire.constants import NXDOMAIN

CANARY = "use-application-dns.net"  # Firefox's: DNS over HTTPS stays off where it does not exist
BROWSERS = ("firefox", "firefox-esr", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave-browser", "microsoft-edge")  # fmt: skip
PROGRAM_FOLDERS = ("/usr/bin", "/usr/local/bin", "/snap/bin")
BRIDGES = re.compile(r"^\s*((?:docker|podman|cni-podman)\d+|br-[0-9a-f]{12}):", re.MULTILINE)
DAEMON_FILE = "/etc/docker/daemon.json"
HAPROXY_FILE = "/etc/haproxy/haproxy.cfg"
HAPROXY_UNIT = 256  # of an SRV weight, for one of HAProxy's own
AVAHI = "avahi-daemon"
EARLY_S = 60  # files on a network file system may have the time of another machine


def musl(known: Known) -> Iterator[Finding]:
    found = [path for path in known.machine.folder("/lib") if re.fullmatch(r"/lib/ld-musl-[\w-]+\.so\.1", path)]
    if found:
        yield codes.MUSL.found(found[0], "programs that are linked with musl are here")


def containers(known: Known) -> Iterator[Finding]:
    named = _docker_servers(known)
    loopback = [host for host in named if sockaddr.is_loopback(host)]
    if loopback:
        yield codes.DOCKER.found(DAEMON_FILE, f"it gives containers the nameserver {loopback[0]}, which is their own loopback")
    bridges = BRIDGES.findall(known.machine.text("/proc/net/dev") or "")
    if bridges and not named and known.listen and all(sockaddr.is_loopback(host) for host, _ in known.listen):
        yield codes.DOCKER.found(bridges[0], "there is a bridge for containers, and the server listens on the loopback alone")


def _docker_servers(known: Known) -> list[str]:
    try:
        daemon = json.loads(known.machine.text(DAEMON_FILE) or "{}")
    except ValueError:
        return []
    named = daemon.get("dns") if isinstance(daemon, dict) else None
    return [str(host) for host in named] if isinstance(named, list) else []


def _browser(known: Known) -> str:
    paths = (f"{folder}/{name}" for name in BROWSERS for folder in PROGRAM_FOLDERS)
    return next((path for path in paths if known.machine.has(path)), "")


def multicast(known: Known) -> Iterator[Finding]:
    local = [zone for zone in known.zones if zone.endswith(".local")]
    there = _browser(known) or (AVAHI if known.machine.is_running(AVAHI) else "")
    if local and there:
        yield codes.LOCAL.found(local[0], f"{there} is here, and may ask multicast DNS for it", zone=local[0])


def browsers(known: Known) -> Iterator[Finding]:
    browser = _browser(known)
    if not browser:
        return
    host = known.resolver.asked[0]
    seen = known.probe(host, CANARY, "A")
    if not seen.trouble and seen.rcode != NXDOMAIN and seen.has_answer:
        yield codes.BROWSER.found(browser, f"{host} has an answer for {CANARY}, so Firefox may ask a resolver of its own")


def haproxy(known: Known) -> Iterator[Finding]:
    scale = known.settings.get("srv_weight_scale", 1)
    for name in _in_templates(known):
        try:
            service: Mapping[str, Any] = known.ask(f"/v1/services/{name}")["service"]
        except DnsdiscoError:
            continue
        weights = {each.get("weight", 1) * scale for each in service["instances"]}
        if len(weights) > 1 and max(weights) < HAPROXY_UNIT:
            shown = ", ".join(str(weight) for weight in sorted(weights))
            yield codes.HAPROXY.found(name, f"{HAPROXY_FILE} asks for it, and its weights are {shown}")


def _in_templates(known: Known) -> list[str]:
    """The services, as the API knows them, whose names `server-template` lines have."""
    found = []
    for line in known.machine.lines(HAPROXY_FILE):
        words = line.split()
        if words[0] != "server-template" or len(words) < 4:
            continue
        host = words[3].partition(":")[0].rstrip(".").lower()
        zone = next((zone for zone in known.zones if host.endswith(f".{zone}")), None)
        if zone is not None:
            labels = host.removesuffix(f".{zone}").split(".")
            names = [label for label in labels if not label.startswith("_")]
            found.append(".".join(names) or labels[0].removeprefix("_"))
    return list(dict.fromkeys(found))


def clock(known: Known) -> Iterator[Finding]:
    """A file that was written later than now."""
    folder = known.settings.get("state_dir")
    paths = [
        RESOLV_CONF,
        *((f"{folder}/serial", f"{folder}/views") if folder else ()),
        "/etc/hostname",
        "/var/lib/systemd/timesync/clock",
    ]
    for path in paths:
        try:
            ahead_s = known.machine.at(path).stat().st_mtime - time.time()
        except OSError:
            continue
        if ahead_s > EARLY_S:
            yield codes.CLOCK.found(path, f"it was written {ahead_s / 3600:.1f} hours later than the clock says it is")
            return
