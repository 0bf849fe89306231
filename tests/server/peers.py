"""Resolvers that others wrote, started for one test: on loopback, with a folder, a port and a process of their own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from tests.forward.upstream import Asked, free_port, Make
from tests.kit import canned

WITHIN_S = 20.0


@contextmanager
def dnsmasq(folder: Path, *options: str) -> Iterator[int]:
    """Its port."""
    port = free_port()
    command = ["--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces"]
    command += ["--no-resolv", "--no-hosts", f"--pid-file={folder}/dnsmasq.pid", "--user=", "--log-facility=-", *options]
    with _started(folder, port, "dnsmasq", "dnsmasq-base", command):
        yield port


@contextmanager
def unbound(folder: Path, forwards: Mapping[str, int], *lines: str, modules: str = "iterator") -> Iterator[int]:
    """Its port. *forwards*: zones and the ports of their upstreams. *lines*: of its `server:` part."""
    port = free_port()
    server = [
        f"interface: 127.0.0.1@{port}", f"port: {port}", "do-daemonize: no", 'username: ""', 'chroot: ""', f'directory: "{folder}"',
        f'pidfile: "{folder}/unbound.pid"', "use-syslog: no", "num-threads: 1", "do-not-query-localhost: no",
        f'module-config: "{modules}"', 'local-zone: "test." nodefault', "access-control: 127.0.0.0/8 allow", *lines,
    ]  # fmt: skip
    text = "server:\n" + "".join(f"    {line}\n" for line in server)
    for zone, upstream in forwards.items():
        text += f'forward-zone:\n    name: "{zone}"\n    forward-addr: 127.0.0.1@{upstream}\n'
    config = folder / "unbound.conf"
    config.write_text(f"{text}remote-control:\n    control-enable: no\n")
    with _started(folder, port, "unbound", "unbound", ["-d", "-c", str(config)]):
        yield port


def ask(port: int, name: str, rtype: str = "A", *, tcp: bool = False, **options) -> dns.message.Message:
    query = dns.message.make_query(name, rtype, **{"use_edns": 0, "payload": 1232, **options})
    return (dns.query.tcp if tcp else dns.query.udp)(query, "127.0.0.1", port=port, timeout=5)


def says(name: str, rtype: str, answer: str = "", **rest: str) -> Make:
    """For a ScriptedUpstream: the reply that `tests.kit.canned` makes, to who asked."""
    octets = canned(name, rtype, answer, **rest)

    def make(asked: Asked) -> bytes:
        assert len(asked.question) == len(octets) - len(octets[12 + len(asked.question) :]) - 12
        return asked.message[:2] + octets[2:12] + asked.question + octets[12 + len(asked.question) :]

    return make


def path_of(program: str, package: str) -> str:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{program} (Debian: {package}) is not installed")
    return path


@contextmanager
def _started(folder: Path, port: int, program: str, package: str, arguments: list[str]) -> Iterator[None]:
    path = path_of(program, package)
    with (folder / f"{program}.log").open("w") as log:
        process = subprocess.Popen([path, *arguments], stdout=log, stderr=log)
    try:
        until = time.monotonic() + WITHIN_S
        while True:
            assert process.poll() is None, (folder / f"{program}.log").read_text()
            try:
                dns.query.tcp(dns.message.make_query("localhost", "A"), "127.0.0.1", port=port, timeout=1)
                break
            except (OSError, EOFError, dns.exception.DNSException):
                assert time.monotonic() < until, f"{program} does not answer"
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)
