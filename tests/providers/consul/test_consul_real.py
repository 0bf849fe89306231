"""Against a real agent: what the fake may have got wrong."""

from __future__ import annotations

import threading
import time
from urllib.parse import quote

import pytest

from dnsdisco.errors import ProviderError
from dnsdisco.model.service import Health
from dnsdisco.providers.consul import ConsulServiceDiscovery, query_threads
from dnsdisco.providers.consul.catalog import AgentCatalog
from dnsdisco.providers.consul.credentials import Credentials
from dnsdisco.providers.consul.options import Options
from dnsdisco.testing import Watch
from tests.providers.consul.kit import ids, sees, until
from tests.providers.consul.real import RealConsul

pytestmark = pytest.mark.servers

MANAGER = "11111111-1111-1111-1111-111111111111"
ACL = f'acl {{ enabled = true default_policy = "deny" tokens {{ initial_management = "{MANAGER}" }} }}'
LIMIT = "limits { http_max_conns_per_client = 30 }"


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """An open one and a guarded one, which start at the same time."""
    agents = [
        RealConsul(tmp_path_factory.mktemp("open"), hcl=LIMIT),
        RealConsul(tmp_path_factory.mktemp("guarded"), hcl=ACL, token=MANAGER),
    ]
    try:
        for agent in agents:
            agent.wait()
        yield agents
    finally:
        for agent in agents:
            agent.kill()


@pytest.fixture
def consul(started):
    agent = started[0]
    yield agent
    for id_ in agent.get("/v1/agent/services"):
        agent.put(f"/v1/agent/service/deregister/{quote(id_)}")
    until(lambda: list(agent.get("/v1/catalog/services")) == ["consul"])


@pytest.fixture
def guarded(started):
    return started[1]


def provider_of(agent: RealConsul, **options) -> ConsulServiceDiscovery:
    return ConsulServiceDiscovery(address=agent.address, **options)


@pytest.mark.parametrize("limit", [128, 0], ids=["own queries", "together"])
def test_every_change_is_seen(consul, monkeypatch, limit):
    monkeypatch.setattr(query_threads, "SWEEP_SPACE_S", 0.05)
    ttl = {"TTL": "1h", "Status": "passing"}
    consul.register("web", "w1", Check=ttl, Tags=["v1"])
    consul.register("db", "d1")
    with Watch(provider_of(consul, watch_limit=limit)) as watch:
        assert sees(watch, {"web": ["w1"], "db": ["d1"]})
        for verb, mark in (("fail", "!"), ("warn", "?"), ("pass", "")):
            consul.check("w1", verb)
            assert sees(watch, {"web": [f"w1{mark}"], "db": ["d1"]})
        consul.put("/v1/agent/service/maintenance/d1?enable=true")
        assert sees(watch, {"web": ["w1"], "db": ["d1!"]})
        consul.put("/v1/agent/service/maintenance/d1?enable=false")
        consul.put("/v1/agent/maintenance?enable=true")
        assert sees(watch, {"web": ["w1!"], "db": ["d1!"]})
        consul.put("/v1/agent/maintenance?enable=false")
        assert sees(watch, {"web": ["w1"], "db": ["d1"]})
        consul.register("web", "w2")
        consul.register("db", "d1", Meta={"a": "b"})
        assert sees(watch, {"web": ["w1", "w2"], "db": ["d1"]})
        assert watch.wait(lambda: watch.yielded[-1].services["", "db"].instances[0].meta == (("a", "b"),), 3)
        consul.put("/v1/agent/service/deregister/w1")
        assert sees(watch, {"web": ["w2"], "db": ["d1"]})
        consul.put("/v1/agent/service/deregister/w2")
        assert sees(watch, {"db": ["d1"]})
        consul.register("new", "n1", Check={"TTL": "1h"})
        assert sees(watch, {"db": ["d1"], "new": ["n1!"]})
        assert watch.error is None


def test_register_and_deregister(consul):
    provider = provider_of(consul)
    data = {
        "address": "10.0.0.7",
        "port": 80,
        "tags": ["a"],
        "meta": {"b": "c"},
        "weight": 5,
        "check": {"ttl": "1h", "deregister_critical_after": "1m"},
    }
    id_ = provider.register_service("new", data)
    (instance,) = provider.get_service("new")["instances"]
    assert (instance["id"], instance["weight"], instance["health"], instance["tags"]) == (id_, 5, "passing", ["a"])
    for check in (
        {"http": "http://{address}:{port}/", "rise": 2, "fall": 3},
        {"tcp": "{address}:{port}"},
        {"grpc": "{address}:{port}"},
    ):
        assert provider.register_service("new", {**data, "check": check, "id": "again"}) == "again"
    assert {each["id"] for each in provider.get_services()["new"]["instances"]} == {id_, "again"}
    with pytest.raises(ValueError, match="refuses this"):
        provider.register_service("new", {**data, "weight": 0})
    with pytest.raises(ValueError, match="an agent has every id once"):
        provider.register_service("other", {**data, "id": "again"})
    assert provider.deregister_service("new", "again") is True
    assert provider.deregister_service("new", "again") is False
    assert provider.deregister_service("new") is True
    assert provider.get_service("new") is None
    assert provider.deregister_service("new") is False


