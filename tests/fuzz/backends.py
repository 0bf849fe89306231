"""What Consul and Kubernetes say: never an exception, and whatever is left of it can be published."""

from __future__ import annotations

import json
import logging
import zlib
from typing import Any

from dnsdisco.model.service import INSTANCES_MAX, Service
from dnsdisco.providers.consul.entries import read_entries, refused_name, Wanted
from dnsdisco.providers.kubernetes.cluster import ClusterView
from dnsdisco.providers.kubernetes.compose import Rules
from dnsdisco.providers.kubernetes.options import ADDRESSES
from dnsdisco.providers.kubernetes.rejected import Faults
from dnsdisco.providers.kubernetes.resources import ENDPOINTS, NODES, parse, SERVICES, SLICES
from tests.fuzz.published import is_publishable
from tests.fuzz.reader import Reader

REASON_MAX = 2000  # characters of a reason in the log
logging.getLogger("dnsdisco").addHandler(logging.NullHandler())


def _json(octets: bytes) -> Any:
    """None for what is no JSON, which another part refuses."""
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        return None


# Consul


def _entries(octets: bytes) -> None:
    """Faults are told in a line, an answer in another order says the same, and a name that is refused is never a service."""
    entries = _json(octets)
    if not isinstance(entries, list):
        return
    names = {"web", *(str(each) for each in entries if isinstance(each, str))}
    for name in sorted(names, key=str)[:3]:
        if reason := refused_name(name):
            assert "\n" not in reason
            continue
        for wanted in (Wanted(), Wanted(frozenset({"v1"}), proxies=True)):
            reading = read_entries(name, entries, wanted)
            assert reading.is_empty == (not entries)
            assert 0 <= reading.rejected <= len(entries)
            for who, why in reading.faults:
                assert "\n" not in who + why
                assert len(who + why) <= REASON_MAX
            if reading.service is None:
                continue
            service: Service = reading.service
            assert service.name == name
            assert len(service.instances) <= INSTANCES_MAX
            is_publishable({service.key: service})
            assert read_entries(name, entries, wanted) == reading


def _instance(**more: Any) -> dict[str, Any]:
    service = {"ID": "web-1", "Service": "web", "Tags": ["v1", "public"], "Address": "10.0.0.11", "Port": 8080, "Meta": {"scheme": "http", "url": "http://web.example"}, "Weights": {"Passing": 10, "Warning": 1}, "ModifyIndex": 7, "Kind": ""}  # fmt: skip
    checks = [{"CheckID": "serfHealth", "Status": "passing"}, {"CheckID": "c", "Status": "warning", "ServiceID": "web-1"}]
    node = {"ID": "", "Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1", "Meta": None, "ModifyIndex": 5}
    return {"Node": node, "Service": service | more, "Checks": checks}


_CONSUL_SEEDS = (
    [_instance(), _instance(ID="web-2", Address="", Port=0, Tags=None, Meta=None)],
    [_instance(Address="db.example.com", Ports=[{"Name": "http", "Port": 80, "Default": True}, {"Name": "grpc", "Port": 9090}])],
    [_instance(Address="2001:db8::1", Kind="connect-proxy", Service="Web")],
    [],
)
_CONSUL_WORDS = (b"Node", b"Service", b"Checks", b"ID", b"Tags", b"Address", b"Port", b"Ports", b"Meta", b"Weights", b"Passing", b"Warning", b"Status", b"critical", b"Kind", b"ModifyIndex", b"url", b"scheme", b"Name", b"Default")  # fmt: skip


# Kubernetes


def _objects(octets: bytes) -> None:
    """A list of [resource, object], as they come; each is used or refused with a reason, and the rest stands."""
    listed = _json(octets)
    if not isinstance(listed, list):
        return
    resources = {each.plural: each for each in (SERVICES, SLICES, ENDPOINTS, NODES)}
    addresses = ADDRESSES[zlib.crc32(octets) % len(ADDRESSES)]
    faults = Faults()
    view = ClusterView(Rules(addresses, is_inside=len(listed) % 2 == 0, default_namespace="default", when_all_unhealthy=""))
    for each in listed:
        plural, item = each if isinstance(each, list) and len(each) == 2 else ("services", each)
        resource = resources.get(str(plural), SERVICES)
        told = faults.count
        try:
            fact = parse(resource, item, faults)
        except ValueError:
            assert faults.count > told
            continue
        if fact is not None:
            view.put(resource, fact)
    snapshot = view.snapshot()
    assert view.snapshot() is snapshot
    for _, _, reason in faults._logged:
        assert "\n" not in reason
        assert len(reason) <= REASON_MAX
    is_publishable(snapshot.services)


