"""A backend that says too much is refused before anything is made of it, whatever it says it in."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.control import reading
from dnsdisco.control.reading import Reader
from dnsdisco.errors import ProviderError
from dnsdisco.model.service import LeftOut
from dnsdisco.model.service_data import service_from_data
from dnsdisco.providers import values
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.consul import ConsulServiceDiscovery
from dnsdisco.providers.consul.entries import read_entries, Wanted
from dnsdisco.providers.guarded import all_services
from dnsdisco.providers.kubernetes import KubernetesServiceDiscovery, resources
from dnsdisco.providers.values import parsed, TooMuch, values_in
from tests.providers.consul import fake as consul_fake
from tests.providers.consul.fake import FakeConsul
from tests.providers.kubernetes.fake import Fake
from tests.providers.kubernetes.objects import headless, slice_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=6),
    max_leaves=40,
)


def made_of(value):
    """How many values Python makes of it."""
    if isinstance(value, dict):
        return 1 + sum(made_of(each) for each in value.values())
    return 1 + sum(made_of(each) for each in value) if isinstance(value, list) else 1


@given(JSON)
def test_no_more_is_made_than_was_counted(value):
    for text in (json.dumps(value), json.dumps(value).encode(), json.dumps(value, separators=(",", ":"))):
        assert values_in(text) >= made_of(value)
        assert parsed(text) == value


@pytest.mark.parametrize("each", ["{}", "[]", "0", '{"a":1}', '""', "[[]]", '{"a":{}}'])
def test_a_bound_on_values(each):
    text = f"[{','.join([each] * 1000)}]"
    assert parsed(text, values_max=10_000)
    with pytest.raises(TooMuch, match=r"values, of which at most 900 are read"):
        parsed(text, values_max=900)


@pytest.mark.parametrize("piece", [b"{},", b"[],", b'{"a":1},', b"0,"])
@pytest.mark.slow
def test_sixty_megabytes_of_next_to_nothing(piece):
    """The answer of an agent; its reader runs in a process of its own, whose memory is measured."""
    with FakeConsul() as consul:
        consul.catalog.put("web", address="10.0.0.1", port=80)
        body = b"[" + piece * (60 * 2**20 // len(piece)) + b"{}]"
        head = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 7\r\nContent-Length: %d\r\n\r\n" % len(body)
        consul.lie("/v1/health/service/web", consul_fake.octets(head + body))
        code = f"""
