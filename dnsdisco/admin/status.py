"""/v1/status, /v1/upstreams, /v1/config and /v1/cache: how the server does."""

from __future__ import annotations

from dnsdisco.admin import json_views, shapes
from dnsdisco.admin.api import Api, json_reply
from dnsdisco.admin.request import ApiReply, ApiRequest
from dnsdisco.cache.statistics import CacheStatistics


async def status(api: Api, _: ApiRequest) -> ApiReply:
    return json_reply(json_views.status(await api.control.status()))


async def upstreams(api: Api, _: ApiRequest) -> ApiReply:
    reply: shapes.UpstreamList = {**json_views.HEAD, "upstreams": json_views.upstreams((await api.control.status()).upstreams)}
    return json_reply(reply)


async def config(api: Api, _: ApiRequest) -> ApiReply:
    view = await api.control.configuration()
    reply: shapes.Config = {
        **json_views.HEAD,
        "file": view.file,
        "settings": json_views.public(view.settings),
        "origins": dict(view.origins),
    }
    return json_reply(reply)


async def cache(api: Api, _: ApiRequest) -> ApiReply:
    totals = await api.control.totals()
    figures = {**totals.counts, **totals.levels}
    counters = {each.key: figures.get(each.name, 0) for each in CacheStatistics.declared()}
    reply: shapes.CacheFigures = {**json_views.HEAD, "workers": len(totals.workers), "counters": counters}
    return json_reply(reply)
