"""Lists: whole or not at all, in pages, of what may be seen."""

from __future__ import annotations

import logging

import pytest

from dnsdisco.errors import ProviderError
from dnsdisco.providers.kubernetes import resources, watch_plan
from tests.providers.kubernetes.fake import CLOSE
from tests.providers.kubernetes.follow import Follow
from tests.providers.kubernetes.objects import endpoint, headless, node, service, slice_of


def whole(fake, plural="services"):
    return [each for each in fake.requests if each.is_list and each.plural == plural and each.query.get("limit") != "1"]


def test_lists_come_in_pages(fake, connect):
    fake.put(*(service(f"s{at}", clusterIP=f"10.96.{at // 250}.{at % 250 + 1}") for at in range(1200)))
    assert len(connect(addresses="cluster_ip").get_services()) == 1200
    assert [each.query["limit"] for each in whole(fake)] == [str(resources.PAGE_OBJECTS)] * 3


@pytest.mark.parametrize("times", [1, 2])
def test_a_list_that_is_forgotten_half_way_is_begun_anew(fake, connect, times):
    fake.put(*(headless(f"s{at}") for at in range(1200)))
    refused = []

    def lie(request):
        if request.is_list and request.query.get("continue") and len(refused) < times:
            refused.append(request)
            return request.refuse(410, "Expired", "The provided continue parameter is too old")
        return None

    fake.lie = lie
    assert len(connect().get_services()) == 1200
    if times == 2:
        assert "limit" not in whole(fake)[-1].query  # in one piece, so that nothing can be forgotten on the way


def test_a_list_that_never_ends_is_refused(fake, connect):
    fake.put(headless("s"))
    fake.lie = lambda request: (
        request.answer(200, {"metadata": {"resourceVersion": "7", "continue": "again"}, "items": []})
        if request.is_list and request.plural == "services"
        else None
    )
    with pytest.raises(ProviderError, match="does not end"):
        connect().get_services()


NOT_A_LIST = [
    (b"<html>502 Bad Gateway</html>", "is not JSON"),
    (b'{"items": [', "is not JSON"),
    (b"", "is not JSON"),
    (b"[]", "not an object"),
    (b"null", "not an object"),
    (b"{}", "lacks"),
    (b'{"items": []}', "lacks"),
    (b'{"metadata": {"resourceVersion": ""}, "items": []}', "lacks"),
    (b'{"metadata": {"resourceVersion": 7}, "items": []}', "lacks"),
    (b'{"metadata": {"resourceVersion": "7"}}', "lacks"),
    (b'{"metadata": {"resourceVersion": "7"}, "items": {}}', "lacks"),
    (b"[" * 100_000, "is not JSON"),
]


@pytest.mark.parametrize(("body", "why"), NOT_A_LIST, ids=[repr(body[:40]) for body, _ in NOT_A_LIST])
def test_what_is_no_list_is_an_error_and_not_an_empty_list(fake, connect, body, why):
    fake.put(headless("web"))
    fake.lie = lambda request: request.answer(200, body) if request.plural == "services" else None
    with pytest.raises(ProviderError, match=why):
        connect().get_services()


def test_an_answer_that_is_cut_is_an_error(fake, connect):
    def lie(request):
        request.handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        request.handler.wfile.write(b'{"metadata": {"resourceVersion": "7"}, "items": []}')
        return CLOSE

    fake.lie = lie
    with pytest.raises(ProviderError):
        connect().get_services()


def test_an_answer_that_drips_is_given_up(fake, connect, monkeypatch):
    monkeypatch.setattr("dnsdisco.providers.kubernetes.connection.WHOLE_S", 0.3)

    def lie(request):
        request.begin_stream()
        while True:
            request.send(b" ")
            fake.frozen.wait(0.02)

    fake.lie = lie
    with pytest.raises(ProviderError, match="not whole"):
        connect().get_services()


def test_an_answer_without_end_is_given_up(fake, connect, monkeypatch):
    monkeypatch.setattr("dnsdisco.providers.kubernetes.connection.BODY_OCTETS_MAX", 10**6)

    def lie(request):
        request.begin_stream()
        while True:
            request.send(b" " * 65536)

    fake.lie = lie
    with pytest.raises(ProviderError, match="longer than"):
        connect().get_services()


def test_items_null_is_nothing(fake, connect):
    assert connect().get_services() == {}
    assert all(each.method == "GET" for each in fake.requests)


def test_a_bad_object_harms_no_other(fake, connect, caplog):
    fake.put(headless("web"), slice_of("web", ["10.0.0.1"]), headless("worse"))
    fake.octets["services", "default", "worse"] = b'{"metadata": {"name": "worse", "namespace": "default"}, "spec": 7}'
    with caplog.at_level(logging.WARNING, "dnsdisco"):
        provider = connect()
        assert set(provider.get_services()) == {"web"}
        provider.get_services()
    told = [record for record in caplog.messages if "default/worse" in record]
    assert len(told) == 1  # once, though it was met twice
    assert provider.faults.count == 2


