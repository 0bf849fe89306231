"""Pages for probes and scrapers: /health, /ready, /metrics, /v1/providers."""

from __future__ import annotations

from dnsdisco.admin import json_views, shapes
from dnsdisco.admin import metrics as text_form
from dnsdisco.admin.api import Api, json_reply
from dnsdisco.admin.request import ApiReply, ApiRequest


async def health(api: Api, _: ApiRequest) -> ApiReply:
    """The process is there. Nothing else is asked, so that no hung backend gets it killed."""
    reply: shapes.Alive = {**json_views.HEAD, "status": "ok", "release": api.version}
    return json_reply(reply)


async def ready(api: Api, _: ApiRequest) -> ApiReply:
    plain = json_views.ready(await api.control.view())
    return json_reply(plain, 200 if plain["ready"] else 503)


async def metrics(api: Api, _: ApiRequest) -> ApiReply:
    figures = await api.control.figures()
    return ApiReply(api.metrics.of(figures), media_type=text_form.MEDIA_TYPE)


async def providers(api: Api, _: ApiRequest) -> ApiReply:
    return json_reply(json_views.providers(await api.control.view()))
