"""Our answers beside those of Consul's own DNS, for the same data of a real agent (docs/differences.md)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.forward.upstream import answer, ScriptedUpstream
from tests.providers.beside import outcome, rows
from tests.providers.consul.real import RealConsul
from tests.whole.server import Server

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

ZONE = "service.consul"
BIG = 60
NAMES = (
    "web", "six", "dual", "my_svc", "UPPER", "upper", "WEB", "twice", "resting", "legacy", "nodedown", "consul", "nobody", "tagged",
    "v1.web", "v2.web", "primary.web", "nosuch.web", "Dotted.Name", "grpc.multi",
)  # fmt: skip
SHARED = [
    *((name, rtype) for name in NAMES for rtype in ("A", "AAAA", "SRV")),
    *((name, "SRV") for name in ("_web._tcp", "_web._v1", "_web._v2", "_web._nosuch", "_my_svc._tcp", "_WEB._TCP")),
    *((name, rtype) for name in ("multi", "noport") for rtype in ("A", "AAAA")),
    ("web", "MX"),
]


def check(status: str) -> dict[str, str]:
    return {"TTL": "1h", "Status": status}


def fill(consul: RealConsul) -> None:
    for id_, address, port, tags, weight, status in (
        ("w1", "10.1.0.1", 8080, ["v1", "primary"], 10, "passing"),
        ("w2", "10.1.0.2", 8081, ["v2"], 1, "passing"),
        ("w3", "", 8082, [], 1, "passing"),
        ("w4", "10.1.0.4", 8083, ["v2"], 7, "warning"),
        ("w5", "10.1.0.5", 8084, ["v2"], 1, "critical"),
    ):
        weights = {"Passing": weight, "Warning": 3}
        consul.register("web", id_, Address=address, Port=port, Tags=tags, Weights=weights, Check=check(status))
    consul.register("six", "s1", Address="2001:db8::1", Port=443)
    consul.register("dual", "d1", Address="10.1.1.1")
    consul.register("dual", "d2", Address="2001:db8::2")
    consul.register("ext", "e1", Address="db.example.net", Port=5432)
    consul.register("alldown", "a1", Address="10.1.2.1", Check=check("critical"))
    consul.register("noport", "n1", Address="10.1.3.1", Port=0)
    consul.register("my_svc", "m1", Address="10.1.4.1")
    consul.register("Dotted.Name", "x1", Address="10.1.5.1")
    consul.register("UPPER", "u1", Address="10.1.6.1")
    consul.register("twice", "t1", Address="10.1.7.1", Port=80)
    consul.register("twice", "t2", Address="10.1.7.1", Port=81)
    consul.register("resting", "r1", Address="10.1.8.1")
    consul.register("resting", "r2", Address="10.1.8.2")
    consul.put("/v1/agent/service/maintenance/r1?enable=true")
    consul.register("web-sidecar-proxy", "p1", Kind="connect-proxy", Proxy={"DestinationServiceName": "web"})
    consul.register("tagged", "g1", Address="10.1.11.1", TaggedAddresses={"wan": {"Address": "198.51.100.1", "Port": 8080}})
    ports = [{"Name": "http", "Port": 80, "Default": True}, {"Name": "grpc", "Port": 90}]
    multi = {"Name": "multi", "ID": "p2", "Address": "10.1.9.1", "Ports": ports}
    consul.put("/v1/agent/service/register", multi)
    for node, name, status in (
        ("1", "legacy", ""),
        ("2", "legacy", ""),
        ("3", "nodedown", "critical"),
        ("4", "nodedown", "passing"),
    ):
        entry: dict[str, Any] = {"Node": f"ext{node}", "Address": f"192.0.2.{node}"}
        entry["Service"] = {"Service": name, "ID": "l", "Port": 9000}
        if status:
            entry["Check"] = {"CheckID": "alive", "Status": status}
        consul.put("/v1/catalog/register", entry)
    for at in range(BIG):
        service = {"Service": "big", "ID": "b", "Port": 9000}
        consul.put("/v1/catalog/register", {"Node": f"big{at}", "Address": f"10.2.0.{at + 1}", "Service": service})


class Both:
    """A whole server and the agent's DNS, asked the same."""

    def __init__(self, ours: int, theirs: int) -> None:
        self.ports = ours, theirs

    def ask(self, name: str, rtype: str, *, tcp: bool = False, **query: Any) -> list[dns.message.Message]:
        question = dns.message.make_query(ZONE if name == "@" else name, rtype, **{"use_edns": 0, "payload": 4096, **query})
        send = dns.query.tcp if tcp else dns.query.udp
        return [send(question, "127.0.0.1", timeout=5, port=port) for port in self.ports]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("beside")
    with RealConsul(folder) as consul, ScriptedUpstream() as upstream:
        upstream.on("*", answer("192.0.2.77"))
        fill(consul)
        (folder / "dnsdisco.yaml").write_text(
            f"zones: [{ZONE}]\n"
            f"forward: {{upstreams: ['127.0.0.1:{upstream.port}']}}\n"
            f"providers: [{{type: consul, address: '{consul.address}'}}]\n"
        )
        with Server("--config", "dnsdisco.yaml", "--http", "off", "--state-dir", "off", cwd=folder) as server:
            asked = Both(server.port, consul.dns)
            ends_at = time.monotonic() + 10
            while any(outcome(each) != f"{BIG} A" for each in asked.ask(f"big.{ZONE}", "A", tcp=True)):
                assert time.monotonic() < ends_at, "they do not have everything"
                time.sleep(0.05)
            yield asked


