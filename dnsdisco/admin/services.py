"""/v1/services and /v1/services/NAME, at once or when something has changed (a long poll)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from dnsdisco.admin import json_views
from dnsdisco.admin.api import Api, INDEX, items, json_reply
from dnsdisco.admin.control_client import PublishedCatalog
from dnsdisco.admin.request import ApiReply, ApiRequest, RequestRefused
from dnsdisco.control.facts import ServiceView


async def all_services(api: Api, request: ApiRequest) -> ApiReply:
    await _until_changed(api, request)
    serial = api.changes.serial
    index = (INDEX, b"%d" % serial)
    return ApiReply(headers=(index,)) if request.method == "HEAD" else await api.listed(_parts, serial, index)


async def one_service(api: Api, request: ApiRequest) -> ApiReply:
    name = request.values["name"].removesuffix(".")
    if request.query["index"] is not None:
        await _until_changed(api, request, _names(name, await api.control.service(name)))
    index = (INDEX, b"%d" % api.changes.serial)  # of before it is looked at: a change meanwhile is reported again, and not lost
    view = await api.control.service(name)
    if view is None:
        raise RequestRefused(404, "no such service", index)
    return json_reply({**json_views.HEAD, "name": view.name, "service": json_views.service(view)}, 200, index)


def _names(name: str, view: ServiceView | None) -> frozenset[str]:
    return frozenset((name.lower(), *(view.names if view is not None else ())))


async def _until_changed(api: Api, request: ApiRequest, names: Collection[str] | None = None) -> None:
    """Wait until one of *names* (None: any name) has changed since `index`, or for `wait`. Returns at once for a serial that we never had."""
    since = request.query["index"]
    if since is None:
        return
    until = time.monotonic() + request.query["wait"]
    while (news := api.changes.since(since)) is not None:
        if news.serial != since and (names is None or not news.names.isdisjoint(names)):
            return
        since = news.serial
        request.watch()
        if not await api.changes.wait(since, until - time.monotonic()):
            return


def _parts(catalog: PublishedCatalog) -> Iterable[bytes]:
    opening = json_views.octets({**json_views.HEAD, "serial": catalog.serial, "services": {}})[:-2]
    services = (json_views.octets(view.name) + b":" + json_views.octets(json_views.service(view)) for view in catalog.services)
    return items(opening, services, b"}}")
