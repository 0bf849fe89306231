"""The description of the API, OpenAPI 3.1, from the table of routes and the types of its replies."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict, Literal, TYPE_CHECKING, Union

from dnsdisco.admin import shapes
from dnsdisco.admin.request import JSON

if TYPE_CHECKING:
    from dnsdisco.admin.routes import ApiRoute

OPENAPI = "3.1.0"
_PLAIN: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Any: {},
}


def document(routes: Iterable[ApiRoute], version: str) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "dnsdisco",
            "version": version,
            "description": "What a running server knows. Operations marked x-dnsdisco-door: control are answered on the control socket alone.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: ApiRoute, schemas: dict[str, Any]) -> dict[str, Any]:
    parts = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parts
    ]
    parameters += [
        {"name": each.name, "in": "query", "description": each.summary, "schema": dict(each.schema)} for each in route.query
    ]
    refusal = {"description": "Refused; the body has the reason.", "content": {JSON: {"schema": _schema(shapes.Refused, schemas)}}}
    replies = {
        str(status): {"description": summary, "content": {media_type: {"schema": _schema(shape, schemas)}}}
        for status, summary, media_type, shape in route.replies
    }
    operation: dict[str, Any] = {
        "operationId": route.page.__name__,
        "summary": route.summary,
        "responses": {**replies, "default": refusal},
        "x-dnsdisco-door": "control" if route.is_private else "any",
    }
    if parameters:
        operation["parameters"] = parameters
    if route.body_octets_max:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": {"type": "object"}}}}
    return operation


def _schema(shape: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a type. Types with names go into *schemas*."""
    if shape in _PLAIN:
        return dict(_PLAIN[shape])
    origin, arguments = get_origin(shape), get_args(shape)
    if is_typeddict(shape):
        if shape.__name__ not in schemas:
            schemas[shape.__name__] = {}  # its place, before a type that has itself
            schemas[shape.__name__] = _object(shape, schemas)
        return {"$ref": f"#/components/schemas/{shape.__name__}"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(each, schemas) for each in arguments]}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], schemas)}
    raise TypeError(f"no schema for {shape!r}")


def _object(shape: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(shape)
    made = {
        "type": "object",
        "properties": {name: _schema(hint, schemas) for name, hint in hints.items()},
        "required": sorted(hints),
    }
    return made | ({"description": inspect.cleandoc(shape.__doc__)} if shape.__doc__ else {})