import resource
from dnsdisco import ProviderError
from dnsdisco.consul import ConsulServiceDiscovery
provider = ConsulServiceDiscovery(address={consul.address!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    provider.get_service("web")
except ProviderError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    reason, mebibytes = done.stdout.splitlines()
    assert "values, of which at most 6,000,000 are read" in reason
    assert int(mebibytes) < 400, "the octets, three times over, and nothing made of them"


def test_a_service_of_fifty_thousand_instances_is_read():
    entry = {
        "Node": {"ID": "x", "Node": "n", "Address": "10.0.0.1", "Datacenter": "dc1", "TaggedAddresses": dict.fromkeys("abcd", "10.0.0.1"), "Meta": {"a": ""}},
        "Service": {"ID": "x", "Service": "web", "Tags": ["a", "b"], "Address": "10.0.0.1", "Port": 80, "Meta": dict.fromkeys("abc", ""),
                    "Weights": {"Passing": 1, "Warning": 1}, "Proxy": {"MeshGateway": {}, "Expose": {}}, "Connect": {}, "PeerName": ""},
        "Checks": [dict.fromkeys("abcdefghij", "")] * 2,
    }  # fmt: skip
    assert values_in(json.dumps(entry)) * 50_000 < values.VALUES_MAX


def test_the_others_go_on_while_one_answer_is_too_much(monkeypatch):
    monkeypatch.setattr(values, "VALUES_MAX", 0)
    monkeypatch.setattr(parsed, "__defaults__", (2_000,))
    with FakeConsul() as consul:
        consul.catalog.put("web", address="10.0.0.1", port=80)
        provider = ConsulServiceDiscovery(address=consul.address)
        assert "web" in provider.get_services()
        consul.lie("/v1/health/service/web", consul_fake.status(200, f"[{'{},' * 2000}{{}}]"))
        with pytest.raises(ProviderError, match="at most 2,000 are read") as caught:
            provider.get_services()
        assert not caught.value.is_denied
        provider.close()


def test_lists_and_events_of_kubernetes(monkeypatch, tmp_path):
    monkeypatch.setattr(parsed, "__defaults__", (3_000,))
    with Fake() as fake:
        fake.put(headless("web"), slice_of("web", ["10.0.0.1"]))
        provider = KubernetesServiceDiscovery(kubeconfig=fake.kubeconfig(tmp_path), environ={})
        assert "web" in provider.get_services()
        fake.put(slice_of("web", ["10.0.0.1"] * 1000))
        with pytest.raises(ProviderError, match="at most 3,000 are read"):
            provider.get_services()
        monkeypatch.setattr(parsed, "__defaults__", (values.VALUES_MAX,))
        monkeypatch.setattr(resources, "OBJECTS_MAX", 5)
        fake.put(slice_of("web", [f"10.0.0.{n}" for n in range(1, 10)]))
        with pytest.raises(ProviderError, match="more than 5 objects and endpoints"):
            provider.get_services()
        provider.close()


def test_services_of_a_plug_in(monkeypatch):
    monkeypatch.setattr(values, "SERVICES_MAX", 3)

    class Many(ServiceDiscovery):
        count = 3

        def get_services(self):
            return {f"s{n}": {"address": "10.0.0.1"} for n in range(self.count)}

    provider = Many()
    assert len(all_services(provider)) == len(Reader().read(next(provider.watch(threading.Event()))).services) == 3
    provider.count = 4
    with pytest.raises(ProviderError, match="4 services, of which at most 3 are read"):
        all_services(provider)
    with pytest.raises(ValueError, match="4 services"):
        Reader().read(next(provider.watch(threading.Event())))


def test_values_of_a_plug_in_s_services_together(monkeypatch):
    monkeypatch.setattr(reading, "VALUES_MAX", 1_000)
    few = {f"s{n}": {"address": "10.0.0.1", "tags": ["t"] * 50} for n in range(10)}
    reader = Reader()
    assert len(reader.read(few).services) == 10
    assert len(reader.read({**few, "s0": {"address": "10.0.0.2"}}).services) == 10
    with pytest.raises(ValueError, match="more than the 1,000 values"):
        reader.read({**few, "more": {"address": "10.0.0.1", "tags": ["t"] * 900}})
    assert len(reader.read(few).services) == 10


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tags", [f"t{n}" for n in range(10_001)]),
        ("meta", {f"t{n}": "x" for n in range(10_001)}),
        ("ports", {f"t{n}": 80 for n in range(10_001)}),
        ("records", [{"type": "TXT", "value": "x"}] * 10_001),
    ],
)
def test_a_bound_on_each_list_of_a_service(key, value):
    service, faults = service_from_data("web", {"address": "10.0.0.1", key: value})
    assert any("expected at most 10000 entries, found 10001" in message for _, message, _ in faults)
    assert (service is None) == (key == "ports")


@pytest.mark.slow
def test_a_million_unknown_keys_cost_no_more_than_reading_them():
    data = {"address": "10.0.0.1", **{f"k{n}": 1 for n in range(1_000_000)}}
    began_at = time.process_time()
    service, faults = service_from_data("web", data)
    assert service is not None
    assert len(faults) == 1001
    assert time.process_time() - began_at < 20, "50 s when each is compared with every known key"


@pytest.mark.parametrize("instances", [4, 5, 6, 50])
def test_a_bound_on_the_instances_of_a_service(monkeypatch, instances):
    monkeypatch.setattr("dnsdisco.model.instances.INSTANCES_MAX", 5)
    service, faults = service_from_data("web", {"instances": [{"address": f"10.0.0.{n + 1}"} for n in range(instances)]})
    assert service is not None
    assert len(service.instances) == min(instances, 5)
    assert any("expected at most 5 instances" in message for _, message, _ in faults) is (instances > 5)
    told = LeftOut(instances - 5, f"expected at most 5 instances, found {instances}")
    assert service.left_out == (told if instances > 5 else None)


def test_a_bound_on_the_instances_that_consul_has(monkeypatch):
    """The same: the others are there."""
    monkeypatch.setattr("dnsdisco.providers.consul.entries.INSTANCES_MAX", 5)
    listed = [
        {"Node": {"Node": f"n{n}"}, "Service": {"ID": "web", "Service": "web", "Address": f"10.0.0.{n + 1}", "Port": 80}}
        for n in range(7)
    ]
    read = read_entries("web", listed, Wanted())
    assert read.service is not None
    assert len(read.service.instances) == 5
    assert read.rejected == 2
