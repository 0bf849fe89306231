"""Services and EndpointSlices at random, as controllers would write them, and what of them a name stands for.

Names are few and repeat, so that services, namespaces, host names and port names meet each other as in real clusters.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.providers.kubernetes.objects import endpoint, headless, service, slice_of

SPACES = ("default", "shop", "web", "redis", "kube-system")
NAMES = (
    "web",
    "redis",
    "db",
    "api",
    "shop",
    "default",
    "auth",
    "svc",
    "pod",
    "front-end",
    "tcp",
    "http",
    "a",
    "b",
    "n1",
    "n2",
    "n3",
)
HOSTS = ("web-0", "web-1", "web", "redis", "db", "http", "same", "10-0-0-1", "node-a")
PODS = ("web-0", "web-1", "pod-7", "api-x")
PORTS = ("http", "https", "dns", "grpc", "metrics")
PROTOCOLS = ("TCP", "TCP", "UDP", "SCTP")
FAMILIES = (("IPv4",), ("IPv4",), ("IPv6",), ("IPv4", "IPv6"))

Item = dict[str, Any]


class Endpoint(NamedTuple):
    label: str  # its name below the Service, by the precedence of the specification (2.1)
    address: str
    is_ready: bool


class Facts(NamedTuple):
    """What the objects say of one Service."""

    kind: str  # "ip", "headless", "external"
    endpoints: tuple[Endpoint, ...]

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        return tuple(each for each in self.endpoints if each.is_ready)

    @property
    def twice(self) -> set[str]:
        """The labels of endpoints that have the address of another one."""
        counts = Counter(each.address for each in self.endpoints)
        return {each.label for each in self.endpoints if counts[each.address] > 1}


def objects(seed: int, count: int) -> list[Item]:
    """At least *count*, the same for the same seed. A Service comes before its slices."""
    rng = random.Random(seed)
    made: list[Item] = []
    taken = {("kubernetes", "default")}
    while len(made) < count:
        name = rng.choice(NAMES) + rng.choice(["", f"-{rng.randrange(60)}"])
        namespace = rng.choice(SPACES)
        if (name, namespace) not in taken:
            taken.add((name, namespace))
            made += _one(rng, name, namespace)
    return made


def _one(rng: random.Random, name: str, namespace: str) -> Iterator[Item]:
    kind = rng.choice(["ip"] * 4 + ["headless"] * 5 + ["external"])
    if kind == "external":
        item = service(
            name, namespace, type="ExternalName", externalName=rng.choice(["db.example.com", "other.example.net"]), ports=()
        )
        del item["spec"]["clusterIP"]
        yield item
        return
    families = rng.choice(FAMILIES)
    ports = _ports(rng)
    spec = {"ipFamilies": list(families), "ipFamilyPolicy": "RequireDualStack" if len(families) == 2 else "SingleStack"}
    if kind == "headless":
        yield headless(name, namespace, ports=ports if rng.random() < 0.85 else (), **spec)
    else:
        item = service(name, namespace, ports=ports, **spec)
        del item["spec"]["clusterIP"]  # which the server chooses
        yield item
    for suffix in rng.choice(["", "a", "a", "ab"]):
        family = rng.choice(families)
        endpoints = [_endpoint(rng, namespace, family) for _ in range(rng.choice([0, 1, 1, 2, 3, 4]))]
        item = slice_of(name, endpoints, namespace=namespace, suffix=suffix, ports=None, family=family)
        item["ports"] = [{"name": port[1], "port": port[0], "protocol": port[2]} for port in ports]
        yield item


def _ports(rng: random.Random) -> list[tuple[int, str, str]]:
    """Each with a name of its own; a single one may have none."""
    if rng.random() < 0.25:
        return [(rng.randrange(1, 65536), "", "TCP")]
    names = rng.sample(PORTS, rng.choice([1, 1, 2, 3]))
    return [
        (number, name, rng.choice(PROTOCOLS)) for number, name in zip(rng.sample(range(1, 65536), len(names)), names, strict=True)
    ]


def _endpoint(rng: random.Random, namespace: str, family: str) -> Item:
    address = (
        f"10.{rng.randrange(20, 24)}.{rng.randrange(4)}.{rng.randrange(1, 250)}"
        if family == "IPv4"
        else f"2001:db8::{rng.randrange(1, 2000):x}"
    )
    more: Item = {"hostname": rng.choice(HOSTS)} if rng.random() < 0.4 else {}
    if rng.random() < 0.4:
        more["targetRef"] = {"kind": "Pod", "name": rng.choice(PODS), "namespace": namespace}
    return endpoint(address, ready=rng.choice([True, True, True, None, False]), **more)


def facts(items: list[Item]) -> dict[tuple[str, str], Facts]:
    """Of every Service among *items*, by its name and its namespace."""
    found: dict[tuple[str, str], str] = {}
    endpoints: dict[tuple[str, str], list[Endpoint]] = defaultdict(list)
    for item in items:
        namespace = item["metadata"]["namespace"]
        if item["kind"] == "Service":
            spec = item["spec"]
            kind = "external" if spec["type"] == "ExternalName" else "headless" if spec.get("clusterIP") == "None" else "ip"
            found[item["metadata"]["name"], namespace] = kind
            continue
        for each in item.get("endpoints") or ():
            (address,) = each["addresses"]
            label = each.get("hostname") or each.get("targetRef", {}).get("name") or address.replace(".", "-").replace(":", "-")
            owner = item["metadata"]["labels"]["kubernetes.io/service-name"], namespace
            endpoints[owner].append(Endpoint(label, address, each.get("conditions", {}).get("ready") is not False))
    return {key: Facts(kind, tuple(endpoints[key])) for key, kind in found.items()}


def questions(items: list[Item]) -> list[tuple[str, str]]:
    """Names below svc.cluster.local and types, each once."""
    asked: dict[tuple[str, str], None] = {}

    def ask(name: str, *types: str) -> None:
        asked.update(dict.fromkeys((name, rtype) for rtype in types))

    for item in items:
        if item["kind"] != "Service":
            continue
        metadata = item["metadata"]
        own = f"{metadata['name']}.{metadata['namespace']}"
        ask(own, "A", "AAAA", "SRV", "CNAME")
        ask(own.upper(), "A")
        ask(f"nobody.{own}", "A")
        ask(f"{metadata['name']}.nowhere", "A")
        ask(f"_tcp.{own}", "A")
        ask(f"_._tcp.{own}", "SRV")
        for port in item["spec"].get("ports") or ({"name": "http"},):
            for protocol in ("tcp", "udp", "sctp"):
                ask(f"_{port.get('name') or 'http'}._{protocol}.{own}", "SRV")
            ask(f"_{port.get('name') or 'http'}._tcp.{own}", "A")
    for (name, namespace), each in facts(items).items():
        for one in each.endpoints:
            ask(f"{one.label}.{name}.{namespace}", "A", "AAAA", "SRV")
    for namespace in SPACES:
        ask(namespace, "A", "TXT")
    return list(asked)
