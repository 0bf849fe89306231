"""Each target written on a real machine apart: the real program reads it, programs find the names, and --undo restores every octet."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.doctor.machine_apart import bad, MachineApart, MARKS, program

pytestmark = MARKS

ON_5300 = "zones: [svc.local, svc.home.arpa]\nlisten: ['127.0.0.1:5300']\nforward: {upstreams: []}\nhttp: off\n"
DNSMASQ = ("--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--bind-interfaces", "--user=root", "--pid-file=", "--listen-address=127.0.0.1", "--edns-packet-max=1232")  # fmt: skip
UNBOUND = "server:\n  interface: 127.0.0.1\n  do-daemonize: no\n  username: ''\n  chroot: ''\n  pidfile: ''\n  use-syslog: no\n  private-address: 10.0.0.0/8\ninclude: /etc/unbound/unbound.conf.d/dnsdisco.conf\n"


@pytest.fixture
def machine(tmp_path):
    with MachineApart(tmp_path) as apart:
        apart.write("dnsdisco.yaml", ON_5300)
        yield apart


def setup(machine: MachineApart, *arguments: str, code: int = 0) -> str:
    """What it prints."""
    done = machine.run(*machine.command("setup"), *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def octets(folder: Path) -> dict[str, tuple]:
    """Everything below, with its mode; links as they are."""
    found = {}
    for path in folder.rglob("*"):
        shown = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None  # noqa: PTH115
        found[str(path.relative_to(folder))] = (shown, path.lstat().st_mode)
    return found


class Applied:
    """The target is applied while the block lasts, and undone behind it."""

    def __init__(self, machine: MachineApart, target: str) -> None:
        self.machine, self.target = machine, target

    def __enter__(self) -> None:
        self.before = octets(self.machine.etc)
        printed = setup(self.machine, self.target)
        assert octets(self.machine.etc) == self.before  # without --apply nothing is written
        applied = setup(self.machine, self.target, "--apply")
        for path in [line.removeprefix("wrote ") for line in applied.splitlines() if line.startswith("wrote ")]:
            assert f"# {path}\n" in printed
            assert (self.machine.etc / path.removeprefix("/etc/")).read_text() in printed

    def __exit__(self, *_: object) -> None:
        assert "restored /" in setup(self.machine, self.target, "--undo")
        assert octets(self.machine.etc) == self.before


def finds(machine: MachineApart, name: str = "web.svc.local") -> bool:
    return "10.0.0.1" in machine.run("getent", "ahosts", name).stdout


def test_dnsmasq(machine):
    machine.serve()
    with Applied(machine, "dnsmasq"):
        started = machine.start(program("dnsmasq"), *DNSMASQ, "--stop-dns-rebind", "--conf-dir=/etc/dnsmasq.d")
        machine.until(lambda: finds(machine))
        assert finds(machine, "web.svc.home.arpa")
        assert bad(machine.doctor()) == set()
        machine.end(started)


def test_unbound(machine):
    machine.serve()
    machine.write("unbound.conf", UNBOUND)
    with Applied(machine, "unbound"):
        assert "no errors" in machine.run(program("unbound-checkconf"), str(machine.folder / "unbound.conf")).stdout
        started = machine.start(program("unbound"), "-d", "-c", str(machine.folder / "unbound.conf"))
        machine.until(lambda: finds(machine))
        assert finds(machine, "web.svc.home.arpa")
        assert bad(machine.doctor()) == set()
        machine.end(started)


@pytest.mark.servers
@pytest.mark.parametrize("bind", ["", "    bind 127.0.0.1\n"])
def test_coredns(machine, bind):
    coredns = program(os.environ.get("COREDNS_BIN") or "coredns", str(Path.home() / ".cache/dnsdisco/servers/bin/coredns"))
    machine.serve()
    assert "svc.local:53 svc.home.arpa:53 {" in setup(machine, "coredns", "--apply", code=1)  # there is no Corefile
    machine.write("/etc/coredns/Corefile", f".:53 {{\n{bind}    whoami\n}}\n")
    with Applied(machine, "coredns"):
        started = machine.start(coredns, "-conf", "/etc/coredns/Corefile")
        machine.until(lambda: finds(machine))
        assert finds(machine, "web.svc.home.arpa")
        machine.end(started)
        assert "all of it is so already" in machine.run(*machine.command("setup"), "coredns", "--apply").stderr


def test_systemd_resolved(machine):
    path = program("/usr/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved")
    machine.serve()
    machine.run("sh", "-c", "mkdir -p /run/systemd/resolve && ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
    refused = setup(machine, "resolv.conf", "--apply", code=1)
    assert "has no place for a port" in refused
    with Applied(machine, "resolved"):
        started = machine.start(path)
        machine.until(lambda: finds(machine))
        assert finds(machine, "web.svc.home.arpa")
        assert bad(machine.doctor()) == set()
        machine.end(started)


def test_systemd_resolved_and_a_server_that_asks_it(machine):
    """By default the server takes its upstreams from resolv.conf, which leads to systemd-resolved: a loop, which is said before and found behind."""
    path = program("/usr/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved")
    machine.write("dnsdisco.yaml", "listen: ['127.0.0.1:5300']\nhttp: off\n")
    machine.run("sh", "-c", "mkdir -p /run/systemd/resolve && ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
    said = machine.run(*machine.command("setup"), "resolved").stderr
    assert "forward: {upstreams: [/run/systemd/resolve/resolv.conf]}" in said
    setup(machine, "resolved", "--apply")
    started = machine.start(path)
    machine.wait_for_resolver("127.0.0.53")
    server = machine.serve()
    machine.asks("127.0.0.53", "www.example.com")
    machine.until(lambda: "DD024" in machine.doctor())
    machine.end(server)
    machine.write(
        "dnsdisco.yaml", "listen: ['127.0.0.1:5300']\nforward: {upstreams: [/run/systemd/resolve/resolv.conf]}\nhttp: off\n"
    )
    assert "upstreams" not in machine.run(*machine.command("setup"), "resolved").stderr
    machine.serve()
    assert "nameserver 127.0.0.53" not in machine.run("cat", "/run/systemd/resolve/resolv.conf").stdout
    machine.until(lambda: finds(machine))
    machine.asks("127.0.0.53", "www.example.com")
    assert "DD024" not in machine.doctor()
    machine.end(started)


def test_resolv_conf(machine):
    machine.write("dnsdisco.yaml", "listen: ['127.0.0.1:53', '[::1]:53']\nhttp: off\n")
    machine.write(
        "/etc/resolv.conf", "# mine\nsearch corp.example\nnameserver 192.0.2.10\noptions timeout:1\nnameserver 192.0.2.11\n"
    )
    (machine.etc / "resolv.conf").chmod(0o640)
    machine.serve()
    said = machine.run(*machine.command("setup"), "resolv.conf").stderr
    assert "forward: {upstreams: [192.0.2.10, 192.0.2.11]}" in said
    with Applied(machine, "resolv.conf"):
        assert (machine.etc / "resolv.conf").read_text() == "nameserver 127.0.0.1\n# mine\nsearch corp.example\noptions timeout:1\n"
        assert finds(machine)


def test_a_resolv_conf_that_is_a_mount(machine):
    """As containers have it: it cannot be replaced by another file."""
    machine.write("dnsdisco.yaml", "listen: ['127.0.0.1:53']\nforward: {upstreams: []}\nhttp: off\n")
    machine.write("mounted", "nameserver 192.0.2.10\n")
    machine.run("mount", "--bind", str(machine.folder / "mounted"), "/etc/resolv.conf")
    setup(machine, "resolv.conf", "--apply")
    assert machine.run("cat", "/etc/resolv.conf").stdout == "nameserver 127.0.0.1\n"
    setup(machine, "resolv.conf", "--undo")
    assert machine.run("cat", "/etc/resolv.conf").stdout == "nameserver 192.0.2.10\n"


@pytest.mark.parametrize(
    ("owner", "make", "way"),
    [
        ("systemd-resolved", "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf", "dnsdisco setup resolved"),
        ("NetworkManager", "ln -sf /run/NetworkManager/resolv.conf /etc/resolv.conf", "dnsdisco setup networkmanager"),
        ("NetworkManager", "printf '# Generated by NetworkManager\\nnameserver 192.0.2.1\\n' > /etc/resolv.conf", "dnsdisco setup networkmanager"),
        ("another program", "ln -sf /somewhere/else /etc/resolv.conf", "in the configuration of the program that writes it"),
    ],
)  # fmt: skip
def test_what_belongs_to_somebody_else_is_refused(machine, owner, make, way):
    machine.write("dnsdisco.yaml", "listen: ['127.0.0.1:53']\nforward: {upstreams: []}\nhttp: off\n")
    machine.run("sh", "-c", make)
    before = octets(machine.etc)
    said = setup(machine, "resolv.conf", "--apply", code=1)
    assert f"belongs to {owner}" in said
    assert way in said
    assert octets(machine.etc) == before


def test_network_manager(machine):
    with Applied(machine, "networkmanager"):
        assert "server=/svc.local/127.0.0.1#5300\n" in (machine.etc / "NetworkManager/dnsmasq.d/dnsdisco.conf").read_text()
        assert "dns=dnsmasq\n" in (machine.etc / "NetworkManager/conf.d/dnsdisco.conf").read_text()
    machine.write("dnsdisco.yaml", "listen: ['127.0.0.1:53']\nhttp: off\n")
    with Applied(machine, "networkmanager"):
        assert "dns=none\n" in (machine.etc / "NetworkManager/conf.d/dnsdisco.conf").read_text()


def test_docker(machine):
    assert "let the server listen on port 53 of the bridge" in setup(machine, "docker", "--apply", code=1)
    machine.write("dnsdisco.yaml", "listen: ['127.0.0.1:53', '172.17.0.1:53']\nforward: {upstreams: []}\nhttp: off\n")
    machine.run("ip", "address", "add", "172.17.0.1/16", "dev", "outside")
    machine.write("/etc/docker/daemon.json", '{"log-driver": "journald", "dns": ["8.8.8.8"]}')
    machine.serve()
    with Applied(machine, "docker"):
        assert json.loads((machine.etc / "docker/daemon.json").read_text()) == {"log-driver": "journald", "dns": ["172.17.0.1"]}
        assert "DD051" not in machine.doctor()
        assert "10.0.0.1" in machine.asks("172.17.0.1")
    machine.write("/etc/docker/daemon.json", "{")
    assert "is not JSON" in setup(machine, "docker", code=1)


def test_macos(machine):
    assert "# /etc/resolver/svc.local\nnameserver 127.0.0.1\nport 5300\n" in setup(machine, "macos")
    assert "this is no Mac" in setup(machine, "macos", "--apply", code=1)


def test_the_systemd_unit(machine):
    machine.write("/etc/dnsdisco/dnsdisco.yaml", ON_5300)
    with Applied(machine, "systemd"):
        if verify := shutil.which("systemd-analyze"):
            done = machine.run(verify, "verify", "/etc/systemd/system/dnsdisco.service")
            assert "dnsdisco.service:" not in done.stderr


def test_the_running_server_counts_and_not_the_configuration(machine):
    machine.serve("--listen", "127.0.0.1:5301", "--zone", "other.internal")
    assert setup(machine, "dnsmasq").startswith("# /etc/dnsmasq.d/dnsdisco.conf\nserver=/other.internal/127.0.0.1#5301\n")


def test_both_at_once_is_wrong_usage(machine):
    assert "contradict" in setup(machine, "resolved", "--apply", "--undo", code=2)
