"""Kubernetes DNS-Based Service Discovery, version 1.1.0, section by section: each record that must exist, and each that must not.

`svc.<zone>` of the specification is a zone of ours. What is not as it says is a row or a line of docs/differences.md, which is looked at here.
"""

from __future__ import annotations

import threading
from typing import Any

import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest

from tests.kit import Answers
from tests.providers.beside import PAGE, rows
from tests.providers.kubernetes.objects import endpoint, headless, service, slice_of

ZONE = "svc.cluster.local"
PORTS = ((443, "https"), (53, "dns", "UDP"), (9, "link", "SCTP"))
OBJECTS = (
    service("kubernetes", clusterIP="10.3.0.1", ports=((443, "https"),)),
    service("dual", "shop", clusterIP="10.3.0.2", clusterIPs=["10.3.0.2", "2001:db8::2"], ports=PORTS),
    service("six", "shop", clusterIP="2001:db8::6", clusterIPs=["2001:db8::6"], ports=PORTS),
    service("unnamed", "shop", clusterIP="10.3.0.3", ports=((80, ""),)),
    headless("headless", ports=((443, "https"), (80, "http"))),
    slice_of(
        "headless",
        [
            endpoint("10.3.0.100", hostname="my-pet"),
            endpoint("10.3.0.101", hostname="my-pet-2", pod="not-this-one"),
            endpoint("10.3.0.102", pod="a-pod"),
            endpoint("10.3.0.103"),
            endpoint("10.3.0.104", hostname="asleep", ready=False),
        ],
        ports=((443, "https"), (8080, "http")),
    ),
    slice_of("headless", [endpoint("2001:db8::100", hostname="my-pet")], suffix="b", family="IPv6", ports=((443, "https"), (8080, "http"))),
    slice_of("headless", [endpoint("10.3.0.105", hostname="many"), endpoint("10.3.0.106", hostname="many")], suffix="c", ports=((443, "https"), (8080, "http"))),
    headless("sleeping", ports=((443, "https"),)),
    slice_of("sleeping", [endpoint("10.3.0.110", ready=False)], ports=((443, "https"),)),
    headless("published", publishNotReadyAddresses=True),
    slice_of("published", [endpoint("10.3.0.120", ready=False)]),
    headless("bare", ports=((80, ""),)),
    slice_of("bare", ["10.3.0.130"], ports=((80, ""),)),
    service("foo", type="ExternalName", externalName="www.example.com", clusterIP=None, ports=()),
)  # fmt: skip


@pytest.fixture
def ask(fake, connect):
    for item in OBJECTS:
        fake.put(item)
    provider = connect(addresses="cluster_ip", default_namespace="nowhere")
    stop = threading.Event()
    snapshot = next(provider.watch(stop))
    stop.set()
    answers = Answers(snapshots={"kubernetes": snapshot.services}, zones=((b"svc", b"cluster", b"local"),), states=())

    def asked(name: str, rtype: str) -> set[str]:
        """The data of the answer; SRV as `port target`."""
        reply = answers.ask(name if name.endswith(".arpa") else f"{name}.{ZONE}", rtype)
        assert reply.rcode() == dns.rcode.NOERROR, f"{name} {rtype}: {dns.rcode.to_text(reply.rcode())}"
        return {
            f"{each.port} {str(each.target).removesuffix(f'.{ZONE}.')}" if rrset.rdtype == dns.rdatatype.SRV else each.to_text()
            for rrset in reply.answer
            for each in rrset
        }

    asking: Any = asked
    asking.rcode = lambda name, rtype: dns.rcode.to_text(answers.ask(f"{name}.{ZONE}", rtype).rcode())
    asking.additional = lambda name, rtype: {
        (str(rrset.name).removesuffix(f".{ZONE}."), each.to_text())
        for rrset in answers.ask(f"{name}.{ZONE}", rtype).additional
        for each in rrset
    }
    return asking


def reverse(address):
    return dns.reversename.from_address(address).to_text().rstrip(".")


def test_2_1_comparisons_are_case_insensitive(ask):
    assert ask("KUBERNETES.Default", "A") == {"10.3.0.1"}
    assert ask("MY-PET.headless.DEFAULT", "A") == {"10.3.0.100"}
    assert ask("_HTTPS._Tcp.Kubernetes.default", "SRV") == {"443 Kubernetes.default"} or ask(
        "_HTTPS._Tcp.Kubernetes.default", "SRV"
    ) == {"443 kubernetes.default"}


def test_2_1_the_hostname_of_an_endpoint_by_precedence(ask):
    assert ask("my-pet-2.headless.default", "A") == {"10.3.0.101"}  # its field
    assert ask("a-pod.headless.default", "A") == {"10.3.0.102"}  # an identifier of the system's: the pod's name
    assert ask("10-3-0-103.headless.default", "A") == {"10.3.0.103"}  # and where there is none, the address
    assert ask.rcode("not-this-one.headless.default", "A") == "NXDOMAIN"


