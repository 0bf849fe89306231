"""The figures of docs/kubernetes.md.

    python -m tests.providers.kubernetes.measure latency [--events 500]     a real API server, and the fake one
    python -m tests.providers.kubernetes.measure scale [--services 10000] [--endpoints 10]
    python -m tests.providers.kubernetes.measure idle [--seconds 20]        CPU of an idle watch, and of one whose server is away

The fake runs in a process of its own, so that its work and its memory are not counted.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dnsdisco.control.backoff import Backoff
from dnsdisco.control.watcher import Watcher
from dnsdisco.providers.kubernetes import KubernetesServiceDiscovery
from tests.providers.kubernetes.fake import Fake
from tests.providers.kubernetes.objects import endpoint, headless, slice_of
from tests.providers.kubernetes.real import Cluster, missing

PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/s0-a"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "scale", "idle"])
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    {"latency": _latency, "scale": _scale, "idle": _idle}[given.what](given)


def _latency(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if absent := missing("kube-apiserver", "etcd"):
            print(f"real: no {absent} here")
        else:
            with Cluster(folder) as cluster:
                cluster.put(headless("s0"))
                cluster.put(slice_of("s0", ["10.1.0.1"]))
                provider = KubernetesServiceDiscovery(kubeconfig=cluster.kubeconfig(), environ={})

                def write(address: str) -> None:
                    cluster.ask("PUT", PATH, slice_of("s0", [address]))

                _report("real server, from the start of the write", _changes(provider, write, given.events))
        for services in (10, given.services):
            with _fake(folder, services, given.endpoints) as (kubeconfig, orders):
                provider = KubernetesServiceDiscovery(kubeconfig=kubeconfig, environ={})
                _report(
                    f"fake server, {services} services, from the start of the write",
                    _changes(provider, orders.put, given.events),
                )


def _changes(provider: KubernetesServiceDiscovery, write: Callable[[str], Any], events: int) -> list[float]:
    """Seconds from the beginning of each write to the snapshot that has it."""
    stop = threading.Event()
    views = provider.watch(stop)
    next(views)
    time.sleep(0.5)
    seen_s = []
    for at in range(events):
        address = f"10.{at // 60000 + 2}.{at // 250 % 250 + 1}.{at % 250 + 1}"
        began_at = time.perf_counter()
        write(address)
        while next(views).services["default", "s0"].instances[0].address != address:
            pass
        seen_s.append(time.perf_counter() - began_at)
    stop.set()
    return seen_s


def _report(title: str, seen_s: list[float]) -> None:
    ordered = sorted(seen_s)
    shown = {
        name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }
    print(f"{title}: {len(seen_s)} changes, " + ", ".join(f"{name} {value:.2f} ms" for name, value in shown.items()))


def _scale(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name, _fake(Path(name), given.services, given.endpoints) as (kubeconfig, orders):
        provider = KubernetesServiceDiscovery(kubeconfig=kubeconfig, environ={})
        provider._connection._current()  # the official client's own memory and import are no part of the list
        gc.collect()
        before, cpu = _resident(), time.process_time()
        began_at = time.monotonic()
        views = provider.watch(threading.Event())
        snapshot = next(views)
        took_s, cpu_s = time.monotonic() - began_at, time.process_time() - cpu
        instances = sum(len(service.instances) for service in snapshot.services.values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        gc.collect()
        after = _resident()
        print(
            f"{len(snapshot.services)} services, {instances} endpoints: synced in {took_s:.2f} s ({cpu_s:.2f} s of CPU), "
            f"{after - before:.0f} MB more ({(after - before) * 1024 / max(instances, 1):.2f} KB an endpoint), peak {peak:.0f} MB"
        )
        time.sleep(0.5)
        _report("one change then", _changes_of(views, orders, 200))


def _changes_of(views: Iterator[Any], orders: Any, events: int) -> list[float]:
    seen_s = []
    for at in range(events):
        address = f"10.250.{at // 250 + 1}.{at % 250 + 1}"
        began_at = time.perf_counter()
        orders.put(address)
        while next(views).services["default", "s0"].instances[0].address != address:
            pass
        seen_s.append(time.perf_counter() - began_at)
    return seen_s


def _idle(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name, Fake() as fake:
        fake.put(*(headless(f"s{at}") for at in range(100)))
        watcher = Watcher(
            "kubernetes", KubernetesServiceDiscovery(kubeconfig=fake.kubeconfig(Path(name)), environ={}), lambda _: None, Backoff
        )
        watcher.start()
        fake.wait_for_watches(2)
        print(f"idle: {_cpu_share(given.seconds):.2%} of a core, the fake's own included")
        fake.stop()
        print(f"server away: {_cpu_share(given.seconds):.2%} of a core")
        watcher.stop()


def _cpu_share(seconds: float) -> float:
    time.sleep(1.0)
    began_at = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - began_at) / seconds


def _resident() -> float:
    """MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@contextmanager
def _fake(folder: Path, services: int, endpoints: int) -> Iterator[tuple[str, Any]]:
    """Where a fake with so many objects is, and a queue of addresses for the first slice."""
    context = multiprocessing.get_context("spawn")
    orders, ready = context.Queue(), context.Queue()
    process = context.Process(target=_serve, args=(str(folder), services, endpoints, orders, ready), daemon=True)
    process.start()
    try:
        yield ready.get(timeout=120), orders
    finally:
        process.terminate()
        process.join(5)


def _serve(folder: str, services: int, endpoints: int, orders: Any, ready: Any) -> None:
    with Fake() as fake:
        for at in range(services):
            addresses = [f"10.{at // 250 + 1}.{at % 250}.{each + 1}" for each in range(endpoints)]
            pods = [
                endpoint(address, pod=f"s{at}-7d9c5b8f6d-{each:05d}", nodeName=f"node-{each % 100}", zone="zone-a")
                for each, address in enumerate(addresses)
            ]
            fake.put(headless(f"s{at}"), slice_of(f"s{at}", pods))
        ready.put(fake.kubeconfig(Path(folder), name=f"kubeconfig-{services}"))
        while True:
            fake.put(slice_of("s0", [orders.get()]))


if __name__ == "__main__":
    main()