def test_an_object_that_turns_bad_stays_as_it_was_known(fake, connect):
    fake.put(headless("web"), slice_of("web", ["10.0.0.1"]))
    with Follow(connect(watch_s=1.0, relist_s=1.0)) as follow:
        follow.until(lambda it: it.addresses("web") == ["10.0.0.1"])
        fake.octets["services", "default", "web"] = b'{"metadata": {"name": "web", "namespace": "default"}, "spec": 7}'
        follow.until(lambda it: it.provider.faults.count > 0)
        fake.put(slice_of("web", ["10.0.0.2"]))
        follow.until(lambda it: it.addresses("web") == ["10.0.0.2"])


def test_all_namespaces_by_default(fake, connect):
    fake.put(headless("web"), headless("web", "shop"), slice_of("web", ["10.0.0.1"], namespace="shop"))
    services = connect().get_services()
    assert set(services) == {"web", "web.shop"}
    assert services["web"]["address"] is None
    assert services["web.shop"]["address"] == "10.0.0.1"


def test_one_namespace_is_asked_for_alone(fake, connect):
    fake.put(headless("web"), headless("web", "shop"))
    assert set(connect("shop").get_services()) == {"web"}
    assert {each.namespace for each in fake.requests} == {"shop"}


def test_several_namespaces_are_followed_each_by_itself(fake, connect):
    fake.forbidden = lambda request: request.namespace not in ("shop", "bank")
    fake.put(headless("web"), headless("web", "shop"), headless("web", "bank"))
    with Follow(connect(namespaces=["shop", "bank"], default_namespace="shop")) as follow:
        follow.until(lambda it: set(it.last.services) == {("shop", "web"), ("bank", "web")})
        fake.wait_for_watches(4)
        fake.put(headless("new", "bank"))
        follow.until(lambda it: ("bank", "new") in it.last.services)
        assert follow.last.services["shop", "web"].is_default_namespace
        assert not follow.last.services["bank", "web"].is_default_namespace


def test_many_namespaces_are_picked_out_of_all(fake, connect):
    names = [f"n{at}" for at in range(watch_plan.NAMESPACES_MAX + 1)]
    fake.put(headless("web"), headless("web", "n0"), headless("web", "n1"))
    with Follow(connect(namespaces=names)) as follow:
        follow.until(lambda it: set(it.last.services) == {("n0", "web"), ("n1", "web")})
        fake.wait_for_watches(2)
        fake.put(headless("other"), headless("new", "n2"))
        follow.until(lambda it: ("n2", "new") in it.last.services)
        assert ("default", "other") not in follow.last.services
    provider = connect(namespaces=names)
    assert provider.get_service("web.n0") is not None
    assert provider.get_service("web") is None


def test_all_forbidden_means_the_default_namespace(fake, connect, caplog):
    fake.forbidden = lambda request: request.namespace != "shop"
    fake.put(headless("web"), headless("web", "shop"))
    with caplog.at_level(logging.WARNING, "dnsdisco"):
        provider = connect(default_namespace="shop")
        assert set(provider.get_services()) == {"web"}
        with Follow(provider) as follow:
            follow.until(lambda it: set(it.last.services) == {("shop", "web")})
    assert len([message for message in caplog.messages if "may not be listed" in message]) == 1


def test_all_forbidden_and_allowed_later(fake, connect):
    fake.forbidden = lambda request: request.namespace != "default"
    fake.put(headless("web"), headless("web", "shop"))
    provider = connect()
    assert set(provider.get_services()) == {"web"}
    fake.forbidden = lambda request: False
    assert set(provider.get_services()) == {"web", "web.shop"}
    fake.forbidden = lambda request: request.namespace != "default"
    with pytest.raises(ProviderError, match="cluster scope"):  # what was seen once does not vanish for want of permission
        provider.get_services()


def test_everything_forbidden_names_the_permission(fake, connect):
    fake.forbidden = lambda request: True
    with pytest.raises(ProviderError, match=r'cannot list resource "services" in the namespace "default"') as caught:
        connect().get_services()
    assert caught.value.is_denied


def test_slices_forbidden_names_the_permission(fake, connect):
    fake.forbidden = lambda request: request.plural == "endpointslices"
    with pytest.raises(ProviderError, match="endpointslices"):
        connect().get_services()


def test_endpoints_where_the_server_has_no_slices(fake, connect):
    fake.missing = {"endpointslices"}
    endpoints = {
        "kind": "Endpoints",
        "metadata": {"name": "web", "namespace": "default"},
        "subsets": [
            {
                "addresses": [{"ip": "10.0.0.1", "hostname": "web-0", "nodeName": "n1"}],
                "notReadyAddresses": [{"ip": "10.0.0.2", "targetRef": {"kind": "Pod", "name": "web-1"}}],
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            }
        ],
    }
    fake.put(headless("web"), endpoints)
    provider = connect()
    with Follow(provider) as follow:
        follow.until(lambda it: it.addresses("web") == ["10.0.0.1", "10.0.0.2"])
        fake.wait_for_watches(2)
        one, two = follow.last.services["default", "web"].instances
        assert (one.hostname, one.node, one.health.word, one.ports[0].number) == ("web-0", "n1", "passing", 8080)
        assert (two.hostname, two.health.word) == ("web-1", "critical")
        fake.put({**endpoints, "subsets": None})
        follow.until(lambda it: it.addresses("web") == [])
    assert provider.get_service("web")["instances"] == []


