"""Services of our own in the cluster: a headless Service without a selector, and one EndpointSlice for each registered instance.

One slice an instance makes every registration a write of its own, so that two that come together cannot undo each other. Nothing is
changed or removed that does not carry our label. What the objects have no field for (id, tags, meta, weight …) is an annotation of the slice.
"""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Mapping
from typing import Any

from dnsdisco.errors import NotSupported, ProviderError
from dnsdisco.model.identity import identity_from
from dnsdisco.model.library_dict import instance_to_dict, service_to_dict
from dnsdisco.model.service import Health, Instance, Port, Service
from dnsdisco.model.service_data import fault_text, service_from_data
from dnsdisco.providers.kubernetes.connection import ApiConnection, ApiError
from dnsdisco.providers.kubernetes.credentials import TYPE
from dnsdisco.providers.kubernetes.endpoints import INSTANCE_ANNOTATION, SERVICE_LABEL
from dnsdisco.providers.kubernetes.objects import HEADLESS, is_ours, MANAGED_BY, mapping, OURS
from dnsdisco.providers.kubernetes.options import NAME, Options
from dnsdisco.providers.kubernetes.resources import SERVICES, SLICES
from dnsdisco.providers.log import logger

SLICE_MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"  # so that no controller takes the slice for its own
ATTEMPTS_MAX = 5  # when others change the same objects at the same time
HASH_OCTETS = 5  # of an instance's id, in its slice's name: the id itself may hold anything

_NOT_FOUND, _CONFLICT, _INVALID = http.client.NOT_FOUND, http.client.CONFLICT, http.client.UNPROCESSABLE_ENTITY
_WHOLE_KEYS = ("ttl", "when_all_unhealthy", "records")


class Registry:
    """Writes our Services and EndpointSlices. Every method may raise ProviderError."""

    def __init__(self, connection: ApiConnection, options: Options) -> None:
        self._connection, self._options = connection, options

    def register(self, name: str, data: Mapping[str, Any]) -> str:
        """Returns the instance's id. Raises ValueError and NotSupported as the provider documents."""
        identity = identity_from(name, data, [])
        if identity is not None and identity.namespace:
            name = f"{identity.name}.{identity.namespace}"
        namespace, service_name = self._key(name)
        service = read(service_name, data)
        if service.name != service_name:
            raise ValueError(f"name: it is registered as {service_name!r}, and Kubernetes has no place for another name")
        if service.aliases:
            logger().warning(f"{name}: aliases: Kubernetes has no place for them", provider=TYPE)
        instance = service.instances[0]
        for _ in range(ATTEMPTS_MAX):
            owner, is_new = self._make_service(namespace, service_name)
            try:
                is_written = self._write_slice(namespace, slice_of(service, namespace, owner))
            except ApiError as error:
                if is_new:
                    self._remove(SERVICES.path(namespace), owner)
                if error.status == _INVALID:
                    raise ValueError(error.reason) from None
                raise
            # Whoever removes the last instance removes the Service, perhaps while we added ours.
            if is_written and self._uid(self._get(SERVICES.path(namespace), service_name)) == self._uid(owner):
                return instance.id
        raise ProviderError(TYPE, f"{name}: others change it all the time; it is not registered")

    def deregister(self, name: str, instance_id: str | None) -> bool:
        """False: there was none."""
        namespace, service_name = self._key(name)
        service = self._get(SERVICES.path(namespace), service_name)
        if service is not None:
            self._require_ours(service, namespace, service_name)
        path = SLICES.path(namespace)
        ours = [each for each in self._slices(namespace, service_name) if is_ours(each)]
        chosen = [each for each in ours if instance_id is None or _id_of(each) == instance_id]
        is_removed = [self._remove(path, each) for each in chosen]
        if service is not None and (chosen or instance_id is None) and not self._slices(namespace, service_name):
            is_removed.append(self._remove(SERVICES.path(namespace), service))
        return any(is_removed)

    def _key(self, name: str) -> tuple[str, str]:
        """Namespace and name. `name.namespace` is one outside the default namespace."""
        service_name, _, namespace = name.partition(".")
        namespace = namespace or self._options.default_namespace
        if not NAME.fullmatch(service_name) or not NAME.fullmatch(namespace):
            raise ValueError(f"expected the name of a Kubernetes Service (a to z, 0 to 9 and -, at most 63), found {name!r:.100}")
        if self._options.namespaces and namespace not in self._options.namespaces:
            raise ValueError(f"the namespace {namespace} is not among those that are served: {', '.join(self._options.namespaces)}")
        return namespace, service_name

    def _make_service(self, namespace: str, name: str) -> tuple[Mapping[str, Any], bool]:
        """Our Service, and whether it has been made now. Raises NotSupported where it is not ours."""
        path = SERVICES.path(namespace)
        found = self._get(path, name)
        if found is None:
            body = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace, "labels": {MANAGED_BY: OURS}},
                "spec": {"clusterIP": HEADLESS},
            }
            try:
                return self._connection.send("POST", path, body), True
            except ApiError as error:
                if error.status == _INVALID:
                    raise ValueError(error.reason) from None
                if error.status != _CONFLICT:
                    raise
            found = self._get(path, name)
            if found is None:
                raise ProviderError(TYPE, f"{name}: it is being removed; try again")
        self._require_ours(found, namespace, name)
        return found, False

    def _write_slice(self, namespace: str, body: dict[str, Any]) -> bool:
        """False: another writer was faster."""
        path, name = SLICES.path(namespace), body["metadata"]["name"]
        found = self._get(path, name)
        try:
            if found is not None:
                self._require_ours(found, namespace, name)
                if found.get("addressType") == body["addressType"]:
                    version = mapping(found, "metadata").get("resourceVersion")
                    self._connection.send("PUT", f"{path}/{name}", _with_metadata(body, resourceVersion=version))
                    return True
                self._remove(path, found)  # its type cannot be changed
            self._connection.send("POST", path, body)
        except ApiError as error:
            if error.status in (_CONFLICT, _NOT_FOUND) and error.cause in ("Conflict", "AlreadyExists", "NotFound"):
                return False
            raise
        return True

    def _slices(self, namespace: str, name: str) -> list[Mapping[str, Any]]:
        body = self._connection.get(SLICES.path(namespace), {"labelSelector": f"{SERVICE_LABEL}={name}"})
        items = body.get("items") or []
        return [each for each in items if isinstance(each, Mapping)]

    def _get(self, path: str, name: str) -> dict[str, Any] | None:
        try:
            return self._connection.get(f"{path}/{name}")
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def _remove(self, path: str, found: Mapping[str, Any]) -> bool:
        """This very object, and no other that has come in its place."""
        name = mapping(found, "metadata").get("name")
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": self._uid(found)}}
        try:
            self._connection.send("DELETE", f"{path}/{name}", body)
        except ApiError as error:
            if error.status not in (_NOT_FOUND, _CONFLICT):
                raise
            return False
        return True

    @staticmethod
    def _uid(found: Mapping[str, Any] | None) -> Any:
        return None if found is None else mapping(found, "metadata").get("uid")

    @staticmethod
    def _require_ours(found: Mapping[str, Any], namespace: str, name: str) -> None:
        if not is_ours(found):
            raise NotSupported(
                f"{name} in the namespace {namespace} was not made by dnsdisco (it lacks the label {MANAGED_BY}: {OURS}), "
                "so it is left as it is; choose another name, or change it with kubectl"
            )


