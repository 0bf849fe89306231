"""Instances registered with the agent, and taken away again."""

from __future__ import annotations

import json

import pytest

from dnsdisco.errors import NotSupported, ProviderError
from dnsdisco.providers.consul import registration as registering
from dnsdisco.providers.consul.registration import registration_of
from tests.providers.consul import fake
from tests.providers.consul.fake import FakeConsul
from tests.providers.consul.kit import provider_of

DATA = {"address": "10.0.0.5", "port": 8080}


@pytest.fixture
def consul():
    with FakeConsul() as server:
        yield server


def sent(consul: FakeConsul) -> dict:
    return json.loads(consul.asked("/v1/agent/service/register")[-1].body)


def body(**data) -> dict:
    return registration_of("web", {**DATA, **data}).body


def test_everything_that_consul_knows_is_told(consul):
    provider = provider_of(consul)
    data = {**DATA, "id": "w1", "tags": ["a", "b"], "meta": {"k": "v"}, "weight": 7, "warning_weight": 2, "scheme": "https"}
    assert provider.register_service("web", data) == "w1"
    assert sent(consul) == {
        "Name": "web", "ID": "w1", "Address": "10.0.0.5", "Port": 8080, "Tags": ["a", "b"], "Meta": {"k": "v", "scheme": "https"},
        "Weights": {"Passing": 7, "Warning": 2},
    }  # fmt: skip
    (request,) = consul.asked("/v1/agent/service/register")
    assert request.query == {"replace-existing-checks": "true"}
    service = provider.get_service("web")
    (instance,) = service["instances"]
    assert (service["url"], instance["weight"], instance["warning_weight"]) == ("https://10.0.0.5:8080", 7, 2)
    assert (instance["tags"], instance["meta"]["k"]) == (["a", "b"], "v")


def test_the_id_is_made_of_name_address_and_port():
    assert registration_of("web", DATA).instance_id == "web-10.0.0.5-8080"
    assert registration_of("web", {"url": "http://Auth.example:5001"}).instance_id == "web-auth.example-5001"


def test_a_url_comes_back_as_it_was(consul):
    provider = provider_of(consul)
    provider.register_service("web", {"url": "https://web.example/path"})
    assert provider.get_service_url("web") == "https://web.example/path"
    provider.register_service("auth", {"url": "http://auth-service:5001", "address": "auth-service", "port": 5001})
    assert provider.get_service_url("auth") == "http://auth-service:5001"


@pytest.mark.parametrize(
    ("data", "ports"),
    [
        ({"ports": {"http": 80, "grpc": 90}, "port": None}, [{"Name": "http", "Port": 80, "Default": True}, {"Name": "grpc", "Port": 90}]),
        ({"ports": {"admin": 81}, "port": None}, [{"Name": "admin", "Port": 81, "Default": True}]),
        ({"ports": {"https": 81}, "port": None, "scheme": "https"}, 81),
        ({"port": None}, None),
    ],
)  # fmt: skip
def test_ports(data, ports):
    told = body(**data)
    assert told.get("Ports", told.get("Port")) == ports


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ({"http": "http://{address}:{port}/health"}, {"HTTP": "http://10.0.0.5:8080/health", "Interval": "10000ms", "Timeout": "2000ms"}),
        ({"http": "https://x/y", "interval": "1m30s", "timeout": 0.5}, {"HTTP": "https://x/y", "Interval": "90000ms", "Timeout": "500ms"}),
        ({"tcp": "{address}:{port}", "interval": 5}, {"TCP": "10.0.0.5:8080", "Interval": "5000ms", "Timeout": "2000ms"}),
        ({"grpc": "{address}:{port}/svc", "grpc_use_tls": True}, {"GRPC": "10.0.0.5:8080/svc", "GRPCUseTLS": True, "Interval": "10000ms", "Timeout": "2000ms"}),
        ({"http": "https://x/y", "verify": False}, {"HTTP": "https://x/y", "TLSSkipVerify": True, "Interval": "10000ms", "Timeout": "2000ms"}),
        ({"ttl": "15s"}, {"TTL": "15000ms"}),
        ({"ttl": "15s", "deregister_critical_after": "2m"}, {"TTL": "15000ms", "DeregisterCriticalServiceAfter": "120000ms"}),
        ({"ttl": 15, "DeregisterCriticalServiceAfter": "90s"}, {"TTL": "15000ms", "DeregisterCriticalServiceAfter": "90000ms"}),
        ({"TTL": "1m", "initial": "critical"}, {"TTL": "60000ms", "Status": "critical"}),
        ({"tcp": "h:1", "rise": 2, "fall": 3}, {"TCP": "h:1", "SuccessBeforePassing": 2, "FailuresBeforeCritical": 3, "Interval": "10000ms", "Timeout": "2000ms"}),
    ],
)  # fmt: skip
def test_checks(check, told):
    assert body(check=check)["Check"] == {"Status": "passing", **told}