def test_slices_that_were_there_are_not_given_up(fake, connect):
    fake.put(headless("web"))
    provider = connect()
    provider.get_services()
    fake.missing = {"endpointslices"}
    with pytest.raises(ProviderError, match="404"):
        provider.get_services()


def test_labels_select_services(fake, connect):
    fake.put(headless("a", labels={"tier": "front"}), headless("b"), slice_of("a", ["10.0.0.1"]), slice_of("b", ["10.0.0.2"]))
    provider = connect(labels="tier=front")
    assert set(provider.get_services()) == {"a"}
    assert provider.get_service("b") is None
    assert provider.get_service("a")["address"] == "10.0.0.1"
    with Follow(provider) as follow:
        follow.until(lambda it: it.names() == {"a"})
        fake.wait_for_watches(2)
        fake.put(headless("b", labels={"tier": "front"}))
        follow.until(lambda it: it.names() == {"a", "b"} and it.addresses("b") == ["10.0.0.2"])
        fake.put(headless("a"))  # it does not match any more, which is an event of deletion
        follow.until(lambda it: it.names() == {"b"})


def test_one_service_is_asked_for_alone(fake, connect):
    fake.put(*(headless(f"s{at}") for at in range(20)), slice_of("s7", ["10.0.0.7"]))
    provider = connect()
    provider.get_service("s1")
    fake.requests.clear()
    assert provider.get_service("s7")["address"] == "10.0.0.7"
    assert provider.get_service("s7.default")["address"] == "10.0.0.7"
    assert [sorted(each.query) for each in fake.requests[:2]] == [["fieldSelector", "limit"], ["labelSelector", "limit"]]


@pytest.mark.parametrize("name", ["", ".", "a.b.c", "../nodes", "a,metadata.namespace=x", "web.", ".web", "a" * 64, "x./../.."])
def test_a_name_that_no_service_can_have_is_not_asked_for(fake, connect, name):
    fake.put(headless("web"))
    assert connect().get_service(name, {"url": "x"}) == {"url": "x"} or name == "web."
    assert fake.requests == [] or name == "web."


def test_a_name_in_capitals_is_the_service_s_all_the_same(fake, connect):
    """As a DNS client may write it."""
    fake.put(headless("web"), slice_of("web", ["10.0.0.1"]))
    assert connect().get_service("WEB")["address"] == "10.0.0.1"
    assert connect().get_service("UP") is None


def test_nodes_only_for_node_ports(fake, connect):
    fake.put(node("n1", "192.168.0.1"), node("n2", "192.168.0.2", ready="Unknown"))
    port = {"name": "http", "port": 80, "nodePort": 30080, "protocol": "TCP"}
    spec = service("web", type="NodePort")
    spec["spec"]["ports"] = [port]
    fake.put(spec, headless("db"), slice_of("db", ["10.0.0.1"]))
    connect(addresses="cluster_ip").get_services()
    assert not whole(fake, "nodes")
    with Follow(connect(addresses="node_port")) as follow:
        follow.until(lambda it: it.addresses("web") == ["192.168.0.1"])
        fake.wait_for_watches(3)
        fake.put(node("n2", "192.168.0.2"))
        follow.until(lambda it: it.addresses("web") == ["192.168.0.1", "192.168.0.2"])
        fake.delete("Node", "", "n1")
        follow.until(lambda it: it.addresses("web") == ["192.168.0.2"])
        assert follow.last.services["default", "web"].instances[0].ports[0].number == 30080
        assert follow.addresses("db") == []
        assert follow.last.changed == {("default", "web")}


def test_the_endpoints_of_a_service_that_comes_later_are_there_at_once(fake, connect):
    fake.put(slice_of("web", [endpoint("10.0.0.1")]))
    with Follow(connect()) as follow:
        follow.until(lambda it: it.snapshots)
        fake.wait_for_watches(2)
        fake.put(headless("web"))
        follow.until(lambda it: it.addresses("web") == ["10.0.0.1"])
        fake.delete("Service", "default", "web")
        follow.until(lambda it: it.names() == set())
        fake.delete("EndpointSlice", "default", "web-a")
        fake.put(headless("web"))
        follow.until(lambda it: it.names() == {"web"} and it.addresses("web") == [])  # two watches: either may come first


def test_a_slice_that_changes_its_owner(fake, connect):
    fake.put(headless("a"), headless("b"), slice_of("a", ["10.0.0.1"], suffix="x"))
    with Follow(connect()) as follow:
        follow.until(lambda it: it.addresses("a") == ["10.0.0.1"])
        fake.wait_for_watches(2)
        moved = slice_of("b", ["10.0.0.1"])
        moved["metadata"]["name"] = "a-x"
        fake.put(moved)
        follow.until(lambda it: it.addresses("b") == ["10.0.0.1"] and it.addresses("a") == [])
