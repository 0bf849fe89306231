"""What we write into a cluster, and what we leave alone."""

from __future__ import annotations

import json
import threading

import pytest

from dnsdisco.errors import NotSupported, ProviderError
from tests.providers.kubernetes.follow import Follow
from tests.providers.kubernetes.objects import headless, service, slice_of

DATA = {"address": "10.0.0.5", "port": 5001}
LABEL = "app.kubernetes.io/managed-by"


def test_what_is_made(fake, connect):
    provider = connect()
    data = {**DATA, "id": "auth-1", "scheme": "https", "tags": ["v1"], "meta": {"zone": "a"}, "weight": 5, "ttl": 7}
    assert provider.register_service("auth", data) == "auth-1"
    made = fake.objects["services"]["default", "auth"]
    assert made["spec"] == {"clusterIP": "None"}
    assert made["metadata"]["labels"][LABEL] == "dnsdisco"
    (one,) = fake.objects["endpointslices"].values()
    labels = one["metadata"]["labels"]
    assert (labels[LABEL], labels["kubernetes.io/service-name"]) == ("dnsdisco", "auth")
    assert labels["endpointslice.kubernetes.io/managed-by"] == "dnsdisco"
    assert one["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert one["addressType"] == "IPv4"
    assert one["endpoints"] == [{"addresses": ["10.0.0.5"], "conditions": {"ready": True}, "hostname": "auth-1"}]
    assert one["ports"] == [{"name": "https", "port": 5001, "protocol": "TCP"}]
    annotation = json.loads(one["metadata"]["annotations"]["dnsdisco/instance"])
    assert (annotation["tags"], annotation["meta"]) == (["v1"], {"zone": "a"})
    found = provider.get_service("auth")
    assert (found["url"], found["tags"], found["meta"], found["ttl"]) == ("https://10.0.0.5:5001", ["v1"], {"zone": "a"}, 7)
    assert (found["instances"][0]["id"], found["instances"][0]["weight"]) == ("auth-1", 5)


@pytest.mark.parametrize(
    "data",
    [
        {"url": "http://10.0.0.5:5001"},
        {"url": "http://10.0.0.5:5001/api"},
        {"address": "2001:db8::5", "ports": {"http": 80, "grpc": 9090}},
        {"address": "10.0.0.5", "ports": {"dns": "53/udp"}},
        {"address": "10.0.0.5", "ports": [80, 81, "53/udp", "53/tcp"]},
        {
            "address": "10.0.0.5",
            "ports": [{"port": 53, "name": "dns", "protocol": "udp"}, {"port": 53, "name": "dns", "protocol": "tcp"}],
        },
        {"address": "10.0.0.5", "port": 80, "id": "Has Spaces / and ütf"},
        {"address": "10.0.0.5", "port": 80, "health": "warning", "warning_weight": 3, "weight": 9, "priority": 2},
        {"address": "10.0.0.5", "port": 80, "health": "critical"},
        {"address": "10.0.0.5"},
        {"address": "10.0.0.5", "port": 1, "records": [{"type": "TXT", "value": "v=1"}], "when_all_unhealthy": "fail_open"},
    ],
)
def test_what_is_registered_is_what_is_found(connect, fake, data, tmp_path):
    """As the static provider, which keeps what it is told, gives it back."""
    from dnsdisco.providers.static import StaticServiceDiscovery

    static = StaticServiceDiscovery(tmp_path / "services.yaml")
    assert static.register_service("x", data) == connect().register_service("x", data)
    expected, found = static.get_service("x"), connect().get_service("x")
    if found.get("when_all_unhealthy") == "empty":
        del found["when_all_unhealthy"]
        if data.get("health") == "critical":  # so nobody is chosen
            assert found["address"] is None
            assert found["instances"] == expected["instances"]
            return
    assert found == expected
    names = [port["name"] for port in next(iter(fake.objects["endpointslices"].values()))["ports"]]
    assert len(set(names)) == len(names)


def test_several_instances_are_several_slices(fake, connect):
    provider = connect()
    for at in (3, 1, 2):
        provider.register_service("web", {"address": f"10.0.0.{at}", "port": 80, "id": f"web-{at}", "tags": ["all", f"v{at}"]})
    assert len(fake.objects["endpointslices"]) == 3
    found = provider.get_service("web")
    assert [each["id"] for each in found["instances"]] == ["web-1", "web-2", "web-3"]
    assert provider.deregister_service("web", "web-2") is True
    assert [each["id"] for each in provider.get_service("web")["instances"]] == ["web-1", "web-3"]
    assert provider.deregister_service("web") is True
    assert not fake.objects["services"]
    assert not fake.objects["endpointslices"]
    assert provider.deregister_service("web") is False


def test_the_same_id_replaces_also_another_family(fake, connect):
    provider = connect()
    provider.register_service("web", {**DATA, "id": "one"})
    provider.register_service("web", {"address": "10.0.0.6", "port": 80, "id": "one"})
    assert [(each["address"], each["port"]) for each in provider.get_service("web")["instances"]] == [("10.0.0.6", 80)]
    provider.register_service("web", {"address": "2001:db8::6", "port": 80, "id": "one"})
    assert [each["address"] for each in provider.get_service("web")["instances"]] == ["2001:db8::6"]
    assert len(fake.objects["endpointslices"]) == 1


def test_the_watch_sees_it(connect, fake):
    provider = connect()
    with Follow(provider) as follow:
        follow.until(lambda it: it.snapshots)
        fake.wait_for_watches(2)
        provider.register_service("web", {**DATA, "tags": ["a"]})
        follow.until(lambda it: it.addresses("web") == ["10.0.0.5"])
        assert follow.last.services["default", "web"].instances[0].tags == ("a",)
        provider.deregister_service("web")
        follow.until(lambda it: it.names() == set())


@pytest.mark.parametrize("addresses", ["auto", "cluster_ip", "endpoints", "load_balancer", "node_port"])
def test_what_is_registered_has_its_address_in_every_mode(connect, addresses):
    provider = connect(addresses=addresses)
    provider.register_service("web", DATA)
    assert provider.get_service("web")["address"] == "10.0.0.5"


@pytest.mark.parametrize("theirs", [service("web"), headless("web"), headless("web", labels={LABEL: "helm"})])
def test_what_is_not_ours_is_not_touched(fake, connect, theirs):
    fake.put(theirs, slice_of("web", ["10.0.0.1"]))
    provider, before = connect(), json.dumps([fake.objects["services"]["default", "web"], fake.version])
    for call in (
        lambda: provider.register_service("web", DATA),
        lambda: provider.deregister_service("web"),
        lambda: provider.deregister_service("web", "10.0.0.1"),
    ):
        with pytest.raises(NotSupported, match=r"web in the namespace default was not made by dnsdisco.*managed-by"):
            call()
    assert json.dumps([fake.objects["services"]["default", "web"], fake.version]) == before


def test_a_slice_that_is_not_ours_keeps_our_service(fake, connect):
    provider = connect()
    provider.register_service("web", DATA)
    fake.put(slice_of("web", ["10.0.0.1"]))
    assert provider.deregister_service("web") is True
    assert [name for _, name in fake.objects["endpointslices"]] == ["web-a"]
    assert ("default", "web") in fake.objects["services"]
    assert provider.deregister_service("web") is False


def test_a_slice_of_our_name_that_is_not_ours(fake, connect):
    provider = connect()
    provider.register_service("web", {**DATA, "id": "one"})
    key = next(iter(fake.objects["endpointslices"]))
    fake.objects["endpointslices"][key]["metadata"]["labels"][LABEL] = "somebody"
    with pytest.raises(NotSupported, match="was not made by dnsdisco"):
        provider.register_service("web", {**DATA, "id": "one"})


def test_other_namespaces(fake, connect):
    provider = connect(default_namespace="shop")
    provider.register_service("web", DATA)
    provider.register_service("web.bank", DATA)
    assert set(fake.objects["services"]) == {("shop", "web"), ("bank", "web")}
    assert set(provider.get_services()) == {"web", "web.bank"}
    assert provider.deregister_service("web.bank") is True
    with pytest.raises(ValueError, match="bank is not among those that are served: shop"):
        connect("shop").register_service("web.bank", DATA)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("web", {"address": "db.example.com", "port": 80}, "IP addresses only"),
        ("web", {"port": 80}, "expected an `address`"),
        ("web", {**DATA, "port": 70000}, "port"),
        ("web", {**DATA, "instances": []}, "one instance at a time"),
        ("my_svc", DATA, "name of a Kubernetes Service"),
        ("Web", DATA, "name of a Kubernetes Service"),
        ("", DATA, "name of a Kubernetes Service"),
        ("a/b", DATA, "name of a Kubernetes Service"),
        ("web.a.b", DATA, "name of a Kubernetes Service"),
    ],
)
def test_what_kubernetes_cannot_hold(fake, connect, name, data, why):
    with pytest.raises(ValueError, match=why):
        connect().register_service(name, data)
    assert not fake.objects["services"]


