"""Kubernetes objects as an API server gives them, in short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def service(
    name: str, namespace: str = "default", *, ports: Any = ((80, "http"),), labels: Any = None, annotations: Any = None, **spec: Any
) -> dict[str, Any]:
    """A ClusterIP Service; `clusterIP="None"` is a headless one."""
    written = [
        {"name": port[1], "port": port[0], "protocol": port[2] if len(port) > 2 else "TCP", "targetPort": port[0]} for port in ports
    ]
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    status = spec.pop("status", {"loadBalancer": {}})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.10", "ports": written, **spec},
        "status": status,
    }


def headless(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    return service(name, namespace, clusterIP="None", **spec)


def endpoint(address: str, *, ready: Any = True, **more: Any) -> dict[str, Any]:
    """`pod="web-0"` stands for a targetRef."""
    pod = more.pop("pod", None)
    if pod:
        more["targetRef"] = {"kind": "Pod", "name": pod, "namespace": "default"}
    return {"addresses": [address], "conditions": {"ready": ready, "serving": None, "terminating": None}, **more}


def slice_of(
    owner: str,
    endpoints: Sequence[Any] | None,
    *,
    namespace: str = "default",
    suffix: str = "a",
    ports: Any = ((8080, "http"),),
    family: str = "IPv4",
) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{owner}-{suffix}",
            "namespace": namespace,
            "labels": {
                "kubernetes.io/service-name": owner,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
        },
        "addressType": family,
        "endpoints": None if endpoints is None else [endpoint(each) if isinstance(each, str) else each for each in endpoints],
        "ports": None if ports is None else [{"name": name, "port": port, "protocol": "TCP"} for port, name in ports],
    }


def node(name: str, address: str, *, ready: str = "True") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": "ExternalIP", "address": "192.0.2.1"}, {"type": "InternalIP", "address": address}],
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
        },
    }
