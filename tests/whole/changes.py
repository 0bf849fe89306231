"""From a change in a real backend to the DNS answer of a whole `dnsdisco serve`, over UDP.

    python -m tests.whole.changes [consul] [kubernetes] [--rounds 40] [--pause 0.1]

A round registers a service, scales it up and down, has an instance fail and recover, renames the service and removes it: a change each,
seven a round. Each is timed from before the request to the backend that makes it (the last one, where it takes several), on a connection
that is open, until the answer that has it, which is asked for every millisecond; a name that goes is seen when it is NXDOMAIN. The rest between two changes is *pause* seconds; with 0 they
come as fast as they are seen, and what the backend's queries and the publisher space out is part of the figure.

Beside each change a process as nice as control is sent an octet and sends it back: how long that takes is the machine's part. Where it
takes long, others had the processors.

Servers: `eval "$(.ci/servers)"`.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import NamedTuple

import dns.message
import dns.rcode
import dns.rdatatype

from dnsdisco.priority import CONTROL, READY_NICENESS
from tests.providers.consul.real import RealConsul
from tests.providers.kubernetes.objects import endpoint, headless, slice_of
from tests.providers.kubernetes.real import Cluster, missing, PATHS
from tests.whole.server import Server

SEEN_S = 10.0  # longer is a failure, not a figure
TTL = {"TTL": "1h", "Status": "passing"}
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer admin-token"}  # the token of the real API server
ECHO = "(echo)"
GONE: frozenset[str] = frozenset({"NXDOMAIN"})

Answer = frozenset[str]  # addresses, or the rcode that is not NOERROR
Act = Callable[[], object]


class Change(NamedTuple):
    """`acts`, one after the other, make it; `expected` is what is answered by name once it is there."""

    kind: str
    acts: list[Act]
    expected: dict[str, Answer]


class Asker:
    """One socket for all questions: making one would be a part of the figure."""

    def __init__(self, server: Server, zone: str = "svc.local") -> None:
        self._zone = zone
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((server.address, server.port))
        self._socket.settimeout(2.0)

    def ask(self, name: str) -> Answer:
        question = dns.message.make_query(f"{name}.{self._zone}.", "A", use_edns=0)
        self._socket.send(question.to_wire())
        while True:
            reply = dns.message.from_wire(self._socket.recv(65535))
            if question.is_response(reply):
                break
        if reply.rcode() != dns.rcode.NOERROR:
            return frozenset({dns.rcode.to_text(reply.rcode())})
        return frozenset(each.address for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for each in rrset)

    def until(self, expected: dict[str, Answer]) -> None:
        ends_at = time.perf_counter() + SEEN_S
        for name, wanted in expected.items():
            while (found := self.ask(name)) != wanted:
                assert time.perf_counter() < ends_at, f"{name} is {set(found)} after {SEEN_S} s, not {set(wanted)}"
                time.sleep(0.001)

    def close(self) -> None:
        self._socket.close()


def addresses(at: int, *ends: int) -> Answer:
    return frozenset(f"10.{at // 250 + 1}.{at % 250}.{end}" for end in ends)


def consul_round(consul: HTTPConnection, at: int) -> Iterator[Change]:
    old, new = f"web-{at}", f"shop-{at}"
    first, second = sorted(addresses(at, 1, 2))

    def register(name: str, address: str) -> Act:
        instance = {"Name": name, "ID": f"{name}-{address}", "Address": address, "Port": 80, "Check": TTL}
        return lambda: send(consul, "PUT", "/v1/agent/service/register", instance)

    def deregister(name: str, address: str) -> Act:
        return lambda: send(consul, "PUT", f"/v1/agent/service/deregister/{name}-{address}")

    def check(address: str, verb: str) -> Act:
        return lambda: send(consul, "PUT", f"/v1/agent/check/{verb}/service:{old}-{address}")

    both = frozenset({first, second})
    rename = [act for address in (first, second) for act in (register(new, address), deregister(old, address))]
    yield Change("register", [register(old, first)], {old: frozenset({first})})
    yield Change("scale up", [register(old, second)], {old: both})
    yield Change("health fails", [check(first, "fail")], {old: frozenset({second})})
    yield Change("health recovers", [check(first, "pass")], {old: both})
    yield Change("rename", rename, {new: both, old: GONE})
    yield Change("scale down", [deregister(new, second)], {new: frozenset({first})})
    yield Change("deregister", [deregister(new, first)], {new: GONE})


def kubernetes_round(api: HTTPConnection, at: int) -> Iterator[Change]:
    old, new = f"web-{at}", f"shop-{at}"
    first, second = sorted(addresses(at, 1, 2))
    slices, services = PATHS["EndpointSlice"].format("default"), PATHS["Service"].format("default")

    def register(name: str, *endpoints: str) -> list[Act]:
        return [
            lambda: send(api, "POST", services, headless(name)),
            lambda: send(api, "POST", slices, slice_of(name, endpoints)),
        ]

    def put(name: str, *endpoints: object) -> Act:
        return lambda: send(api, "PUT", f"{slices}/{name}-a", slice_of(name, endpoints))

    def delete(name: str) -> list[Act]:
        return [
            lambda: send(api, "DELETE", f"{slices}/{name}-a"),
            lambda: send(api, "DELETE", f"{services}/{name}"),
        ]

    both = frozenset({first, second})
    yield Change("register", register(old, first), {old: frozenset({first})})
    yield Change("scale up", [put(old, first, second)], {old: both})
    yield Change("health fails", [put(old, endpoint(first, ready=False), second)], {old: frozenset({second})})
    yield Change("health recovers", [put(old, first, second)], {old: both})
    yield Change("rename", register(new, first, second) + delete(old), {new: both, old: GONE})
    yield Change("scale down", [put(new, first)], {new: frozenset({first})})
    yield Change("delete", delete(new), {new: GONE})


def send(backend: HTTPConnection, method: str, path: str, body: object = None) -> None:
    backend.request(method, path, None if body is None else json.dumps(body), HEADERS)
    with backend.getresponse() as response:
        said = response.read()
    assert response.status < 300, (method, path, response.status, said)


def measure(asker: Asker, rounds: Iterator[Iterator[Change]], pause_s: float) -> dict[str, list[float]]:
    """Seconds by kind of change, and of ECHO."""
    took_s: dict[str, list[float]] = {}
    with echo() as answer_s:
        for each in rounds:
            _measure_round(asker, each, pause_s, took_s)
            took_s.setdefault(ECHO, []).extend(answer_s() for _ in took_s)
    return took_s


def _measure_round(asker: Asker, changes: Iterator[Change], pause_s: float, took_s: dict[str, list[float]]) -> None:
    for change in changes:
        *before, last = change.acts
        for act in before:
            act()
        began_at = time.perf_counter()
        last()
        asker.until(change.expected)
        took_s.setdefault(change.kind, []).append(time.perf_counter() - began_at)
        time.sleep(pause_s)


@contextmanager
def echo() -> Iterator[Callable[[], float]]:
    """A function that takes the seconds of one octet to a process as nice as control, and back."""
    code = f"import os, sys; os.nice({CONTROL.niceness + READY_NICENESS})\nwhile octet := os.read(0, 1): os.write(1, octet)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def answer_s() -> float:
            began_at = time.perf_counter()
            process.stdin.write(b"x")
            process.stdout.read(1)
            return time.perf_counter() - began_at

        answer_s()
        yield answer_s
        process.stdin.close()


@contextmanager
def serving(folder: Path, provider: str) -> Iterator[Asker]:
    """A whole server with that one provider, which has spoken."""
    config = folder / "dnsdisco.yaml"
    config.write_text(f"providers: [{provider}]\nforward: {{upstreams: []}}\n")
    with Server("--config", str(config), "--http", "off", "--state-dir", "off", cwd=folder) as server:
        asker = Asker(server)
        try:
            asker.until({"nobody": GONE})
            yield asker
        finally:
            asker.close()


def of_consul(folder: Path, rounds: int, pause_s: float, others: int = 100) -> dict[str, list[float]]:
    """Beside *others* services that do not change: were there few, so many names that go would be a mass disappearance."""
    with RealConsul(folder) as consul:
        for at in range(others):
            consul.register(f"still-{at}", f"still-{at}", Check=TTL)
        provider = f"{{type: consul, address: '{consul.address}'}}"
        with serving(folder, provider) as asker, closing(HTTPConnection("127.0.0.1", consul.http)) as agent:
            return measure(asker, (consul_round(agent, at) for at in range(rounds)), pause_s)


def of_kubernetes(folder: Path, rounds: int, pause_s: float, others: int = 100) -> dict[str, list[float]]:
    with Cluster(folder) as cluster:
        for at in range(others):
            cluster.put(headless(f"still-{at}"))
        with serving(folder, f"{{type: kubernetes, kubeconfig: {cluster.kubeconfig()}}}") as asker:
            context = ssl.create_default_context(cafile=str(cluster.authority))
            with closing(HTTPSConnection("127.0.0.1", cluster.port, context=context)) as api:
                return measure(asker, (kubernetes_round(api, at) for at in range(rounds)), pause_s)


def share(values: list[float], part: float) -> float:
    """The value that *part* of them do not exceed, in milliseconds."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1e3