def test_a_check_is_not_supported(fake, connect):
    with pytest.raises(NotSupported, match="check"):
        connect().register_service("web", {**DATA, "check": {"tcp": "{address}:{port}"}})
    assert not fake.objects["services"]


def test_a_refused_slice_leaves_no_service_behind(fake, connect):
    fake.lie = lambda request: (
        request.refuse(422, "Invalid", "endpoints[0].addresses[0]: Invalid value: may not be in the loopback range")
        if request.method == "POST" and request.plural == "endpointslices"
        else None
    )
    with pytest.raises(ValueError, match="loopback"):
        connect().register_service("web", {"address": "127.0.0.1", "port": 80})
    assert not fake.objects["services"]


def test_a_forbidden_slice_leaves_no_service_behind(fake, connect):
    fake.forbidden = lambda request: request.plural == "endpointslices" and request.method == "POST"
    with pytest.raises(ProviderError) as caught:
        connect().register_service("web", DATA)
    assert caught.value.is_denied
    assert not fake.objects["services"]


def test_two_that_come_together_do_not_undo_each_other(fake, connect):
    provider = connect()

    def run(at):
        for _ in range(5):
            provider.register_service("web", {"address": f"10.0.0.{at}", "port": 80, "id": f"w{at}"})
            if at % 2:
                provider.deregister_service("web", f"w{at}")

    threads = [threading.Thread(target=run, args=(at,)) for at in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {each["id"] for each in provider.get_service("web")["instances"]} == {"w2", "w4", "w6"}


def test_the_service_goes_while_we_add_to_it(fake, connect):
    """Another process removes the last instance, and the Service with it, between our two writes."""
    provider = connect()
    removed = []

    def lie(request):
        if request.method == "POST" and request.plural == "endpointslices" and not removed:
            removed.append(request)
            fake.delete("Service", "default", "web")
        return

    fake.lie = lie
    provider.register_service("web", DATA)
    assert removed
    owner = fake.objects["services"]["default", "web"]["metadata"]["uid"]
    assert [each["metadata"]["ownerReferences"][0]["uid"] for each in fake.objects["endpointslices"].values()] == [owner]


def test_a_slice_that_somebody_edited(fake, connect):
    """The slice is Kubernetes' word on where and whether; the annotation says the rest."""
    provider = connect()
    provider.register_service("web", {**DATA, "id": "one", "tags": ["a"]})
    one = next(iter(fake.objects["endpointslices"].values()))
    one["endpoints"][0] = {"addresses": ["10.0.0.77"], "conditions": {"ready": False}}
    one["ports"] = [{"name": "x", "port": 99, "protocol": "TCP"}]
    fake.put(one)
    (found,) = provider.get_service("web")["instances"]
    assert (found["id"], found["address"], found["port"], found["health"]) == ("one", "10.0.0.77", 99, "critical")
    one["metadata"]["annotations"]["dnsdisco/instance"] = "{"
    fake.put(one)
    (found,) = provider.get_service("web")["instances"]
    assert (found["id"], found["tags"]) == ("10.0.0.77", [])
    assert provider.deregister_service("web") is True


def test_unreachable_is_provider_error(fake, connect):
    provider = connect(answer_s=0.3)
    fake.stop()
    for call in (lambda: provider.register_service("web", DATA), lambda: provider.deregister_service("web")):
        with pytest.raises(ProviderError, match="connection refused"):
            call()