def told(message: dns.message.Message) -> tuple[str, list[Any]]:
    """rcode and data in no order; of SRV records what their targets stand for: weight, port and addresses."""
    addresses: dict[Any, set[str]] = {}
    for rrset in message.additional:
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            addresses.setdefault(rrset.name, set()).update(each.address for each in rrset)
    data: list[Any] = []
    for rrset in message.answer:
        for each in rrset:
            if rrset.rdtype == dns.rdatatype.SRV:
                data.append((each.weight, each.port, sorted(addresses.get(each.target, ()))))
            else:
                data.append(each.to_text())
    return dns.rcode.to_text(message.rcode()), sorted(data)


def test_the_same_answers_as_consul(both: Both) -> None:
    differing = []
    for name, rtype in SHARED:
        ours, theirs = map(told, both.ask(f"{name}.{ZONE}", rtype))
        if ours != theirs:
            differing.append(f"{name} {rtype}: ours {ours}, Consul {theirs}")
    assert differing == [], "\n".join(differing)


def test_the_same_answers_where_there_are_many(both: Both) -> None:
    for rtype in ("A", "SRV"):
        ours, theirs = both.ask(f"big.{ZONE}", rtype, tcp=True)
        assert told(ours)[0] == "NOERROR"
        assert len(told(ours)[1]) == BIG
        if rtype == "A":  # of SRV, Consul leaves addresses out of ADDITIONAL
            assert told(ours) == told(theirs)


def test_the_differences_are_those_that_the_page_lists(both: Both) -> None:
    listed = rows("Consul")
    assert len(listed) > 10
    seen = []
    for name, rtype, *_ in listed:
        ours, theirs = both.ask(name if name == "@" else f"{name}.{ZONE}", rtype)
        seen.append((name, rtype, outcome(ours), outcome(theirs)))
    assert seen == listed


def test_what_the_page_says_besides(both: Both) -> None:
    ours, theirs = both.ask(f"web.{ZONE}", "SRV")
    assert {(each.priority, each.target.to_text().partition(".")[0]) for rrset in ours.answer for each in rrset} == {
        (0, "w1"),
        (0, "w2"),
        (0, "w3"),
        (0, "w4"),
    }
    assert {each.priority for rrset in theirs.answer for each in rrset} == {1}
    assert (ours.answer[0].ttl, theirs.answer[0].ttl) == (5, 0)
    ours, theirs = both.ask(f"big.{ZONE}", "A", use_edns=-1)
    assert (len(told(theirs)[1]), bool(theirs.flags & dns.flags.TC)) == (3, False)
    assert ours.flags & dns.flags.TC
    ours, theirs = both.ask("1.0.1.10.in-addr.arpa.", "PTR")
    assert (told(ours)[1], told(theirs)[1]) == ([f"w1.web.{ZONE}."], ["web.service.dc1.consul."])