def test_an_ipv6_address_in_a_check_has_its_brackets():
    assert body(address="2001:db8::1", check={"tcp": "{address}:{port}"})["Check"]["TCP"] == "[2001:db8::1]:8080"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"address": "10.0.0"}, "address: expected"),
        ({"port": 0}, "port: expected"),
        ({"tags": [""]}, r"tags\[0\]: expected"),
        ({"instances": [DATA]}, "one instance at a time"),
        ({"health": "critical"}, "health: Consul takes it from checks"),
        ({"check": "x"}, "check: expected a mapping"),
        ({"check": {}}, "check: expected one of http, tcp, ttl and grpc, found none"),
        ({"check": {"http": "http://x", "tcp": "x:1"}}, "found http and tcp"),
        ({"check": {"http": "x"}}, "check: expected a URL"),
        ({"check": {"tcp": "x"}}, "check: expected an address and a port"),
        ({"check": {"ttl": "never"}}, "check: expected a duration"),
        ({"check": {"tcp": "x:1", "intervall": 5}}, "check: intervall: unknown key; did you mean interval?"),
        ({"check": {"ttl": 5, "deregister_critical_after": "5s"}}, "check: expected a duration from 60"),
        ({"check": {"ttl": 5, "initial": "sick"}}, "check: expected passing, warning or critical"),
        ({"port": None, "check": {"tcp": "{address}:{port}"}}, "the instance has no port"),
    ],
)
def test_data_that_make_no_instance(data, words):
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        registration_of("web", {**DATA, **data})


def test_a_name_that_can_be_none():
    with pytest.raises(ValueError, match="DNS label"):
        registration_of("x" * 64, DATA)


def test_what_the_agent_refuses_is_told(consul):
    with pytest.raises(ValueError, match="refuses this: Invalid Weights"):
        provider_of(consul).register_service("web", {**DATA, "weight": 0})


def test_what_consul_has_no_place_for_is_told(caplog):
    registration_of("web", {**DATA, "ttl": 10, "priority": 5, "nonsense": 1})
    assert "ttl: Consul has no place for it" in caplog.text
    assert "priority: Consul has no place for it" in caplog.text
    assert "nonsense: unknown key" in caplog.text


def test_under_one_id_it_is_replaced_and_its_check_too(consul):
    provider = provider_of(consul)
    provider.register_service("web", {**DATA, "id": "w", "check": {"ttl": "1m", "initial": "critical"}})
    assert provider.get_service("web")["health"] == "critical"
    provider.register_service("web", {**DATA, "id": "w", "port": 9090})
    (instance,) = provider.get_service("web")["instances"]
    assert (instance["port"], instance["health"]) == (9090, "passing")


def test_the_id_of_another_service_is_not_taken_from_it(consul):
    provider = provider_of(consul)
    provider.register_service("web", {**DATA, "id": "one"})
    with pytest.raises(ValueError, match="'one' is an instance of 'web'"):
        provider.register_service("db", {**DATA, "id": "one"})
    assert set(provider.get_services()) == {"consul", "web"}


def test_it_is_there_when_the_call_returns_though_the_catalog_is_slow(consul):
    provider = provider_of(consul)
    consul.lie("/v1/health/service/web", fake.body("[]", index=12), times=5)
    provider.register_service("web", DATA)
    assert provider.get_service("web") is not None


def test_a_catalog_that_never_hears_of_it_does_not_hold_us(consul, monkeypatch, caplog):
    monkeypatch.setattr(registering, "VISIBLE_S", 0.2)
    consul.lie("/v1/health/service/web", fake.body("[]", index=12))
    assert provider_of(consul).register_service("web", DATA) == "web-10.0.0.5-8080"
    assert "not in the catalog yet" in caplog.text


def test_deregister_takes_what_this_agent_has(consul):
    provider = provider_of(consul)
    for id_ in ("w1", "w2", "w3"):
        provider.register_service("web", {**DATA, "id": id_})
    consul.catalog.put("web", id="w9", node="n2")
    provider.register_service("webber", {**DATA, "id": "other"})
    assert provider.deregister_service("web", "w1") is True
    assert provider.deregister_service("web", "w1") is False
    assert provider.deregister_service("web", "other") is False  # another service's
    assert provider.deregister_service("web", "w9") is False  # another agent's
    assert provider.deregister_service("web") is True
    assert [each["id"] for each in provider.get_service("web")["instances"]] == ["w9"]
    assert provider.deregister_service("web") is False
    assert provider.deregister_service("nobody") is False
    assert "webber" in provider.get_services()


def test_an_id_that_two_nodes_share_goes_from_ours(consul):
    provider = provider_of(consul)
    provider.register_service("web", {**DATA, "id": "w"})
    consul.catalog.put("web", id="w", node="n2")
    assert provider.deregister_service("web", "w") is True
    assert [each["node"] for each in provider.get_service("web")["instances"]] == ["n2"]


@pytest.mark.parametrize("call", ["register", "deregister"])
def test_without_the_permission(consul, call):
    consul.lie("/v1/agent/service", fake.status(403, "Permission denied: token lacks permission 'service:write'"))
    provider = provider_of(consul)
    with pytest.raises(ProviderError, match="service:write") as caught:
        provider.register_service("web", DATA) if call == "register" else provider.deregister_service("web")
    assert caught.value.is_denied


def test_in_another_datacenter_it_would_not_be_found(consul):
    with pytest.raises(NotSupported, match="its own datacenter dc1, not in dc2"):
        provider_of(consul, datacenter="dc2").register_service("web", DATA)
    provider_of(consul, datacenter="dc1").register_service("web", DATA)
    consul.lie("/v1/agent/self", fake.status(403, "Permission denied"))
    provider_of(consul, datacenter="dc1").deregister_service("web")


def test_a_dead_agent(consul):
    consul.kill()
    for call in (provider_of(consul).register_service, provider_of(consul).deregister_service):
        with pytest.raises(ProviderError):
            call("web", DATA if call.__name__.startswith("reg") else None)