def read(name: str, data: Mapping[str, Any]) -> Service:
    """The service with the one instance that *data* describes. Raises ValueError and NotSupported for what Kubernetes cannot hold."""
    if data.get("instances") is not None:
        raise ValueError("one instance at a time: expected address and port, found `instances`")
    if data.get("check") is not None:
        raise NotSupported(
            "check: Kubernetes checks pods alone; give `health`, or let the consul or the static provider check the instance"
        )
    service, faults = service_from_data(name, data)
    wrong = [fault_text(path, message) for path, message, is_warning in faults if not is_warning]
    if service is None or wrong or not service.instances:
        raise ValueError("; ".join(wrong) or "expected an address and a port")
    if service.instances[0].is_host:
        raise ValueError(f"address: an EndpointSlice holds IP addresses only, found {service.instances[0].address!r}")
    return service


def slice_of(service: Service, namespace: str, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The EndpointSlice of the one instance of *service*."""
    instance = service.instances[0]
    endpoint: dict[str, Any] = {
        "addresses": [instance.address],
        "conditions": {"ready": instance.health is not Health.CRITICAL},
    }
    if NAME.fullmatch(instance.id):
        endpoint["hostname"] = instance.id  # for the cluster's own DNS
    if instance.node:
        endpoint["nodeName"] = instance.node
    whole = service_to_dict(service)
    said = {**instance_to_dict(service, instance), **{key: whole[key] for key in _WHOLE_KEYS if key in whole}}
    if service.url:
        said["url"] = service.url
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name(service.name, instance.id),
            "namespace": namespace,
            "labels": {SERVICE_LABEL: service.name, MANAGED_BY: OURS, SLICE_MANAGER_LABEL: OURS},
            "annotations": {INSTANCE_ANNOTATION: json.dumps(said, ensure_ascii=False, separators=(",", ":"))},
            # So that it goes with its Service, also when another program removes that.
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": service.name, "uid": mapping(owner, "metadata").get("uid")}
            ],
        },
        "addressType": "IPv6" if ":" in instance.address else "IPv4",
        "endpoints": [endpoint],
        "ports": _ports(instance),
    }


def slice_name(service_name: str, instance_id: str) -> str:
    return f"{service_name}-{hashlib.blake2b(instance_id.encode(), digest_size=HASH_OCTETS).hexdigest()}"


def _ports(instance: Instance) -> list[dict[str, Any]]:
    """Each under a name of its own, as the API wants it; "" is one, too."""
    ports: dict[str, dict[str, Any]] = {}
    for port in instance.ports:
        name = port.name.replace("_", "-")
        names = (name, f"{name}-{port.protocol}".strip("-"), f"{name}-{port.number}".strip("-"), f"p{port.number}-{len(ports)}")
        unused = next(each for each in names if each not in ports and (each or len(instance.ports) == 1))
        ports[unused] = _port(port, unused)
    return list(ports.values())


def _port(port: Port, name: str) -> dict[str, Any]:
    return {"name": name, "port": port.number, "protocol": (port.protocol or "tcp").upper()}


def _with_metadata(body: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], **values}}


def _id_of(found: Mapping[str, Any]) -> str | None:
    """The id under which it was registered; None if its annotation has no name."""
    try:
        said = json.loads(mapping(mapping(found, "metadata"), "annotations").get(INSTANCE_ANNOTATION) or "null")
    except (ValueError, TypeError):
        return None
    return said.get("id") if isinstance(said, dict) else None
