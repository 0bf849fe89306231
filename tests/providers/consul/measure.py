"""The figures of docs/consul.md: `python -m tests.providers.consul.measure`.

latency: a real agent; from the moment before a change is sent to the snapshot that has it. scale: a fake agent in a process of its own,
with 10,000 services and 100,000 instances on 1,000 nodes. real: a real agent with 10,000 services on 100 nodes.
"""

from __future__ import annotations

import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from dnsdisco.model.service import Snapshot
from dnsdisco.providers.consul import ConsulServiceDiscovery
from dnsdisco.providers.consul.agent import Agent
from dnsdisco.providers.consul.credentials import Credentials
from dnsdisco.providers.consul.options import Options
from dnsdisco.testing import Watch
from tests.providers.consul.kit import ids, until
from tests.providers.consul.real import RealConsul

ROUNDS = 60  # of five changes each
ROOT = pathlib.Path(__file__).parents[3]
TOOK: dict[str, list[float]] = {}
TTL = {"TTL": "1h", "Status": "passing"}


def changes(consul: RealConsul, at: int) -> Iterator[tuple[str, Callable[[], Any], Callable[[Snapshot], bool]]]:
    """What is done, how, and by what it is seen."""
    name = f"web-{at % 20}"

    def instances(view: Snapshot) -> list[str]:
        return ids(view).get(name, [])

    yield "register", lambda: consul.register(name, "x", Check=TTL), lambda view: "x" in instances(view)
    yield "check fails", lambda: consul.check("x", "fail"), lambda view: "x!" in instances(view)
    yield "check passes", lambda: consul.check("x", "pass"), lambda view: "x" in instances(view)
    yield (
        "meta",
        lambda: consul.register(name, "x", Check=TTL, Meta={"at": str(at)}),
        lambda view: any(dict(each.meta).get("at") == str(at) for each in view.services["", name].instances),
    )
    yield "deregister", lambda: consul.put("/v1/agent/service/deregister/x"), lambda view: "x" not in instances(view)


def latency(limit: int) -> None:
    took: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, RealConsul(pathlib.Path(folder)) as consul:
        for at in range(20):
            consul.register(f"web-{at}", f"web-{at}", Check=TTL)
        with Watch(ConsulServiceDiscovery(address=consul.address, watch_limit=limit)) as watch:
            assert watch.wait(lambda: bool(watch.yielded) and len(watch.yielded[-1].services) == 21, 5)
            time.sleep(0.5)
            for at in range(ROUNDS):
                for kind, change, is_seen in changes(consul, at):
                    began_at = time.perf_counter()
                    change()
                    assert watch.wait(lambda is_seen=is_seen: is_seen(watch.yielded[-1]), 10)
                    took.setdefault(kind, []).append((time.perf_counter() - began_at) * 1000)
                    del watch.yielded[:-1]
                time.sleep(0.25)  # below the rate at which answers are spaced out
    every = sorted(each for values in took.values() for each in values)
    print(f"watch_limit {limit}: {len(every)} changes, p50 {every[len(every) // 2]:.1f} ms, p99 {every[int(len(every) * 0.99)]:.1f} ms, max {every[-1]:.1f} ms")  # fmt: skip
    for kind, values in took.items():
        print(f"  {kind:13} p50 {statistics.median(values):5.1f} ms, max {max(values):5.1f} ms")