def test_2_1_not_ready_addresses_that_are_published_are_ready(ask):
    assert ask("published.default", "A") == {"10.3.0.120"}


def test_2_2_the_version_of_the_schema_is_not_offered():
    assert "`dns-version`" in PAGE.read_text()


def test_2_3_1_a_and_aaaa_of_a_cluster_ip(ask):
    assert ask("kubernetes.default", "A") == {"10.3.0.1"}
    assert ask("kubernetes.default", "AAAA") == set()
    assert (ask("dual.shop", "A"), ask("dual.shop", "AAAA")) == ({"10.3.0.2"}, {"2001:db8::2"})
    assert (ask("six.shop", "A"), ask("six.shop", "AAAA")) == (set(), {"2001:db8::6"})


@pytest.mark.parametrize("name", ["dual", "six"])
def test_2_3_2_srv_of_each_named_port(ask, name):
    assert ask(f"_https._tcp.{name}.shop", "SRV") == {f"443 {name}.shop"}
    assert ask(f"_dns._udp.{name}.shop", "SRV") == {f"53 {name}.shop"}
    assert ask(f"_link._sctp.{name}.shop", "SRV") == {f"9 {name}.shop"}
    for wrong in ("_dns._tcp", "_https._udp", "_link._tcp", "_nosuch._tcp"):
        assert ask.rcode(f"{wrong}.{name}.shop", "SRV") == "NXDOMAIN"
    found = {address for owner, address in ask.additional(f"_https._tcp.{name}.shop", "SRV") if owner == f"{name}.shop"}
    assert found == ask(f"{name}.shop", "A") | ask(f"{name}.shop", "AAAA")


def test_2_3_2_an_unnamed_port_has_none(ask):
    assert ask.rcode("_._tcp.unnamed.shop", "SRV") == "NXDOMAIN"
    assert ask.rcode("_80._tcp.unnamed.shop", "SRV") == "NXDOMAIN"


@pytest.mark.parametrize(
    ("address", "name"), [("10.3.0.1", "kubernetes.default"), ("10.3.0.2", "dual.shop"), ("2001:db8::2", "dual.shop"), ("2001:db8::6", "six.shop")]
)  # fmt: skip
def test_2_3_3_ptr_of_a_cluster_ip(ask, address, name):
    assert ask(reverse(address), "PTR") == {f"{name}.{ZONE}."}


def test_2_4_1_a_of_each_ready_endpoint(ask):
    assert ask("headless.default", "A") == {"10.3.0.100", "10.3.0.101", "10.3.0.102", "10.3.0.103", "10.3.0.105", "10.3.0.106"}
    assert ask("headless.default", "AAAA") == {"2001:db8::100"}
    assert ask("my-pet.headless.default", "A") == {"10.3.0.100"}
    assert ask("my-pet.headless.default", "AAAA") == {"2001:db8::100"}
    assert ask("many.headless.default", "A") == {"10.3.0.105", "10.3.0.106"}


def test_2_4_1_without_a_ready_endpoint_it_exists_without_addresses(ask):
    """It should be NXDOMAIN; it is not, as the page says."""
    assert ask("sleeping.default", "A") == set()
    assert ("down.default", "A", "NODATA", "NXDOMAIN") in rows("Kubernetes")


def test_2_4_2_srv_of_each_ready_endpoint_and_named_port(ask):
    hosts = {"my-pet", "my-pet-2", "a-pod", "10-3-0-103", "many"}
    for port, number in (("https", 443), ("http", 8080)):  # the one that the endpoint listens on
        assert ask(f"_{port}._tcp.headless.default", "SRV") == {f"{number} {host}.headless.default" for host in hosts}
    owners = {owner for owner, _ in ask.additional("_https._tcp.headless.default", "SRV")}
    assert {f"{host}.headless.default" for host in hosts} <= owners
    assert ask.rcode("_https._udp.headless.default", "SRV") == "NXDOMAIN"
    assert ask.rcode("_._tcp.bare.default", "SRV") == "NXDOMAIN"


@pytest.mark.parametrize(
    ("address", "host"),
    [("10.3.0.100", "my-pet"), ("2001:db8::100", "my-pet"), ("10.3.0.101", "my-pet-2"), ("10.3.0.102", "a-pod"), ("10.3.0.103", "10-3-0-103"), ("10.3.0.105", "many"), ("10.3.0.106", "many")],
)  # fmt: skip
def test_2_4_3_ptr_of_each_ready_endpoint(ask, address, host):
    assert ask(reverse(address), "PTR") == {f"{host}.headless.default.{ZONE}."}


def test_2_5_an_external_name_is_an_alias(ask):
    for rtype in ("CNAME",):
        assert ask("foo.default", rtype) == {"www.example.com."}


def test_2_6_deprecated_names_of_pods_are_not_offered(ask):
    assert "Pod names (`10-1-2-3.default.pod`)" in PAGE.read_text()
    assert ask.rcode("10-3-0-100.default.pod", "A") == "NXDOMAIN"
