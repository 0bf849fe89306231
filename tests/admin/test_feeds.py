"""What Prometheus and Envoy get: the instances that DNS sends clients to, and never nothing because we do not know yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dnsdisco.admin import envoy
from dnsdisco.errors import ProviderError
from dnsdisco.model.service import Health, Instance, Port, Service
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc

WEB = Service(
    "web",
    scheme="http",
    meta=(("team", "a"), ("password", "hunter2")),
    instances=(
        Instance("one", "10.0.0.1", (Port(80, "http"), Port(9090, "metrics")), tags=("v1", "canary"), weight=5, meta=(("zone", "a"),), node="n1"),
        Instance("two", "10.0.0.2", (Port(80),), health=Health.CRITICAL, meta=(("zone", "b"),)),
        Instance("six", "fd00::1", (Port(80),), health=Health.WARNING, warning_weight=2, meta=(("a-b", "c"),), priority=7),
        Instance("host", "example.com", (Port(80),)),
        Instance("bare", "10.0.0.9"),
    ),
)  # fmt: skip
SICK = Service("sick", instances=(Instance("x", "10.1.0.1", (Port(1),), health=Health.CRITICAL),))
EMPTY = Service("strict", instances=(Instance("x", "10.1.0.2", (Port(1),), health=Health.CRITICAL),), when_all_unhealthy="empty")
SHOP = Service("db", namespace="shop", is_default_namespace=False, instances=(Instance("x", "10.2.0.1", (Port(5432),)),))
RARE = Service("rare", instances=(Instance("a", "10.3.0.1", (Port(1),), weight=1), Instance("b", "10.3.0.2", (Port(1),), weight=0)))


def bench() -> HttpBench:
    return HttpBench({"p": Scripted(snapshot(WEB, SICK, EMPTY, SHOP, RARE))})


async def groups(made: HttpBench, query: str = "") -> list[dict[str, Any]]:
    reply = await made.get(f"/v1/sd/prometheus{query}")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json"), reply.text
    found: list[dict[str, Any]] = reply.json()
    assert all(group.keys() == {"targets", "labels"} for group in found)
    return found


def targets(found: list[dict[str, Any]]) -> list[str]:
    return sorted(target for group in found for target in group["targets"])


OF_WEB = ["10.0.0.1:80", "10.0.0.1:9090", "10.0.0.9", "[fd00::1]:80", "example.com:80"]


def test_prometheus_gets_each_port_of_each_instance_that_dns_answers() -> None:
    async def scenario(made: HttpBench) -> None:
        everything = targets(await groups(made))
        assert everything == sorted([*OF_WEB, "10.1.0.1:1", "10.2.0.1:5432", "10.3.0.1:1", "10.3.0.2:1"])  # `strict` is empty
        one = next(group for group in await groups(made, "?service=web") if group["targets"] == ["10.0.0.1:9090"])
        assert one["labels"] == {
            "__meta_dnsdisco_service": "web",
            "__meta_dnsdisco_instance": "one",
            "__meta_dnsdisco_id": "one",
            "__meta_dnsdisco_provider": "p",
            "__meta_dnsdisco_health": "passing",
            "__meta_dnsdisco_node": "n1",
            "__meta_dnsdisco_scheme": "http",
            "__meta_dnsdisco_port_name": "metrics",
            "__meta_dnsdisco_tags": ",v1,canary,",
            "__meta_dnsdisco_meta_team": "a",
            "__meta_dnsdisco_meta_password": "***",
            "__meta_dnsdisco_meta_zone": "a",
        }
        assert (
            "__meta_dnsdisco_meta_a_b" in next(g for g in await groups(made, "?service=web") if "fd00" in g["targets"][0])["labels"]
        )

    with_http(bench(), scenario)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?service=web", OF_WEB),
        ("?service=WEB.", OF_WEB),
        ("?service=web&all=1", sorted([*OF_WEB, "10.0.0.2:80"])),
        ("?service=web&tag=v1", ["10.0.0.1:80", "10.0.0.1:9090"]),
        ("?tag=nosuch", []),
        ("?namespace=shop", ["10.2.0.1:5432"]),
        ("?service=strict", []),
        ("?service=strict&all", ["10.1.0.2:1"]),
        ("?service=nosuch", []),
    ],
)
def test_the_choice_of_instances(query: str, expected: list[str]) -> None:
    async def scenario(made: HttpBench) -> None:
        assert targets(await groups(made, query)) == expected

    with_http(bench(), scenario)


async def discover(made: HttpBench, *names: str, **headers: str) -> Any:
    body = {"version_info": "", "node": {"id": "x", "extensions": ["y" * 10_000]}, "resource_names": list(names)}
    return await made.get("/v3/discovery:endpoints", "POST", json=body, headers=headers)


def test_envoy_gets_weights_health_and_localities() -> None:
    async def scenario(made: HttpBench) -> None:
        reply = (await discover(made, "web", "nosuch")).json()
        assert reply["version_info"] == str(made.worker.serial)
        web, nosuch = reply["resources"]
        assert nosuch == {"@type": envoy.TYPE, "cluster_name": "nosuch", "endpoints": []}
        assert web["cluster_name"] == "web"

        def endpoint(address: str, health: str, weight: int) -> dict[str, Any]:
            place = {"socket_address": {"address": address, "port_value": 80}}
            return {"endpoint": {"address": place}, "health_status": health, "load_balancing_weight": weight}

        assert web["endpoints"] == [
            {"priority": 0, "locality": {"zone": "a"}, "lb_endpoints": [endpoint("10.0.0.1", "HEALTHY", 5 * 128)]},
            {"priority": 0, "locality": {"zone": "b"}, "lb_endpoints": [endpoint("10.0.0.2", "UNHEALTHY", 128)]},
            {"priority": 1, "lb_endpoints": [endpoint("fd00::1", "HEALTHY", 2 * 128)]},
        ]
        (rare,) = (await discover(made, "rare")).json()["resources"]
        assert [each["load_balancing_weight"] for each in rare["endpoints"][0]["lb_endpoints"]] == [128, 1]
        (sick,) = (await discover(made, "sick")).json()["resources"]
        assert sick["endpoints"][0]["lb_endpoints"][0]["health_status"] == "HEALTHY"  # DNS answers it: all are critical
        (strict,) = (await discover(made, "strict")).json()["resources"]
        assert strict["endpoints"][0]["lb_endpoints"][0]["health_status"] == "UNHEALTHY"

    with_http(bench(), scenario)


def test_envoy_may_call_us_what_it_likes_and_a_browser_may_not() -> None:
    async def scenario(made: HttpBench) -> None:
        assert (await discover(made, "web", Host="dnsdisco_cluster")).status_code == 200
        assert (await discover(made, "web", Host="evil.example", Origin="http://evil.example")).status_code == 421
        assert (await discover(made, "web", Host="localhost", Origin="http://evil.example")).status_code == 403
        assert (await discover(made, "web", Host="dnsdisco_cluster", Origin="null")).status_code == 421
        assert (await made.get("/v1/sd/prometheus", headers={"Host": "dnsdisco_cluster"})).status_code == 421

    with_http(bench(), scenario)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"[" * 5000, 400),
        (b'{"resource_names": "web"}', 400),
        (b'{"resource_names": [1]}', 400),
        (json.dumps({"resource_names": ["x"] * (envoy.CLUSTERS_MAX + 1)}).encode(), 400),
        (b'{"resourceNames": ["web"]}', 200),
        (b"{}", 200),
        (b'{"node": "' + b"x" * 300_000 + b'"}', 413),
    ],
)
def test_a_request_of_envoy_that_is_none(body: bytes, status: int) -> None:
    async def scenario(made: HttpBench) -> None:
        head = b"POST /v3/discovery:endpoints HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert (await made.raw(head + body)).startswith(b"HTTP/1.1 %d " % status)
        chunked = b"POST /v3/discovery:endpoints HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        assert (await made.raw(chunked + chunks + b"0\r\n\r\n")).startswith(b"HTTP/1.1 %d " % status)

    with_http(bench(), scenario)


@pytest.mark.parametrize("is_optional", [False, True])
def test_what_is_not_known_yet_is_not_nothing(is_optional: bool) -> None:
    async def scenario(made: HttpBench) -> None:
        expected = 200 if is_optional else 503
        assert (await made.get("/v1/sd/prometheus")).status_code == expected
        assert (await discover(made, "web")).status_code == expected
        provider = made.providers["q"]
        assert isinstance(provider, Scripted)
        provider.then(snapshot(svc("other", "10.9.0.1")))
        for _ in range(200):
            if (await made.get("/v1/sd/prometheus")).status_code == 200:
                break
        assert (await discover(made, "web")).status_code == 200

    providers = {"p": Scripted(snapshot(WEB)), "q": Scripted(ProviderError("q", "connection refused"))}
    with_http(HttpBench(providers, entries=[{"type": "p"}, {"type": "q", "optional": is_optional}]), scenario)


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("what", ["octets", "clusters"])
def test_a_request_of_envoy_has_its_bounds(what: str, more: int) -> None:
    """256 KB, whether the length is said before or not, and a thousand clusters."""

    def body() -> bytes:
        if what == "clusters":
            return json.dumps({"resource_names": [f"c{n}" for n in range(1000 + more)]}).encode()
        short = json.dumps({"resource_names": ["web"], "x": ""}).encode()
        return short[:-2] + b"x" * (256 * 1024 - len(short) + more) + short[-2:]

    status = 200 if not more else 400 if what == "clusters" else 413

    async def scenario(made: HttpBench) -> None:
        octets = body()
        head = b"POST /v3/discovery:endpoints HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        told = head + b"Content-Length: %d\r\n\r\n" % len(octets) + octets
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(octets), octets)
        for request in (told, chunked):
            assert (await made.raw(request)).startswith(b"HTTP/1.1 %d " % status)
        counted = (await made.get("/metrics")).text
        assert f'dnsdisco_admin_requests_total{{page="/v3/discovery:endpoints",status="{status}"}} 2.0' in counted

    with_http(bench(), scenario)
