"""`python -m tests.whole.busy [--loops 2] [--services 1000] [--changes 100]`: the server where other programs want every processor.

Endless loops at niceness 0 in its own session, so many for each processor, while it starts with a file of so many services, and while
services of another provider change.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench import plugin
from tests.whole.server import ROOT, Server

CHANGING = 10  # services of the provider that changes


class Busy(NamedTuple):
    ready_s: float
    changes_s: list[float]  # from the backend's word to the answer, sorted

    def p(self, share: float) -> float:
        return self.changes_s[min(int(len(self.changes_s) * share), len(self.changes_s) - 1)]


def run(folder: Path, *, loops: int = 2, services: int = 1000, changes: int = 100) -> Busy:
    many = {f"f{n}": {"instances": [{"id": "a", "address": f"10.1.{n // 250}.{n % 250 + 1}", "port": 80}]} for n in range(services)}
    (folder / "services.json").write_text(json.dumps(many))
    doorbell = str(folder / "changes")
    providers = [
        {"type": "static", "path": str(folder / "services.json")},
        {"type": "bench", "path": doorbell, "services": CHANGING, "instances": 1},
    ]
    (folder / "dnsdisco.yaml").write_text(json.dumps({"providers": providers, "http": "off", "startup_timeout": 60}))
    path = os.pathsep.join((str(ROOT), str(plugin.install(folder))))
    with endless(loops * (os.cpu_count() or 1)):
        server = Server("--upstream", "none", "--state-dir", "off", cwd=folder, env={"PYTHONPATH": path}, wait=False)
        began = time.monotonic()
        with server:
            server._ready(120)
            ready_s = time.monotonic() - began
            return Busy(ready_s, sorted(_changes(server, doorbell, changes)))


def _changes(server: Server, doorbell: str, changes: int) -> Iterator[float]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        for number in range(changes):
            at, version = number % CHANGING, 1 + number // CHANGING
            began = time.monotonic()
            sock.sendto(b"%d %d" % (at, version), doorbell)
            server.until(f"s{at}.svc.local", {plugin.address(at, version)}, seconds=60)
            yield time.monotonic() - began
            time.sleep(0.02)


@contextmanager
def endless(count: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.whole.busy", description=__doc__)
    parser.add_argument("--loops", type=int, default=2, help="for each processor")
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        busy = run(Path(folder), loops=arguments.loops, services=arguments.services, changes=arguments.changes)
    print(f"{arguments.loops} endless loops for each of {os.cpu_count()} processors, {arguments.services} services")
    print(f"ready after {busy.ready_s:.1f} s")
    print(
        f"change to answer: p50 {busy.p(0.5) * 1000:.0f} ms, p99 {busy.p(0.99) * 1000:.0f} ms, slowest {busy.changes_s[-1] * 1000:.0f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