def report(title: str, took_s: dict[str, list[float]]) -> None:
    every = [each for kind, values in took_s.items() for each in values if kind != ECHO]
    print(f"\n{title}: {len(every)} changes\n\n| change | p50 ms | p99 ms | max ms |\n|---|---|---|---|")
    for kind, values in [
        *((kind, values) for kind, values in took_s.items() if kind != ECHO),
        ("all", every),
        (ECHO, took_s[ECHO]),
    ]:
        print(f"| {kind} | {share(values, 0.5):.1f} | {share(values, 0.99):.1f} | {share(values, 1.0):.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="*", metavar="consul|kubernetes")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--pause", type=float, nargs="*", default=[0.1, 0.0])
    given = parser.parse_args()
    for backend, needs in (("consul", ("consul",)), ("kubernetes", ("kube-apiserver", "etcd"))):
        if given.backends and backend not in given.backends:
            continue
        if absent := missing(*needs):
            print(f'{backend}: no {absent} here; eval "$(.ci/servers)" gets it')
            continue
        for pause_s in given.pause:
            with tempfile.TemporaryDirectory() as folder:
                took_s = (of_consul if backend == "consul" else of_kubernetes)(Path(folder), given.rounds, pause_s)
            report(f"{backend}, {pause_s:g} s of rest between two changes", took_s)


if __name__ == "__main__":
    main()
