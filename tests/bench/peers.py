"""The servers that are measured, each started on loopback with the same data, on one processor, and ended by its own pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.bench.load import query

ROOT = Path(__file__).parents[2]


class Peer:
    """Context manager of one server process (and its children). `address` and `port` are where it answers."""

    name = ""
    workers = 1
    upstream: tuple[str, int] | None = None  # whom it forwards to
    probe = ""  # a name that it answers when it is ready; by default the last service's

    pythonpath: Sequence[str] = ()

    def __init__(self, folder: Path, services: int, cpu: int | None = 0) -> None:
        self.folder, self.services, self.cpu = folder, services, cpu
        self.address, self.port = "127.0.0.1", _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The command line; writes the files that it needs."""
        raise NotImplementedError

    def available(self) -> str:
        """Why it cannot be measured here; "" when it can."""
        return ""

    def __enter__(self) -> Self:
        command = self.command()
        if self.cpu is not None and shutil.which("taskset"):
            command = ["taskset", "-c", str(self.cpu), *command]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *self.pythonpath])}
        with (self.folder / f"{self.name}.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait(self, seconds: float = 60.0) -> None:
        """Until the last of the services is answered."""
        until = time.monotonic() + seconds
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            sock.connect((self.address, self.port))
            while time.monotonic() < until:
                assert self.process is not None
                if self.process.poll() is not None:
                    break
                try:
                    sock.send(query(self.probe or f"s{self.services - 1}.svc.local", 1))
                    if sock.recv(4096)[6:8] != b"\0\0":
                        return
                except OSError:
                    pass
                time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not answer:\n{(self.folder / f'{self.name}.log').read_text()[-2000:]}")

    def cpu_ns(self) -> int:
        """Processor time of the whole process tree so far, every thread of it."""
        return sum(schedstat(pid) for pid in self.pids())

    def rss_kib(self) -> int:
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total

    def pids(self) -> list[int]:
        assert self.process is not None
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        return found


class Dnsdisco(Peer):
    name = "dnsdisco"

    def command(self) -> list[str]:
        path = self.folder / "services.json"
        rows = (
            f'"s{n}": {{"instances": [{{"id": "a", "address": "10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}", "port": 80}},'
            f' {{"id": "b", "address": "10.{10 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}", "port": 80}}]}}'
            for n in range(self.services)
        )
        path.write_text("{" + ",\n".join(rows) + "}")
        return [*self.serve(), "--services", str(path)]

    def serve(self) -> list[str]:
        """All but where the services come from."""
        upstream = "none" if self.upstream is None else f"{self.upstream[0]}:{self.upstream[1]}"
        return [
            sys.executable, "-m", "dnsdisco.cli", "serve", "--listen", f"{self.address}:{self.port}", "--upstream", upstream,
            "--http", "off", "--state-dir", "off", "--workers", str(self.workers),
        ]  # fmt: skip


class DnslibPerQuery(Peer):
    """What one would write first: asyncio, dnslib's codec for every query and every reply, a dictionary of records."""

    name = "dnslib per query"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.bench.dnslib_server", self.address, str(self.port), str(self.services)]


def _free_port() -> int:
    """Free for UDP and TCP alike."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def schedstat(pid: int) -> int:
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())
