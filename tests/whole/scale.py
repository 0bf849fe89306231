"""10,000 services with 100,000 instances in a backend, before whole `dnsdisco serve`: the figures of docs/consul.md and docs/kubernetes.md.

    python -m tests.whole.scale [consul] [kubernetes] [--services 10000] [--instances 10]

The backends are the fakes, each in a process of its own: a real one takes minutes to be filled. Measured: from the start of the program until
the last service is answered with all its instances; memory; the processor time that it took, and that it takes when nothing changes; the most
connections to Consul; and how long a change takes to be answered then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.providers.kubernetes import measure
from tests.whole.changes import Answer, Asker, share
from tests.whole.failures import cpu
from tests.whole.server import ROOT, Server

SYNCED_S = 120.0
IDLE_S = 20.0
CHANGES = 40


class Filled(NamedTuple):
    provider: str  # the entry of `providers:`
    last: str  # the service that comes last
    change: Callable[[int], tuple[str, Callable[[Answer], bool]]]  # makes one; what to ask for, and whether the answer has it
    connections: Callable[[], str]


@contextmanager
def consul(_: Path, services: int, instances: int) -> Iterator[Filled]:
    command = [sys.executable, "-m", "tests.providers.consul.fake", str(services), str(instances), "1000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None

        def say(text: str) -> str:
            agent.stdin.write(f"{text}\n")
            agent.stdin.flush()
            return agent.stdout.readline().strip()

        def change(at: int) -> tuple[str, Callable[[Answer], bool]]:
            # By turns of one with a query of its own, and of the last one, which has none.
            name = ("svc-1", f"svc-{services - 1}")[at // 2 % 2]
            say(f"{name} {('critical', 'passing')[at % 2]}")
            return name, lambda found: len(found) == instances - (1 - at % 2)

        port = int(agent.stdout.readline())
        provider = f"{{type: consul, address: 'http://127.0.0.1:{port}'}}"
        yield Filled(provider, f"svc-{services - 1}", change, lambda: f", {say('connections').split()[0]} connections at most")
        agent.stdin.close()


@contextmanager
def kubernetes(folder: Path, services: int, instances: int) -> Iterator[Filled]:
    with measure._fake(folder, services, instances) as (kubeconfig, orders):

        def change(at: int) -> tuple[str, Callable[[Answer], bool]]:
            orders.put(f"10.250.0.{at + 1}")
            return "s0", lambda found: found == {f"10.250.0.{at + 1}"}

        yield Filled(f"{{type: kubernetes, kubeconfig: {kubeconfig}}}", f"s{services - 1}", change, lambda: "")


def until(asker: Asker, name: str, is_so: Callable[[Answer], bool]) -> None:
    ends_at = time.monotonic() + SYNCED_S
    while not is_so(asker.ask(name)):
        assert time.monotonic() < ends_at, f"{name} is {asker.ask(name)} after {SYNCED_S} s"
        time.sleep(0.002)


def run(title: str, folder: Path, filled: Filled, services: int, instances: int) -> None:
    config = folder / "dnsdisco.yaml"
    config.write_text(f"providers: [{filled.provider}]\nforward: {{upstreams: []}}\n")
    began_at = time.monotonic()
    with Server("--config", str(config), "--http", "off", "--state-dir", "off", cwd=folder) as server:
        asker = Asker(server)
        until(asker, filled.last, lambda found: len(found) == instances and "SERVFAIL" not in found)
        took_s = time.monotonic() - began_at
        (control,), (worker,) = (server.children()[kind] for kind in ("control", "server"))
        cpus = [cpu(control), cpu(worker)]
        print(f"{title}: {services} services, {services * instances} instances")
        print(f"  answered {took_s:.1f} s after the start; CPU of control {cpus[0]:.1f} s, of the worker {cpus[1]:.1f} s")
        time.sleep(5)
        sizes = [resident_mb(pid) for pid in (control, worker)]
        per = sizes[1] * 2**20 / (services * instances)
        print(
            f"  memory: control {sizes[0]:.0f} MB, worker {sizes[1]:.0f} MB ({per:.0f} octets an instance, with all else){filled.connections()}"
        )
        used_s = cpu(control)
        time.sleep(IDLE_S)
        print(f"  CPU of control when nothing changes: {(cpu(control) - used_s) / IDLE_S:.1%}")
        seen_s = []
        for at in range(CHANGES):
            changed_at = time.perf_counter()
            until(asker, *filled.change(at))
            seen_s.append(time.perf_counter() - changed_at)
            time.sleep(0.3)
        print(f"  a change then: p50 {share(seen_s, 0.5):.0f} ms, p90 {share(seen_s, 0.9):.0f} ms, max {share(seen_s, 1.0):.0f} ms")
        asker.close()


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="*", metavar="consul|kubernetes")
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--instances", type=int, default=10)
    given = parser.parse_args()
    for make in (consul, kubernetes):
        if given.backends and make.__name__ not in given.backends:
            continue
        with tempfile.TemporaryDirectory() as folder, make(Path(folder), given.services, given.instances) as filled:
            run(make.__name__, Path(folder), filled, given.services, given.instances)


if __name__ == "__main__":
    main()
