"""The description of the API: valid OpenAPI, complete, and true of what the pages return."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypedDict

import httpx
import pytest

from dnsdisco.admin import openapi, routes, server_sent
from dnsdisco.errors import ConfigError, Problem
from tests.admin.bench import HttpBench, with_http
from tests.admin.test_control_socket import obey
from tests.admin.test_explain import says
from tests.control.harness import Scripted, snapshot, svc

validator = pytest.importorskip("openapi_spec_validator")
jsonschema = pytest.importorskip("jsonschema")

DOCUMENT = openapi.document(routes.TABLE, "1.0")


def test_it_is_openapi_and_a_planted_fault_is_seen() -> None:
    validator.validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")
    with pytest.raises(Exception, match=r"responses|is not valid"):
        validator.validate(DOCUMENT | {"paths": {"/x": {"get": {"responses": 5}}}})


def test_every_route_is_in_it_with_its_door_and_its_parameters() -> None:
    for route in routes.TABLE:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        assert operation["x-dnsdisco-door"] == ("control" if route.is_private else "any")
        named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        assert named == {each.name for each in route.query}
        assert all(each["description"] for each in operation.get("parameters", ()) if each["in"] == "query")
        assert {int(status) for status in operation["responses"] if status != "default"} == {each.status for each in route.replies}
    assert {path for path, operations in DOCUMENT["paths"].items() for each in operations.values() if each["x-dnsdisco-door"] == "control"} == {
        "/v1/reload",
        "/v1/cache/flush",
    }  # fmt: skip
    ids = [each["operationId"] for operations in DOCUMENT["paths"].values() for each in operations.values()]
    assert len(ids) == len(set(ids))


def fits(path: str, method: str, status: int, plain: Any) -> None:
    """Raises for a reply that is not as it is described, also for one with a key that is not in the description."""
    operation = DOCUMENT["paths"][path][method.lower()]
    response = operation["responses"].get(str(status), operation["responses"]["default"])
    (content,) = response["content"].values()
    jsonschema.Draft202012Validator({**closed(content["schema"]), "components": closed(DOCUMENT["components"])}).validate(plain)


def closed(schema: Any) -> Any:
    """The same, without keys beside those that are described."""
    if isinstance(schema, dict):
        made = {key: closed(value) for key, value in schema.items()}
        if "properties" in made and "additionalProperties" not in made:
            made["additionalProperties"] = False
        return made
    return [closed(each) for each in schema] if isinstance(schema, list) else schema


def test_every_reply_is_as_described(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    seen: set[tuple[str, str, int]] = set()
    streams = [route for route in routes.TABLE if route.replies[0].media_type == server_sent.MEDIA_TYPE]

    async def scenario(made: HttpBench) -> None:
        obey(made, 1)
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(transport=transport, base_url="http://dnsdisco", timeout=10) as client:

            async def ask(route: routes.ApiRoute, target: str, status: int, **more: Any) -> None:
                reply = await client.request(route.method, target, **more)
                assert reply.status_code == status, (target, reply.text)
                if reply.headers["content-type"] == "application/json":
                    fits(route.path, route.method, status, reply.json())
                seen.add((route.method, route.path, status))

            upstream = {"address": "192.0.2.1:53", "zones": ["."], "state": "dead", "rtt_ms": 0, "asked": 1, "failed": 1, "last_error": "x", "error_age_s": 1}  # fmt: skip
            made.worker.say("counters", life=1, pid=7, counters={"answers.1.0": 3}, upstreams=[upstream])
            await asyncio.sleep(0.3)
            made.worker.on_explain = says(made.worker)
            for route in routes.TABLE:
                if route not in streams:
                    body = {"json": {"resource_names": ["web"]}} if route.body_octets_max else {}
                    named = "?name=web" if route.path == "/v1/explain" else ""
                    await ask(route, route.path.replace("{name}", "web") + named, 200, **body)
            made.next_settings = ConfigError((Problem("f", 1, 2, "p", "m"),))
            found = {(route.method, route.path): route for route in routes.TABLE}
            await ask(found["POST", "/v1/reload"], "/v1/reload", 422)
            await ask(found["GET", "/v1/services/{name}"], "/v1/services/nosuch", 404)
            await ask(found["GET", "/v1/services"], "/v1/services?index=x", 400)
            assert (await client.get("/v1/status")).json()["problems"]

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, control=path), scenario)
    assert len(seen) == len(routes.TABLE) - len(streams) + 3


@pytest.mark.parametrize(
    "plain", [{}, {"version": "1"}, {"version": 1, "upstreams": [{}]}, {"version": 1, "upstreams": [], "more": 1}]
)
def test_a_reply_that_is_not_as_described_would_be_seen(plain: Any) -> None:
    fits("/v1/upstreams", "get", 200, {"version": 1, "upstreams": []})
    with pytest.raises(jsonschema.ValidationError):
        fits("/v1/upstreams", "get", 200, plain)


def test_a_type_that_json_has_not_is_no_type_of_a_reply() -> None:
    class Odd(TypedDict):
        there: bytes

    with pytest.raises(TypeError, match="no schema"):
        openapi._schema(Odd, {})