def test_several_ports_and_a_host_name(consul):
    provider = provider_of(consul)
    provider.register_service("multi", {"id": "m", "address": "db.example.net", "ports": {"grpc": 90, "http": 80}})
    (instance,) = provider.get_service("multi")["instances"]
    assert (instance["address"], instance["port"], instance["ports"]) == ("db.example.net", 90, {"grpc": 90, "http": 80})


ODD = ["UPPER", "my_svc", "Dotted.Name", "a/b", "per%cent", "späce", "web", "Web"]


def test_odd_names_are_asked_for_as_they_are(consul):
    for at, name in enumerate(ODD):
        consul.register(name, f"odd-{at}")
    until(lambda: set(ODD) <= set(consul.get("/v1/catalog/services")))
    services = provider_of(consul).get_services()
    assert {name: [each["id"] for each in services[name]["instances"]] for name in ODD} == {
        name: [f"odd-{at}"] for at, name in enumerate(ODD)
    }


def test_one_id_on_two_nodes_and_a_node_of_the_outside(consul):
    for node in ("ext1", "ext2"):
        service = {"Service": "legacy", "ID": "l", "Port": 9000}
        consul.put("/v1/catalog/register", {"Node": node, "Address": f"192.0.2.{node[-1]}", "Service": service})
    legacy = provider_of(consul).get_service("legacy")
    assert [(each["id"], each["node"], each["address"]) for each in legacy["instances"]] == [
        ("l", "ext1", "192.0.2.1"),
        ("l", "ext2", "192.0.2.2"),
    ]
    for node in ("ext1", "ext2"):
        consul.put("/v1/catalog/deregister", {"Node": node})


def test_a_sweep_finds_nobody_changed_when_nobody_has(consul):
    for at in range(5):
        consul.register(f"s{at}", f"s{at}", Check={"TTL": "1h", "Status": "passing"})
    until(lambda: len(consul.get("/v1/catalog/services")) == 6)
    options = Options(address=consul.address)
    catalog = AgentCatalog(options, Credentials(options))
    agent = catalog.connect()
    nodes = catalog.nodes(agent)
    marks = catalog.fingerprints(agent, nodes, threading.Event())
    names, _ = catalog.names(agent)
    assert {name: catalog.service(agent, name)[0].fingerprint for name in names} == {name: marks[name] for name in names}
    agent.close()


def test_more_services_than_connections(consul, caplog):
    names = [f"s{at}" for at in range(45)]
    for name in names:
        consul.register(name, name, Check={"TTL": "1h", "Status": "passing"})
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, {name: [name] for name in names}, 5)
        until(lambda: "takes no more connections" in caplog.text, 5)
        for name in ("s0", "s44", "s20"):
            consul.check(name, "fail")
            assert watch.wait(lambda name=name: ids(watch.yielded[-1])[name] == [f"{name}!"], 8), name
        assert watch.error is None


@pytest.fixture(scope="module")
def tokens(started):
    consul = started[1]
    consul.register("web", "w1", Check={"TTL": "1h", "Status": "passing"})
    consul.register("db", "d1")
    until(lambda: len(consul.get("/v1/catalog/services")) == 3)
    rules = {
        "all": 'service_prefix "" {policy = "read"} node_prefix "" {policy = "read"}',
        "services": 'service_prefix "" {policy = "read"}',
        "part": 'service_prefix "we" {policy = "read"} node_prefix "" {policy = "read"}',
    }
    made = {}
    for name, text in rules.items():
        consul.put("/v1/acl/policy", {"Name": name, "Rules": text})
        made[name] = consul.put("/v1/acl/token", {"Policies": [{"Name": name}]})
    return made


