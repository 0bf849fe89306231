"""/v1/sd/prometheus: instances as Prometheus's `http_sd_configs` reads them, a target for each port of each instance.

Prometheus keeps its targets while a reply is no 200, and has none after an empty list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dnsdisco.admin import feeds, json_views, shapes
from dnsdisco.admin.api import Api, items
from dnsdisco.admin.control_client import PublishedCatalog
from dnsdisco.admin.request import ApiReply, ApiRequest
from dnsdisco.control.facts import ServiceView
from dnsdisco.model.public import public_meta
from dnsdisco.model.service import Instance, Port

LABEL = "__meta_dnsdisco_"
NO_PORT = Port(0)
_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")


async def targets(api: Api, request: ApiRequest) -> ApiReply:
    await feeds.check_whole(api)
    if request.method == "HEAD":
        return ApiReply()
    query = request.query

    def parts(catalog: PublishedCatalog) -> Iterable[bytes]:
        views = feeds.chosen(catalog.services, service=query["service"], namespace=query["namespace"])
        groups = (json_views.octets(group) for view in views for group in _groups(view, query["tag"], is_all=query["all"]))
        return items(b"[", groups, b"]")

    return await api.listed(parts, api.changes.serial)


def _groups(view: ServiceView, tag: str | None, *, is_all: bool) -> Iterator[shapes.TargetGroup]:
    for instance in feeds.instances(view, is_all=is_all):
        if tag is None or tag in instance.tags:
            for port in instance.ports or (NO_PORT,):
                yield {"targets": [_target(instance, port)], "labels": _labels(view, instance, port)}


def _target(instance: Instance, port: Port) -> str:
    host = f"[{instance.address}]" if ":" in instance.address else instance.address
    return f"{host}:{port.number}" if port.number else host


def _labels(view: ServiceView, instance: Instance, port: Port) -> dict[str, str]:
    """The labels of an instance; of its own data only the part that everybody may read."""
    service = view.entry.service
    labels = {
        "service": view.name,
        "namespace": service.namespace,
        "instance": instance.label,
        "id": instance.id,
        "provider": view.provider,
        "health": instance.health.word,
        "node": instance.node,
        "scheme": service.scheme,
        "port_name": port.name,
        "tags": f",{','.join(instance.tags)}," if instance.tags else "",
    }
    for key, value in public_meta((*service.meta, *instance.meta)):
        labels[f"meta_{_NOT_IN_A_LABEL.sub('_', key)}"] = value
    return {LABEL + name: value for name, value in labels.items() if value}