def scale(services: int = 10_000, instances: int = 10, nodes: int = 1_000) -> None:
    command = [sys.executable, "-m", "tests.providers.consul.fake", str(services), str(instances), str(nodes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def say(text: str) -> str:
            server.stdin.write(f"{text}\n")
            server.stdin.flush()
            return server.stdout.readline().strip()

        provider = ConsulServiceDiscovery(port=int(server.stdout.readline()))
        before_mb, cpu_s, began_at = resident_mb(), time.process_time(), time.perf_counter()
        with Watch(provider) as watch:
            assert watch.wait(lambda: bool(watch.yielded), 60)
            print(f"{services} services, {services * instances} instances on {nodes} nodes (fake agent in another process)")
            print(f"  first snapshot after {time.perf_counter() - began_at:.1f} s, {time.process_time() - cpu_s:.1f} s of CPU")
            time.sleep(5)
            grown_mb = resident_mb() - before_mb
            print(f"  memory +{grown_mb:.0f} MB, {grown_mb * 1e6 / (services * instances):.0f} octets an instance")
            print(f"  connections {say('connections').split()[0]} at most, threads {threading.active_count()}")
            cpu_s = time.process_time()
            time.sleep(20)
            print(f"  CPU when nothing changes {(time.process_time() - cpu_s) / 20:.1%}")
            for name, kind in (("svc-1", "with a query of its own"), (f"svc-{services - 1}", "without one")):
                took = []
                for at in range(20):
                    status, mark = (("critical", "!"), ("passing", ""))[at % 2]
                    began_at = time.perf_counter()
                    say(f"{name} {status}")
                    wanted = f"{name}-0{mark}"
                    until(lambda name=name, wanted=wanted: wanted in one(watch.yielded[-1], name), 10)
                    took.append((time.perf_counter() - began_at) * 1000)
                    time.sleep(0.6)
                print(f"  a check of a service {kind}: p50 {statistics.median(took):.0f} ms, max {max(took):.0f} ms")
            began_at = time.perf_counter()
            watch.stop.set()
            watch.thread.join()
            print(f"  stop {time.perf_counter() - began_at:.2f} s")
        began_at = time.perf_counter()
        assert len(provider.get_services()) == services + 1
        print(f"  get_services() {time.perf_counter() - began_at:.1f} s")
        server.stdin.close()


def real(services: int = 10_000, nodes: int = 100) -> None:
    with tempfile.TemporaryDirectory() as folder, RealConsul(pathlib.Path(folder)) as consul:
        agent = Agent(Options(address=consul.address), Credentials(Options()))
        for at in range(services):
            service = {
                "Service": f"svc-{at}",
                "ID": f"svc-{at}",
                "Address": "10.0.0.1",
                "Port": 80,
                "Tags": ["v1"],
                "Meta": {"a": "b"},
            }
            check = {"CheckID": f"service:svc-{at}", "ServiceID": f"svc-{at}", "Status": "passing"}
            node = {"Node": f"node-{at % nodes}", "Address": "10.0.0.2", "SkipNodeUpdate": at >= nodes}
            agent.put("/v1/catalog/register", data={**node, "Service": service, "Check": check})
        agent.close()
        began_at, cpu_s = time.perf_counter(), time.process_time()
        with Watch(ConsulServiceDiscovery(address=consul.address)) as watch:
            assert watch.wait(lambda: bool(watch.yielded), 60)
            print(f"{services} services on {nodes} nodes (real agent)")
            print(f"  first snapshot after {time.perf_counter() - began_at:.1f} s, {time.process_time() - cpu_s:.1f} s of CPU")
            time.sleep(5)
            for at, kind in ((1, "with a query of its own"), (services - 1, "without one")):
                for status in ("critical", "passing") * 10:
                    check = {"CheckID": f"service:svc-{at}", "ServiceID": f"svc-{at}", "Status": status}
                    began_at = time.perf_counter()
                    consul.put(
                        "/v1/catalog/register",
                        {"Node": f"node-{at % nodes}", "SkipNodeUpdate": True, "Address": "10.0.0.2", "Check": check},
                    )
                    wanted = f"svc-{at}{'!' if status == 'critical' else ''}"
                    until(lambda at=at, wanted=wanted: wanted in one(watch.yielded[-1], f"svc-{at}"), 10)
                    TOOK.setdefault(kind, []).append((time.perf_counter() - began_at) * 1000)
                    time.sleep(0.4)
                print(f"  a check of a service {kind}: p50 {statistics.median(TOOK[kind]):.0f} ms, max {max(TOOK[kind]):.0f} ms")
            began_at = time.perf_counter()
            consul.register("late", "late")
            until(lambda: ("", "late") in watch.yielded[-1].services, 10)
            print(f"  a new service {(time.perf_counter() - began_at) * 1000:.0f} ms")
            began_at = time.perf_counter()
            meta = {"Service": f"svc-{services - 1}", "ID": f"svc-{services - 1}", "Address": "10.0.0.9", "Port": 80}
            node = {"Node": f"node-{(services - 1) % nodes}", "SkipNodeUpdate": True, "Address": "10.0.0.2"}
            consul.put("/v1/catalog/register", {**node, "Service": meta})
            until(lambda: watch.yielded[-1].services["", f"svc-{services - 1}"].instances[0].address == "10.0.0.9", 10)
            print(f"  another address of a service without a query of its own {(time.perf_counter() - began_at) * 1000:.0f} ms")


def one(view: Snapshot, name: str) -> list[str]:
    return ids(Snapshot({("", name): view.services["", name]}))[name]


def resident_mb() -> float:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    for each in sys.argv[1:] or ["latency", "real", "scale"]:
        match each:
            case "latency":
                latency(128)
                latency(0)
            case "real":
                real()
            case "scale":
                scale()
