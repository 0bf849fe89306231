"""A provider for the benchmarks: services that change when a datagram says so, and a backend that costs nothing of its own.

It is found as any plug-in is, through an entry point, in a folder that `install()` makes. Its snapshots are shared and say what has
changed, as those of Consul and Kubernetes do.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from dnsdisco.model.service import Instance, Port, Service, Snapshot
from dnsdisco.providers.base import ServiceDiscovery

METADATA = "Metadata-Version: 2.1\nName: dnsdisco-bench\nVersion: 0\n"
ENTRY_POINTS = "[dnsdisco.providers]\nbench = tests.bench.plugin:BenchServiceDiscovery\n"


class BenchServiceDiscovery(ServiceDiscovery):
    """*services* of *instances* each. A datagram "N V" at *path* gives service N the address `address(N, V)`, in the next snapshot."""

    type: ClassVar[str] = "bench"

    def __init__(self, path: str, services: int, instances: int = 2) -> None:
        self._path, self._services, self._instances = path, services, instances

    def get_services(self) -> dict[str, dict[str, Any]]:
        raise NotImplementedError

    def watch(self, stop: threading.Event) -> Iterator[Snapshot]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            Path(self._path).unlink(missing_ok=True)
            sock.bind(self._path)
            services = {("", f"s{n}"): service(n, 0, self._instances) for n in range(self._services)}
            yield Snapshot(services)
            while not stop.is_set():
                said = [sock.recv(64)]
                sock.setblocking(False)
                try:
                    while True:
                        said.append(sock.recv(64))
                except BlockingIOError:
                    sock.setblocking(True)
                changed = {}
                for each in said:
                    number, version = map(int, each.split())
                    changed["", f"s{number}"] = service(number, version, self._instances)
                services = dict(services)  # a copy of a dictionary alone is quick
                services.update(changed)
                yield Snapshot(services, frozenset(changed))


def service(number: int, version: int, instances: int) -> Service:
    made = tuple(
        Instance(
            f"i{at}", address(number, version) if at == 0 else f"10.{20 + at}.{number // 250 % 250}.{number % 250 + 1}", (Port(80),)
        )
        for at in range(instances)
    )
    return Service(f"s{number}", instances=made)


def address(number: int, version: int) -> str:
    return f"10.{100 + version % 100}.{number // 250 % 250}.{number % 250 + 1}"


def install(folder: Path) -> Path:
    """A folder for PYTHONPATH in which the plug-in is a package that somebody has installed."""
    site = folder / "site"
    info = site / "dnsdisco_bench-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return site
