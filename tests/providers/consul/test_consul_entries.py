"""Health entries to services: every field, every oddity, and nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.model.service import Health, Port
from dnsdisco.providers.consul.entries import read_entries, refused_name, Wanted, worst

PLAIN = {"ID": "web-1", "Service": "web", "Address": "10.0.0.1", "Port": 8080, "Tags": ["v1"], "Meta": {"a": "b"}}


def entry(node: str = "n1", checks: Any = (), node_address: str = "192.0.2.1", **service: Any) -> dict[str, Any]:
    return {
        "Node": {"Node": node, "Address": node_address},
        "Service": {**PLAIN, **service},
        "Checks": [{"Status": status} for status in checks] if isinstance(checks, tuple) else checks,
    }


def read(*entries: Any, name: str = "web", **wanted: Any) -> Any:
    return read_entries(name, list(entries), Wanted(**wanted))


def only(*entries: Any, **wanted: Any) -> Any:
    reading = read(*entries, **wanted)
    (instance,) = reading.service.instances
    return instance


def test_every_field_has_its_place():
    instance = only(entry(checks=("passing", "warning"), Weights={"Passing": 10, "Warning": 3}))
    assert (instance.id, instance.node, instance.address, instance.ports) == ("web-1", "n1", "10.0.0.1", (Port(8080),))
    assert (instance.weight, instance.warning_weight, instance.health) == (10, 3, Health.WARNING)
    assert (instance.tags, instance.meta) == (("v1",), (("a", "b"),))
    assert read(entry()).faults == []


@pytest.mark.parametrize(
    ("service", "address"),
    [
        ({"Address": ""}, "192.0.2.1"),
        ({"Address": None}, "192.0.2.1"),
        ({"Address": "2001:DB8::1"}, "2001:db8::1"),
        ({"Address": "DB.example.net."}, "db.example.net"),
        ({"Address": "::ffff:10.0.0.9"}, "10.0.0.9"),
    ],
)
def test_addresses(service, address):
    assert only(entry(**service)).address == address


@pytest.mark.parametrize(
    ("service", "ports"),
    [
        ({"Port": 0}, ()),
        ({"Port": None}, ()),
        ({"Ports": [{"Name": "http", "Port": 80}, {"Name": "GRPC", "Port": 90, "Default": True}], "Port": 0}, (Port(90, "grpc"), Port(80, "http"))),
        ({"Ports": None}, (Port(8080),)),
        ({"Ports": [{"Name": "odd name", "Port": 80}, {"Name": "ok", "Port": 81}]}, (Port(81, "ok"),)),
        ({"Meta": {"scheme": "https"}}, (Port(8080, "https"),)),
        ({"Meta": {"scheme": "no scheme"}}, (Port(8080),)),
    ],
)  # fmt: skip
def test_ports(service, ports):
    assert only(entry(**service)).ports == ports


@pytest.mark.parametrize(
    ("statuses", "health"),
    [
        ((), Health.PASSING),
        (("passing", "passing"), Health.PASSING),
        (("warning", "passing"), Health.WARNING),
        (("passing", "critical", "warning"), Health.CRITICAL),
        (("maintenance",), Health.CRITICAL),
        ((None,), Health.CRITICAL),
        ((["x"],), Health.CRITICAL),
    ],
)
def test_the_worst_check_counts(statuses, health):
    assert worst([{"Status": status} for status in statuses]) is health


@pytest.mark.parametrize(("checks", "health"), [(None, Health.PASSING), ("x", Health.PASSING), ([5], Health.CRITICAL)])
def test_checks_that_are_none(checks, health):
    assert worst(checks) is health


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ({"Address": "10.0.0"}, "address"),
        ({"Address": "0.0.0.0"}, "address"),
        ({"Address": "", "node_address": ""}, "address"),
        ({"Port": 70000}, "port"),
        ({"Port": -1}, "port"),
        ({"Ports": [{"Name": "x", "Port": 0}]}, "Ports"),
        ({"ID": "a\nb"}, "id"),
        ({"Weights": {"Passing": -1, "Warning": 1}}, "weight"),
    ],
)
def test_a_bad_instance_is_left_out_alone(service, reason):
    reading = read(entry(**service), entry(ID="web-2"))
    assert [instance.id for instance in reading.service.instances] == ["web-2"]
    assert any(reason in text for _, text in reading.faults)


def test_a_bad_tag_goes_alone_for_some_hold_a_proxy_s_configuration():
    reading = read(entry(Tags=["v1", "x" * 256, "", 5, "primary"]))
    assert reading.service.instances[0].tags == ("v1", "primary")
    assert len(reading.faults) == 3


def test_what_is_no_object_is_left_out():
    reading = read(None, 5, "x", entry(), {"Node": None, "Service": None, "Checks": None})
    assert [instance.id for instance in reading.service.instances] == ["web-1"]
    assert reading.faults


def test_only_bad_instances_are_a_known_service_without_any():
    reading = read(entry(Address="x y"))
    assert reading.service.instances == ()
    assert not reading.is_empty


def test_none_at_all_is_told_apart():
    reading = read()
    assert reading.service.instances == ()
    assert reading.is_empty


def test_one_id_on_two_nodes_is_two_instances_and_twice_on_one_is_one():
    reading = read(entry(), entry(node="n2"), entry())
    assert [(instance.id, instance.node) for instance in reading.service.instances] == [("web-1", "n1"), ("web-1", "n2")]


def test_the_order_of_the_answer_does_not_count():
    entries = [entry(ID=f"web-{at}", node=f"n{at % 3}") for at in range(10)]
    assert read(*entries).service == read(*reversed(entries)).service
    assert read(*entries).fingerprint == read(*reversed(entries)).fingerprint


@pytest.mark.parametrize("kind", ["connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"])
def test_proxies_and_gateways_are_passed_over_unless_asked_for(kind):
    assert read(entry(Kind=kind)).service is None
    assert [instance.id for instance in read(entry(Kind=kind), entry(ID="x")).service.instances] == ["x"]
    assert len(read(entry(Kind=kind), proxies=True).service.instances) == 1


def test_only_instances_with_all_the_tags():
    one, both = entry(Tags=["a"]), entry(ID="both", Tags=["a", "b"])
    assert only(one, both, tags=frozenset({"a", "b"})).id == "both"
    assert read(one, tags=frozenset({"a", "b"})).service is None
    assert read(entry(Tags=None), tags=frozenset({"a"})).service is None


def test_names_that_differ_in_case_are_two_services():
    entries = [entry(ID="lower"), entry(ID="upper", Service="WEB")]
    assert [instance.id for instance in read(*entries).service.instances] == ["lower"]
    assert [instance.id for instance in read(*entries, name="WEB").service.instances] == ["upper"]


def test_scheme_and_url_of_the_meta_are_of_the_service_when_all_agree():
    meta = {"scheme": "https", "url": "https://web.example/x"}
    service = read(entry(Meta=meta), entry(ID="b", Meta=meta)).service
    assert (service.scheme, service.url) == ("https", "https://web.example/x")
    mixed = read(entry(Meta=meta), entry(ID="b", Meta={})).service
    assert (mixed.scheme, mixed.url) == ("", "")
    assert read(entry(Meta={"url": "nonsense", "scheme": 5})).service.url == ""


@pytest.mark.parametrize(("name", "is_refused"), [("web", False), ("my_svc", False), ("a.b", False), ("x" * 64, True), ("..", True), ("a\nb", True), (5, True)])  # fmt: skip
def test_names(name, is_refused):
    assert bool(refused_name(name)) is is_refused


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["passing", "10.0.0.1", "web"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["ID", "Service", "Address", "Port", "Ports", "Tags", "Meta", "Weights", "Kind", "Passing", "Warning", "Name", "Default"]
)
SERVICE = st.dictionaries(FIELDS, ANYTHING | st.lists(st.dictionaries(FIELDS, ANYTHING, max_size=3), max_size=2), max_size=6)
ENTRY = ANYTHING | st.fixed_dictionaries(
    {},
    optional={"Node": ANYTHING | st.just({"Node": "n", "Address": "10.0.0.2"}), "Service": ANYTHING | SERVICE, "Checks": ANYTHING},
)


@given(st.lists(ENTRY, max_size=4), st.sampled_from([frozenset(), frozenset({"web"})]), st.booleans())
@settings(max_examples=200)
@pytest.mark.slow
def test_whatever_is_in_the_data_nothing_raises(entries, tags, proxies):
    reading = read_entries("web", entries, Wanted(tags, proxies))
    hash(reading.service)
    for instance in reading.service.instances if reading.service else ():
        assert instance.id
        assert instance.address
        assert all(1 <= port.number <= 65535 for port in instance.ports)


def check(status="critical", output="", notes="", name="Service 'web' check"):
    return {"Status": status, "Output": output, "Notes": notes, "Name": name}


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        ([check(output="HTTP GET http://u:p@10.0.0.1/health?token=x: 503 Service Unavailable Output: secret body")], "HTTP 503 Service Unavailable"),
        ([check(output="HTTP GET http://10.0.0.1/: 418 I'm a teapot Output: <html>\nmore")], "HTTP 418 I'm a teapot"),
        ([check(output="HTTP GET http://10.0.0.1/: 500 Internal Server Error")], "HTTP 500 Internal Server Error"),
        ([check(output="dial tcp 10.0.0.1:80: connect: connection refused\n")], "dial tcp 10.0.0.1:80: connect: connection refused"),
        ([check("passing", "all is well"), check(output="disk full")], "disk full"),
        ([check("warning", "slow"), check("a new word", "odd")], "odd"),
        ([check(notes="mended until noon", name="Service Maintenance Mode")], "mended until noon"),
        ([check(output=" \n")], "Service 'web' check"),
        ([{"Status": "critical", "Output": 5, "Notes": None}], ""),
        ([check("warning", "slow")], ""),
        ([check("passing", "fine")], ""),
        ([None, 3, check(output="x" * 1000)], "x" * 77 + "…"),
    ],
)  # fmt: skip
def test_why_an_instance_is_critical(checks, reason):
    assert only(entry(checks=checks)).reason == reason


def test_a_check_that_counts_makes_no_new_service():
    first, second = (read(entry(checks=[check(output=f"failed {n} times")])).service for n in (1, 2))
    assert first == second
    assert first.instances[0].reason == "failed 1 times"


@pytest.mark.parametrize(
    ("entries", "number", "reason"),
    [
        ([entry(Address="a b")], 1, "address: expected an IP address or a host name, found 'a b'"),
        ([entry(), entry(ID="w2", Port=70000), entry(ID="w3", Address="a b")], 2, "port: expected a whole number from 1 to 65535, found 70000"),
        ([None, entry()], 1, "expected a mapping"),
        ([entry(Ports=[{"Port": 0, "Name": "x"}])], 1, None),
        ([entry(Tags=[5])], 0, None),
    ],
)  # fmt: skip
def test_what_is_left_out_is_kept_with_its_reason(entries, number, reason):
    left_out = read(*entries).service.left_out
    assert (left_out.number if left_out else 0) == number
    assert reason is None or left_out.reason == reason