class TestAcls:
    def test_reading_needs_this_policy_and_no_more(self, guarded, tokens):
        provider = provider_of(guarded, token=tokens["all"]["SecretID"])
        assert set(provider.get_services()) == {"consul", "web", "db"}
        with pytest.raises(ProviderError, match="403") as caught:
            provider.register_service("x", {"address": "10.0.0.1", "port": 1})
        assert caught.value.is_denied

    @pytest.mark.parametrize("which", [None, "services", "part", "unknown"])
    def test_less_is_denied_and_never_empty(self, guarded, tokens, which):
        token = {None: None, "unknown": "22222222-1111-1111-1111-111111111111"}.get(which) or (which and tokens[which]["SecretID"])
        provider = provider_of(guarded, token=token)
        with pytest.raises(ProviderError) as caught:
            provider.get_services()
        assert caught.value.is_denied
        with Watch(provider) as watch:
            assert watch.wait(lambda: watch.error is not None, 5)
        assert watch.yielded == []
        assert isinstance(watch.error, ProviderError)
        assert watch.error.is_denied

    def test_a_part_when_that_was_said(self, guarded, tokens):
        with Watch(provider_of(guarded, token=tokens["part"]["SecretID"], allow_filtered=True)) as watch:
            assert sees(watch, {"web": ["w1"]})

    @pytest.mark.parametrize("how", ["the token goes", "the policy goes"])
    def test_what_is_known_stays_when_the_permission_goes(self, guarded, tokens, how):
        guarded.put(
            "/v1/acl/policy",
            {"Name": how.replace(" ", "-"), "Rules": 'service_prefix "" {policy = "read"} node_prefix "" {policy = "read"}'},
        )
        token = guarded.put("/v1/acl/token", {"Policies": [{"Name": how.replace(" ", "-")}]})
        with Watch(provider_of(guarded, token=token["SecretID"], wait=1)) as watch:
            assert sees(watch, {"web": ["w1"], "db": ["d1"]})
            time.sleep(0.2)
            if how == "the token goes":
                guarded._ask("DELETE", f"/v1/acl/token/{token['AccessorID']}", None)
            else:
                guarded.put(f"/v1/acl/token/{token['AccessorID']}", {"AccessorID": token["AccessorID"], "Policies": []})
            assert watch.wait(lambda: watch.error is not None, 6)
        assert isinstance(watch.error, ProviderError)
        assert watch.error.is_denied
        for view in watch.yielded:
            assert ids(view) == {"web": ["w1"], "db": ["d1"], "consul": ["consul"]}


def test_killed_and_back_without_its_data(tmp_path, monkeypatch):
    monkeypatch.setattr(query_threads, "SETTLE_S", 1.0)
    with RealConsul(tmp_path) as consul:
        consul.register("web", "w1")
        provider = provider_of(consul)
        with Watch(provider) as watch:
            assert sees(watch, {"web": ["w1"]})
            killed_at = time.monotonic()
            consul.kill()
            assert watch.wait(lambda: watch.error is not None, 3)
            assert time.monotonic() - killed_at < 1.0
        with pytest.raises(ProviderError):
            provider.get_services()
        consul.begin()
        consul.wait()
        with Watch(provider) as again:
            time.sleep(0.5)
            assert again.yielded == []
            consul.register("web", "w1")
            assert sees(again, {"web": ["w1"]})
        assert again.yielded[0].services["", "web"].instances[0].health is Health.PASSING


def test_tls(tmp_path):
    import subprocess

    from tests.providers.consul.real import binary

    for command in (
        ["ca", "create"],
        ["cert", "create", "-server", "-additional-ipaddress=127.0.0.1"],
        ["cert", "create", "-client"],
    ):
        subprocess.run([binary(), "tls", *command], cwd=tmp_path, check=True, capture_output=True)
    hcl = (
        'tls { https { verify_incoming = true ca_file = "consul-agent-ca.pem" '
        'cert_file = "dc1-server-consul-0.pem" key_file = "dc1-server-consul-0-key.pem" } }'
    )
    ours = {"client_cert": str(tmp_path / "dc1-client-consul-0.pem"), "client_key": str(tmp_path / "dc1-client-consul-0-key.pem")}
    authority = str(tmp_path / "consul-agent-ca.pem")
    with RealConsul(tmp_path, hcl=hcl, https=True) as consul:
        address = f"https://127.0.0.1:{consul.https}"
        assert "consul" in ConsulServiceDiscovery(address=address, ca_file=authority, **ours).get_services()
        assert "consul" in ConsulServiceDiscovery(address=address, verify=False, **ours).get_services()
        named = ConsulServiceDiscovery(address=address, ca_file=authority, tls_server_name="server.dc1.consul", **ours)
        with Watch(named) as watch:
            assert sees(watch, {})
        for options, words in (
            (ours, "certificate is not accepted"),
            ({"ca_file": authority}, "TLS failed|reset"),
            ({"ca_file": authority, "tls_server_name": "other.example", **ours}, "certificate is not accepted"),
        ):
            with pytest.raises(ProviderError, match=words):
                ConsulServiceDiscovery(address=address, **options).get_services()
