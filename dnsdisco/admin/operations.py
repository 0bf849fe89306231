"""The operations that change something, over the control socket alone: /v1/reload, /v1/cache/flush."""

from __future__ import annotations

from dnsdisco.admin import json_views, shapes
from dnsdisco.admin.api import Api, json_reply
from dnsdisco.admin.request import ApiReply, ApiRequest, RequestRefused
from dnsdisco.errors import WireError


async def reload(api: Api, _: ApiRequest) -> ApiReply:
    done = await api.control.reload()
    if done.problems:
        raise RequestRefused(422, "the new configuration is not used", more={"ok": False, "problems": list(done.problems)})
    reply: shapes.ReloadDone = {**json_views.HEAD, "ok": True, "changed": list(done.changed)}
    return json_reply(reply)


async def flush(api: Api, request: ApiRequest) -> ApiReply:
    name, is_tree = request.query["name"], request.query["tree"]
    if is_tree and name is None:
        raise RequestRefused(400, "tree needs a name; without one, everything is forgotten")
    try:
        dropped = await api.control.flush(name, is_tree=is_tree)
    except WireError as error:
        raise RequestRefused(400, f"{name!r} is not a domain name: {error}") from None
    reply: shapes.Flushed = {**json_views.HEAD, "dropped": sum(filter(None, dropped)), "workers": dropped}
    return json_reply(reply)
