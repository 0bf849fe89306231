"""Every path of the API: its page, its door, its parameters, its replies. `/` and `/v1/openapi.json` are made from it.

A page is a function in a file of this room and a row here; the types of its replies are in shapes.py, docs/http.md has its words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dnsdisco.admin import (
    browser,
    envoy,
    events,
    explain,
    json_views,
    openapi,
    operations,
    probes,
    prometheus,
    queries,
    server_sent,
    services,
    shapes,
    status,
)
from dnsdisco.admin.api import Api, json_reply
from dnsdisco.admin.metrics import MEDIA_TYPE as METRICS
from dnsdisco.admin.request import address, ApiReply, ApiRequest, flag, JSON, Parameter, seconds, text, whole

OTHER = "other"
SERIAL_MAX = 2**32 - 1
WAIT_S_MAX = 300.0  # of a client for something to happen, before it has to ask again
NODE_OCTETS_MAX = 256 * 1024  # of Envoy's request: its list of extensions is some 10 KB

Page = Callable[[Api, ApiRequest], Awaitable[ApiReply]]


class ReplyKind(NamedTuple):
    """One kind of reply."""

    status: int
    summary: str
    media_type: str
    shape: Any  # a type of shapes.py, or one that is made of those


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """*summary*: a line for people. *is_private*: the control socket alone. *takes_any_host*: from a client that is no browser."""

    method: str
    path: str
    page: Page
    summary: str
    replies: tuple[ReplyKind, ...]
    query: tuple[Parameter, ...] = ()
    is_private: bool = False
    takes_any_host: bool = False
    body_octets_max: int = 0


async def index(api: Api, request: ApiRequest) -> ApiReply:
    if browser.is_wanted(request.headers):
        return browser.page(request)
    paths = [route.path for route in TABLE if route.method == "GET" and route.path != "/"]
    reply: shapes.Index = {**json_views.HEAD, "name": "dnsdisco", "release": api.version, "paths": paths}
    return json_reply(reply, 200, browser.VARY)


async def description(api: Api, _: ApiRequest) -> ApiReply:
    return json_reply(openapi.document(TABLE, api.version))


def _ok(shape: Any, summary: str = "As it is.", media_type: str = JSON) -> tuple[ReplyKind, ...]:
    return (ReplyKind(200, summary, media_type, shape),)


_FOLLOW = (
    whole("index", "Wait until something has changed since this serial, the X-Dnsdisco-Index of the last reply.", 0, SERIAL_MAX),
    seconds("wait", "How long to wait for that.", WAIT_S_MAX, "30s"),
)
_CHOICE = (
    text("service", "Of this service alone."),
    text("tag", "Only instances with this tag."),
    text("namespace", "Only services of this namespace."),
    flag("all", "Also instances that clients of DNS are not sent to."),
)
_QUESTION = (
    text("name", "A name; without a dot, in the first zone. An address: its reverse name."),
    text("type", "A record type. A where it is left out, PTR for an address."),
    address("client", "Who asks.", "127.0.0.1"),
)
_LOOK = (
    text("name", "Of names that this glob matches, in any case."),
    text("client", "Of clients in this network."),
    text("rcode", "With this rcode."),
    text("source", "From there: table, catalog, cache, stale, upstream, special or refused."),
)
_NOT_YET = ReplyKind(
    503,
    "A provider that is not optional has never been in contact: its services are unknown, not absent.",
    JSON,
    shapes.Refused,
)

TABLE = (
    ApiRoute("GET", "/", index, "The paths there are; for a browser, the page.", _ok(shapes.Index)),
    ApiRoute("GET", "/health", probes.health, "Whether the process is there; for liveness.", _ok(shapes.Alive)),
    ApiRoute("GET", "/ready", probes.ready, "Whether everything is there that answers are made of; for readiness.", (*_ok(shapes.Ready), ReplyKind(503, "Something is missing.", JSON, shapes.Ready))),
    ApiRoute("GET", "/metrics", probes.metrics, "Metrics, in Prometheus's text form.", _ok(str, media_type=METRICS)),
    ApiRoute("GET", "/v1/status", status.status, "How the server does, and what it lacks.", _ok(shapes.Status)),
    ApiRoute("GET", "/v1/services", services.all_services, "Every published service.", _ok(shapes.ServiceList), _FOLLOW),
    ApiRoute("GET", "/v1/services/{name}", services.one_service, "One service, under any of its names.", _ok(shapes.ServicePage), _FOLLOW),
    ApiRoute("GET", "/v1/providers", probes.providers, "The providers, in the order of precedence.", _ok(shapes.Providers)),
    ApiRoute("GET", "/v1/upstreams", status.upstreams, "The resolvers that other names are forwarded to.", _ok(shapes.UpstreamList)),
    ApiRoute("GET", "/v1/config", status.config, "The settings in use, and where each comes from.", _ok(shapes.Config)),
    ApiRoute("GET", "/v1/cache", status.cache, "What the workers have counted of their caches.", _ok(shapes.CacheFigures)),
    ApiRoute("GET", "/v1/explain", explain.explain, "Why a name gets its answer, step by step, and that answer.", (*_ok(shapes.ExplanationPage), ReplyKind(503, "Many are being made.", JSON, shapes.Refused), ReplyKind(504, "No worker answers.", JSON, shapes.Refused)), _QUESTION),
    ApiRoute("GET", "/v1/queries", queries.queries, "Queries as they are answered: server-sent events, `query` and `dropped`.", (*_ok(shapes.QueryEvent, "The data of a `query`.", server_sent.MEDIA_TYPE), ReplyKind(503, "Many look already.", JSON, shapes.Refused)), _LOOK),
    ApiRoute("GET", "/v1/events", events.events, "Changes as they are published: server-sent events, `change` and `reset`.", _ok(shapes.ChangeEvent, "The data of a `change`.", server_sent.MEDIA_TYPE)),
    ApiRoute("GET", "/v1/sd/prometheus", prometheus.targets, "Instances for Prometheus's HTTP service discovery.", (*_ok(list[shapes.TargetGroup]), _NOT_YET), _CHOICE),
    ApiRoute("POST", "/v3/discovery:endpoints", envoy.endpoints, "Instances for Envoy: EDS over REST and JSON.", (*_ok(shapes.EnvoyEndpoints), _NOT_YET), takes_any_host=True, body_octets_max=NODE_OCTETS_MAX),
    ApiRoute("POST", "/v1/reload", operations.reload, "Read the configuration anew.", (*_ok(shapes.ReloadDone), ReplyKind(422, "Nothing was changed.", JSON, shapes.ReloadFailed)), is_private=True),
    ApiRoute("POST", "/v1/cache/flush", operations.flush, "Forget what upstreams have answered.", _ok(shapes.Flushed), (text("name", "This name alone; everything without it."), flag("tree", "Also every name below it.")), is_private=True),
    ApiRoute("GET", "/v1/openapi.json", description, "This description of the API.", _ok(dict[str, Any])),
)  # fmt: skip

# What is no part of the API, and not listed.
_UNLISTED = (ApiRoute("GET", "/page/{file}", browser.file, "A file of the page.", _ok(str)),)


def _by_path() -> Mapping[str, dict[str, ApiRoute]]:
    found: dict[str, dict[str, ApiRoute]] = {}
    for route in (*TABLE, *_UNLISTED):
        found.setdefault(route.path, {})[route.method] = route
    return found


_ROUTES = _by_path()
_PATTERNS = tuple((path[: path.index("{")], path[path.index("{") + 1 : -1], path) for path in _ROUTES if path.endswith("}"))


def find(path: str) -> tuple[str, dict[str, ApiRoute], dict[str, str]]:
    """The path in the table, or OTHER; its routes by method; the values of what stands for a part of the path."""
    if path in _ROUTES and not path.endswith("}"):
        return path, _ROUTES[path], {}
    for beginning, name, template in _PATTERNS:
        rest = path.removeprefix(beginning)
        if rest and path.startswith(beginning) and "/" not in rest:
            return template, _ROUTES[template], {name: rest}
    return OTHER, {}, {}
