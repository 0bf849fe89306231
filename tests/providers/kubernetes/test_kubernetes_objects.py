"""Objects as servers write them, and as no server should, become services."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from dnsdisco.model.library_dict import service_to_dict
from dnsdisco.model.names import label_instances
from dnsdisco.model.service import Health, Port
from dnsdisco.model.service_data import service_from_data
from dnsdisco.providers.kubernetes.compose import compose, Rules
from dnsdisco.providers.kubernetes.endpoints import endpoints_from, slice_from
from dnsdisco.providers.kubernetes.objects import node_from, service_from
from dnsdisco.providers.kubernetes.rejected import Faults
from dnsdisco.providers.kubernetes.resources import parse, SERVICES, SLICES
from tests.kit import Answers, section
from tests.providers.kubernetes.objects import endpoint, headless, node, service, slice_of


def composed(item, *slices, addresses="auto", is_inside=True, nodes=(), default_namespace="default", policy="empty"):
    faults = Faults()
    facts = [slice_from(each, faults) for each in slices]
    known = {fact.key: fact for fact in (node_from(each, faults) for each in nodes)}
    rules = Rules(addresses, is_inside, default_namespace, policy)
    result = compose(service_from(item, faults), [fact for fact in facts if fact], known, rules)
    result_faults[:] = sorted(reason for _, _, reason in faults._logged)
    return result


result_faults: list[str] = []


def seen(result):
    return [(each.address, [port.number for port in each.ports], each.health.word) for each in result.instances]


LOAD_BALANCED = service(
    "web", type="LoadBalancer", status={"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}, {"hostname": "LB.example.net."}]}}
)
SLICE = slice_of("web", ["10.0.0.1", endpoint("10.0.0.2", ready=False)])

MODES = [
    ("auto", True, service("web"), [("10.96.0.10", [80], "passing")]),
    ("auto", False, service("web"), [("10.0.0.1", [8080], "passing"), ("10.0.0.2", [8080], "critical")]),
    ("auto", False, LOAD_BALANCED, [("192.0.2.9", [80], "passing"), ("lb.example.net", [80], "passing")]),
    ("auto", True, LOAD_BALANCED, [("10.96.0.10", [80], "passing")]),
    ("auto", True, headless("web"), [("10.0.0.1", [8080], "passing"), ("10.0.0.2", [8080], "critical")]),
    ("auto", False, headless("web"), [("10.0.0.1", [8080], "passing"), ("10.0.0.2", [8080], "critical")]),
    ("cluster_ip", False, service("web"), [("10.96.0.10", [80], "passing")]),
    ("cluster_ip", False, headless("web"), [("10.0.0.1", [8080], "passing"), ("10.0.0.2", [8080], "critical")]),
    ("endpoints", True, service("web"), [("10.0.0.1", [8080], "passing"), ("10.0.0.2", [8080], "critical")]),
    ("endpoints", True, LOAD_BALANCED, [("10.0.0.1", [8080], "passing"), ("10.0.0.2", [8080], "critical")]),
    ("load_balancer", True, service("web"), []),
    ("load_balancer", True, headless("web"), []),
    ("load_balancer", True, LOAD_BALANCED, [("192.0.2.9", [80], "passing"), ("lb.example.net", [80], "passing")]),
    ("node_port", True, service("web"), []),
    ("node_port", True, headless("web"), []),
]


@pytest.mark.parametrize(("addresses", "is_inside", "item", "expected"), MODES)
def test_addresses(addresses, is_inside, item, expected):
    result = composed(item, SLICE, addresses=addresses, is_inside=is_inside)
    assert seen(result) == expected
    assert result_faults == []
    is_endpoints = bool(expected) and expected[0][0].startswith("10.0.0.")
    assert all(each.is_virtual is not is_endpoints for each in result.instances)
    assert result.when_all_unhealthy == "empty"


def test_a_cluster_ip_stands_for_the_service():
    item = service("web", ports=[(80, "http"), (53, "dns", "UDP")], clusterIPs=["10.96.0.10", "fd00::a"], clusterIP="10.96.0.10")
    result = composed(item)
    assert [(each.address, each.is_virtual) for each in result.instances] == [("10.96.0.10", True), ("fd00::a", True)]
    assert result.instances[0].ports == (Port(80, "http", "tcp"), Port(53, "dns", "udp"))
    assert result.key == ("default", "web")
    assert result.is_default_namespace
    assert not composed(item, default_namespace="shop").is_default_namespace


def test_a_cluster_ip_that_is_not_there_yet():
    assert composed(service("web", clusterIP="")).instances == ()
    item = service("web")
    del item["spec"]["clusterIP"]
    assert composed(item).instances == ()


def test_an_external_name_is_another_name():
    item = service("db", type="ExternalName", externalName="DB.example.com.", ports=())
    item["spec"]["ports"] = None
    for mode in ("auto", "cluster_ip", "endpoints", "load_balancer", "node_port"):
        result = composed(item, addresses=mode)
        assert result.alias_of == "db.example.com"
        assert [each.address for each in result.instances] == ["db.example.com"]
        assert result.instances[0].ports == ()
    assert service_from_data("db", service_to_dict(result))[0].alias_of == "db.example.com"


def test_an_external_name_with_ports_has_no_srv():
    assert composed(service("db", type="ExternalName", externalName="db.example.com", clusterIP=None)).instances[0].ports == ()


def test_an_external_name_that_is_an_address_is_no_alias():
    result = composed(service("db", type="ExternalName", externalName="192.0.2.5"))
    assert (result.alias_of, seen(result)) == ("", [("192.0.2.5", [], "passing")])
    result = composed(service("db", type="ExternalName", externalName="not a name!"))
    assert (result.alias_of, result.instances) == ("", ())
    assert len(result_faults) == 1


def test_dual_stack_endpoints():
    result = composed(
        headless("web"),
        slice_of("web", [endpoint("10.0.0.1", pod="web-0")]),
        slice_of("web", [endpoint("2001:DB8:0::1", pod="web-0")], suffix="b", family="IPv6"),
    )
    assert [each.address for each in result.instances] == ["10.0.0.1", "2001:db8::1"]


def test_a_dual_stack_pod_has_both_addresses_at_its_name():
    result = composed(
        headless("web"),
        slice_of("web", [endpoint("10.0.0.1", hostname="web-0"), endpoint("10.0.0.2", hostname="web-1")]),
        slice_of("web", [endpoint("2001:db8::1", hostname="web-0")], suffix="b", family="IPv6"),
    )
    ours = Answers(snapshots={"kubernetes": {result.key: result}}, states=())
    assert section(ours.ask("web-0.web.svc.local", "A").answer) == {"web-0.web.svc.local. A 10.0.0.1"}
    assert section(ours.ask("web-0.web.svc.local", "AAAA").answer) == {"web-0.web.svc.local. AAAA 2001:db8::1"}
    reply = ours.ask("web.svc.local", "SRV")
    assert section(reply.answer) == {f"web.svc.local. SRV 0 1 8080 web-{at}.web.svc.local." for at in (0, 1)}
    assert {"web-0.web.svc.local. A 10.0.0.1", "web-0.web.svc.local. AAAA 2001:db8::1"} <= section(reply.additional)
    assert section(ours.ask("1.0.0.10.in-addr.arpa", "PTR").answer) == {"1.0.0.10.in-addr.arpa. PTR web-0.web.svc.local."}


@pytest.mark.parametrize(
    "other",
    [
        endpoint("2001:db8::1", hostname="web-0", nodeName="n2"),
        endpoint("2001:db8::1", pod="web-0", nodeName="n1"),
        endpoint("2001:db8::1", hostname="web-1", nodeName="n1"),  # another one
    ],
)
def test_one_host_name_is_one_label(other):
    result = composed(
        headless("web"),
        slice_of("web", [endpoint("10.0.0.1", hostname="web-0", nodeName="n1")]),
        slice_of("web", [other], suffix="b", family="IPv6"),
    )
    labels = {each.label for each in label_instances(result).instances}
    assert labels == ({"web-0", "web-1"} if other.get("hostname") == "web-1" else {"web-0"})


@pytest.mark.parametrize(
    ("more", "label"),
    [
        ({"hostname": "db-0", "pod": "other"}, "db-0"),
        ({"pod": "db-0"}, "db-0"),
        ({"targetRef": {"kind": "Node", "name": "n1"}}, "10-0-0-1"),
        ({"hostname": None, "targetRef": None}, "10-0-0-1"),
        ({"hostname": "not a label", "pod": "x"}, "10-0-0-1"),
        ({"pod": "dotted.name"}, "10-0-0-1"),
    ],
)
def test_the_label_is_the_host_name_then_the_pod_then_the_address(more, label):
    result = composed(headless("db"), slice_of("db", [endpoint("10.0.0.1", nodeName="n1", **more)]))
    assert label_instances(result).instances[0].label == label
    assert result.instances[0].node == "n1"


@pytest.mark.parametrize(
    ("conditions", "health"),
    [
        (None, "passing"),
        ({}, "passing"),
        ({"ready": None}, "passing"),
        ({"ready": True}, "passing"),
        ({"ready": False}, "critical"),
        ({"ready": False, "serving": True, "terminating": True}, "critical"),
        ({"ready": True, "terminating": True}, "passing"),  # only with publishNotReadyAddresses; `ready` is all that counts
    ],
)
def test_ready(conditions, health):
    result = composed(headless("db"), slice_of("db", [{"addresses": ["10.0.0.1"], "conditions": conditions}]))
    assert [each.health.word for each in result.instances] == [health]


def test_not_ready_addresses_are_published_where_that_is_asked_for():
    item = headless("db", publishNotReadyAddresses=True)
    assert seen(composed(item, slice_of("db", [endpoint("10.0.0.1", ready=False)]))) == [("10.0.0.1", [8080], "passing")]


def test_the_same_endpoint_in_two_slices_is_one_instance():
    result = composed(
        headless("db"),
        slice_of("db", [endpoint("10.0.0.1", ready=False), "10.0.0.2"], suffix="a"),
        slice_of("db", ["10.0.0.1"], suffix="b"),
        slice_of("db", ["10.0.0.1"], suffix="c", ports=[(9090, "metrics")]),
    )
    assert seen(result) == [("10.0.0.1", [8080, 9090], "passing"), ("10.0.0.2", [8080], "passing")]
    assert seen(composed(headless("db"), slice_of("db", ["10.0.0.1", "10.0.0.1"]))) == [("10.0.0.1", [8080], "passing")]


def test_all_addresses_of_an_endpoint_count():
    each = {"addresses": ["10.0.0.1", "10.0.0.2"], "conditions": {}}
    assert [address for address, *_ in seen(composed(headless("db"), slice_of("db", [each])))] == ["10.0.0.1", "10.0.0.2"]


def test_null_is_nothing():
    assert composed(headless("db"), slice_of("db", None, ports=None)).instances == ()
    assert seen(composed(headless("db"), slice_of("db", ["10.0.0.1"], ports=None))) == [("10.0.0.1", [], "passing")]
    item = service("db")
    item["spec"]["ports"] = item["status"] = item["metadata"]["labels"] = item["metadata"]["annotations"] = None
    assert seen(composed(item)) == [("10.96.0.10", [], "passing")]
    assert result_faults == []


def test_a_port_without_a_number_is_every_port_and_no_record():
    assert seen(composed(headless("db"), slice_of("db", ["10.0.0.1"], ports=[(None, "x"), (1, "y")]))) == [
        ("10.0.0.1", [1], "passing")
    ]


def test_ports_and_names_are_read_leniently():
    one = slice_of(
        "db", ["10.0.0.1"], ports=[("8080", "HTTP"), (70000, "big"), (0, "zero"), ("x", "bad"), (True, "truth"), (90, "-")]
    )
    one["ports"].append({"port": 91})
    one["ports"].append(None)
    result = composed(headless("db"), one)
    assert result.instances[0].ports == (Port(8080, "http", "tcp"), Port(91, "", "tcp"))
    assert len(result_faults) == 6


def test_other_slices_are_not_ours_to_read():
    faults = Faults()
    fqdn = slice_of("db", ["db.example.com"])
    fqdn["addressType"] = "FQDN"
    assert slice_from(fqdn, faults) is None
    for labels in (None, {}, {"kubernetes.io/service-name": ""}, {"multicluster.kubernetes.io/service-name": "db"}):
        other = slice_of("db", ["10.0.0.1"])
        other["metadata"]["labels"] = labels
        assert slice_from(other, faults) is None
    assert faults.count == 0


@pytest.mark.parametrize("address", ["db.example.com", "", None, 7, "0.0.0.0", "::", "10.0.0.256", "224.0.0.1", "fe80::1%eth0", []])
def test_a_bad_address_leaves_out_its_endpoint_alone(address):
    result = composed(headless("db"), slice_of("db", [endpoint(address), "10.0.0.2"]))
    assert [each.address for each in result.instances] == ["10.0.0.2"]
    assert len(result_faults) == 1


NODES = (node("n2", "192.168.0.2"), node("n1", "192.168.0.1"), node("n3", "192.168.0.3", ready="False"))


def node_port(**spec):
    item = service("web", type="NodePort", **spec)
    item["spec"]["ports"] = [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "none", "port": 81}]
    return item


def test_node_ports_are_at_every_ready_node():
    result = composed(node_port(), addresses="node_port", nodes=NODES)
    assert seen(result) == [("192.168.0.1", [30080], "passing"), ("192.168.0.2", [30080], "passing")]
    assert [each.label for each in label_instances(result).instances] == ["n1", "n2"]


def test_local_node_ports_are_at_nodes_with_ready_endpoints():
    slices = slice_of("web", [endpoint("10.0.0.1", nodeName="n2"), endpoint("10.0.0.2", nodeName="n1", ready=False)])
    result = composed(node_port(externalTrafficPolicy="Local"), slices, addresses="node_port", nodes=NODES)
    assert [each.address for each in result.instances] == ["192.168.0.2"]


@pytest.mark.parametrize(
    ("port", "scheme"),
    [
        ({"name": "http"}, "http"),
        ({"name": "https"}, "https"),
        ({"name": "web", "appProtocol": "https"}, "https"),
        ({"name": "http", "appProtocol": "kubernetes.io/h2c"}, "http"),
        ({"name": "grpc"}, ""),
        ({"name": None}, ""),
        ({"appProtocol": 7}, ""),
    ],
)
def test_the_scheme_is_what_the_first_port_says(port, scheme):
    item = service("web")
    item["spec"]["ports"] = [{"port": 443, **port}, {"name": "https", "port": 444}]
    assert composed(item).scheme == scheme


def test_an_annotation_says_what_kubernetes_cannot():
    said = {
        "tags": ["public"],
        "meta": {"team": "shop"},
        "ttl": 30,
        "scheme": "wss",
        "when_all_unhealthy": "fail_open",
        "records": [{"type": "TXT", "value": "v=1"}],
    }
    result = composed(headless("web", annotations={"dnsdisco/service": json.dumps(said)}), slice_of("web", ["10.0.0.1"]))
    assert (result.tags, result.meta, result.ttl, result.scheme) == (("public",), (("team", "shop"),), 30, "wss")
    assert result.instances[0].tags == ("public",)
    assert result.when_all_unhealthy == "fail_open"
    assert result.records[0].type == "TXT"
    assert result_faults == []


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '"x"', "", '{"tags": {"a": 1}}', '{"ttl": -1}', '{"address": "10.9.9.9"}', "[" * 10_000]
)
def test_a_bad_annotation_leaves_out_itself_alone(text):
    result = composed(headless("web", annotations={"dnsdisco/service": text}), slice_of("web", ["10.0.0.1"]))
    assert seen(result) == [("10.0.0.1", [8080], "passing")]
    assert len(result_faults) == 1


def test_the_policy_is_the_provider_s_unless_the_service_has_one():
    assert composed(headless("web"), policy="fail_open").when_all_unhealthy == "fail_open"
    said = headless("web", annotations={"dnsdisco/service": '{"when_all_unhealthy": "empty"}'})
    assert composed(said, policy="fail_open").when_all_unhealthy == "empty"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["10.0.0.1", "web", "None", "TCP"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
PATHS = [
    ("metadata",), ("metadata", "labels"), ("metadata", "annotations"), ("spec",), ("spec", "ports"), ("spec", "clusterIPs"),
    ("spec", "clusterIP"), ("spec", "type"), ("spec", "externalName"), ("status",), ("status", "loadBalancer"),
    ("status", "loadBalancer", "ingress"), ("endpoints",), ("endpoints", 0), ("endpoints", 0, "addresses"), ("endpoints", 0, "conditions"),
    ("endpoints", 0, "hostname"), ("endpoints", 0, "targetRef"), ("endpoints", 0, "nodeName"), ("ports",), ("ports", 0), ("ports", 0, "port"),
    ("ports", 0, "name"), ("ports", 0, "protocol"), ("addressType",), ("metadata", "labels", "kubernetes.io/service-name"),
    ("spec", "ports", 0), ("spec", "ports", 0, "name"), ("spec", "ports", 0, "nodePort"), ("spec", "externalTrafficPolicy"),
]  # fmt: skip


def with_junk(item, path, junk):
    at = item
    for step in path[:-1]:
        if not (isinstance(at, dict) and step in at) and not (isinstance(at, list) and isinstance(step, int) and len(at) > step):
            return item
        at = at[step]
    if isinstance(at, dict) or (isinstance(at, list) and isinstance(path[-1], int) and len(at) > path[-1]):
        at[path[-1]] = junk
    return item


@given(st.sampled_from(PATHS), JSON, st.booleans())
def test_no_junk_raises_anything_but_value_error(path, junk, is_inside):
    faults = Faults()
    items = (service("web", ports=[(80, "http")], nodePort=1), slice_of("web", ["10.0.0.1"]))
    facts = []
    for resource, item in zip((SERVICES, SLICES), items, strict=True):
        try:
            facts.append(parse(resource, with_junk(item, path, junk), faults))
        except ValueError:
            facts.append(None)
            assert faults.count
    if facts[0] is not None:
        for mode in ("auto", "endpoints", "load_balancer", "node_port"):
            result = compose(facts[0], [facts[1]] if facts[1] else [], {}, Rules(mode, is_inside, "default", "empty"))
            label_instances(result)
            assert service_from_data("web", service_to_dict(result))[0] is not None


@given(JSON)
@pytest.mark.slow
def test_no_junk_is_an_object(junk):
    for resource in (SERVICES, SLICES):
        try:
            parse(resource, junk, Faults())
        except ValueError:
            continue


@given(JSON)
def test_no_junk_in_endpoints_raises_anything_but_value_error(junk):
    for item in (
        {"subsets": junk},
        {"subsets": [{"addresses": junk, "ports": junk}]},
        {"subsets": [{"addresses": [{"ip": junk}]}]},
    ):
        try:
            endpoints_from({"metadata": {"name": "x", "namespace": "y"}, **item}, Faults())
        except ValueError:
            continue


def test_health_is_the_enumeration():
    assert composed(headless("db"), slice_of("db", ["10.0.0.1"])).instances[0].health is Health.PASSING


def test_endpoints_that_are_left_out_are_kept_with_their_reason():
    slices = [slice_of("db", ["10.0.0.1", endpoint("not an address")], suffix="a"), slice_of("db", [5], suffix="b")]
    service = composed(headless("db"), *slices)
    assert service.left_out is not None
    assert service.left_out.number == 2
    assert "not an address" in service.left_out.reason


def test_why_an_endpoint_is_critical():
    service = composed(headless("db"), slice_of("db", ["10.0.0.1", endpoint("10.0.0.2", ready=False)]))
    assert [each.reason for each in service.instances] == ["", "not ready"]


def test_each_reason_is_logged_once_and_a_hundred_lines_at_the_most():
    faults = Faults()
    with capture_logs() as logs:
        for _ in range(2):
            for number in range(150):
                faults.log("Service", ("default", f"s{number}"), "spec: expected a mapping")
    assert faults.count == 300
    assert len(logs) == 101
    assert "not logged" in logs[-1]["event"]
    assert len(faults._logged) == 150  # more of them than lines are remembered
    for number in range(9_851):
        faults.log("Service", ("other", f"s{number}"), "spec: expected a mapping")
    assert len(faults._logged) == 1