_META = {"name": "web", "namespace": "default", "resourceVersion": "1", "labels": {"app": "web"}, "annotations": {}}
_SPEC = {"type": "ClusterIP", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"], "ports": [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080, "appProtocol": "http"}, {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"}]}  # fmt: skip
_SERVICE = {
    "metadata": _META,
    "spec": _SPEC,
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}, {"hostname": "lb.example.com"}]}},
}
_SAID = {"metadata": _META | {"annotations": {"dnsdisco/service": json.dumps({"ttl": 5, "tags": ["v1"], "meta": {"a": "b"}, "records": [{"type": "TXT", "value": "x"}]})}}, "spec": _SPEC | {"clusterIP": "None", "clusterIPs": ["None"]}}  # fmt: skip
_SLICE = {"metadata": _META | {"name": "web-abc", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.244.0.5"], "conditions": {"ready": True}, "hostname": "web-0", "nodeName": "n1", "targetRef": {"kind": "Pod", "name": "web-0"}}, {"addresses": ["10.244.0.6"], "conditions": {"ready": None}}], "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}  # fmt: skip
_OURS = {**_SLICE, "metadata": {"name": "web-ours", "namespace": "default", "labels": {"kubernetes.io/service-name": "web", "app.kubernetes.io/managed-by": "dnsdisco"}, "annotations": {"dnsdisco/instance": json.dumps({"address": "10.244.0.5", "port": 8080, "id": "w1", "weight": 3})}}, "endpoints": _SLICE["endpoints"][:1]}  # type: ignore[index]  # fmt: skip
_ENDPOINTS = {"metadata": _META, "subsets": [{"addresses": [{"ip": "10.244.0.5", "hostname": "web-0", "nodeName": "n1"}], "notReadyAddresses": [{"ip": "10.244.0.9"}], "ports": [{"name": "http", "port": 8080}]}]}  # fmt: skip
_NODE = {"metadata": {"name": "n1"}, "status": {"addresses": [{"type": "InternalIP", "address": "172.16.0.1"}, {"type": "Hostname", "address": "n1"}], "conditions": [{"type": "Ready", "status": "True"}]}}  # fmt: skip
_EXTERNAL = {"metadata": _META | {"name": "db"}, "spec": {"type": "ExternalName", "externalName": "db.example.com"}}
_KUBERNETES_SEEDS = (
    [["services", _SERVICE], ["endpointslices", _SLICE], ["nodes", _NODE]],
    [["services", _SAID], ["endpointslices", _SLICE], ["endpointslices", _OURS]],
    [["services", _EXTERNAL]],
    [["services", {**_SERVICE, "spec": _SPEC | {"type": "NodePort", "publishNotReadyAddresses": True}}], ["nodes", _NODE]],
)
_KUBERNETES_ENDPOINTS = (
    [["services", {**_SERVICE, "spec": _SPEC | {"clusterIP": "None", "clusterIPs": None}}], ["endpoints", _ENDPOINTS]],
)
_KUBERNETES_WORDS = (b"metadata", b"name", b"namespace", b"labels", b"annotations", b"spec", b"status", b"ports", b"port", b"protocol", b"SCTP", b"endpoints", b"addresses", b"conditions", b"ready", b"hostname", b"externalName", b"type", b"ExternalName", b"clusterIPs", b"None", b"dnsdisco/service", b'{"ttl": -1, "records": [{}]}', b'{"instances": 1}', b"ip", b"FQDN")  # fmt: skip

READERS = {
    "consul": Reader(tuple(json.dumps(seed).encode() for seed in _CONSUL_SEEDS), _CONSUL_WORDS, _entries, is_tree=True),
    "kubernetes": Reader(
        tuple(json.dumps(seed).encode() for seed in (*_KUBERNETES_SEEDS, *_KUBERNETES_ENDPOINTS)), _KUBERNETES_WORDS, _objects, is_tree=True
    ),
}  # fmt: skip
