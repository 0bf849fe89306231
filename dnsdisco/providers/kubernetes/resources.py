"""The resources that are read, their namespaces, and the whole list of each in pages (Kubernetes API concepts, "Retrieving large results sets").

An error is never an empty list: an answer without `items` or without a version is refused whole.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dnsdisco.model.diff import Key
from dnsdisco.providers.kubernetes.connection import ApiConnection, ApiError
from dnsdisco.providers.kubernetes.endpoints import endpoints_from, slice_from
from dnsdisco.providers.kubernetes.objects import as_object, key_of, node_from, service_from
from dnsdisco.providers.kubernetes.rejected import Faults

PAGE_OBJECTS = 500  # kubectl's choice: bounds what one JSON parse takes, 10 to 20 ms of the GIL
PAGES_MAX = 20_000  # ten million objects; a server that goes on for ever is not believed
OBJECTS_MAX = 1_000_000  # of one list, with the endpoints in them: some 1 GB; the largest clusters have 150,000 pods

Parse = Callable[[Mapping[str, Any], Faults], Any]  # None: not of interest; raises ValueError for what cannot be used


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object. `parse` makes small facts of one."""

    plural: str
    group: str  # path of its group and version
    parse: Parse = field(repr=False)
    is_namespaced: bool = True

    def path(self, namespace: str | None) -> str:
        scope = f"/namespaces/{namespace}" if namespace and self.is_namespaced else ""
        return f"{self.group}{scope}/{self.plural}"


SERVICES = Resource("services", "/api/v1", service_from)
SLICES = Resource("endpointslices", "/apis/discovery.k8s.io/v1", slice_from)
ENDPOINTS = Resource("endpoints", "/api/v1", endpoints_from)  # servers below 1.21, which have no slices of version 1
NODES = Resource("nodes", "/api/v1", node_from, is_namespaced=False)


class Listing(NamedTuple):
    """All objects of one resource in one scope, at one version."""

    objects: dict[Key, Any]
    refused: frozenset[Key]  # there, but not to be used
    version: str


def list_whole(
    connection: ApiConnection,
    resource: Resource,
    namespace: str | None,
    selectors: Mapping[str, str],
    faults: Faults,
    check: Callable[[], None] = lambda: None,
) -> Listing:
    """Every object, or ApiError. *check* is called between two pages, and may raise.

    A list that its server has forgotten between two pages (410) is begun anew, the second time in one piece.
    """
    for limit in (PAGE_OBJECTS, PAGE_OBJECTS, 0):
        try:
            return _list_once(connection, resource, namespace, selectors, faults, check, limit)
        except ApiError as error:
            if error.status != http.client.GONE or not limit:
                raise
    raise AssertionError


def probe(connection: ApiConnection, resource: Resource, namespace: str | None, selectors: Mapping[str, str]) -> None:
    """Raises ApiError when it cannot be listed."""
    _page(connection.get(resource.path(namespace), {**selectors, "limit": "1"}), resource)


def _list_once(
    connection: ApiConnection,
    resource: Resource,
    namespace: str | None,
    selectors: Mapping[str, str],
    faults: Faults,
    check: Callable[[], None],
    limit: int,
) -> Listing:
    objects: dict[Key, Any] = {}
    refused: set[Key] = set()
    version, size = "", 0
    query = {**selectors, "limit": str(limit)} if limit else dict(selectors)
    for page in _pages(connection, resource.path(namespace), query, resource):
        check()
        version = page.version
        for item in page.items:
            try:
                parsed = parse(resource, item, faults)
            except ValueError:
                key = key_of(item)
                if key is not None:
                    refused.add(key)
                continue
            if parsed is not None:
                objects[parsed.key] = parsed
                size += 1 + len(getattr(parsed, "instances", ()))
        if size > OBJECTS_MAX:
            raise ApiError(f"the list of {resource.plural} has more than {OBJECTS_MAX:,} objects and endpoints")
    return Listing(objects, frozenset(refused), version)


def parse(resource: Resource, item: Any, faults: Faults) -> Any:
    """The facts of *item*; None: nothing of interest. Raises ValueError, reported to *faults* already, when it cannot be used."""
    try:
        return resource.parse(as_object(item, "items"), faults)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        faults.log(resource.plural, key_of(item), str(error) or type(error).__name__)
        raise ValueError(str(error)) from None


class _Page(NamedTuple):
    items: list[Any]
    version: str  # of the whole list
    following: str  # the token for the rest; "": that was all


def _pages(connection: ApiConnection, path: str, query: dict[str, str], resource: Resource) -> Iterator[_Page]:
    token = ""
    for _ in range(PAGES_MAX):
        page = _page(connection.get(path, {**query, "continue": token} if token else query), resource)
        yield page
        if not page.following:
            return
        if page.following == token:
            break
        token = page.following
    raise ApiError(f"the list of {resource.plural} does not end")


def _page(body: Mapping[str, Any], resource: Resource) -> _Page:
    metadata = body.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
    items = body.get("items", ...)
    if (
        not isinstance(metadata, Mapping)
        or not isinstance(version, str)
        or not version
        or not isinstance(items, (list, type(None)))
    ):
        raise ApiError(f"the API server's list of {resource.plural} lacks `items` or `metadata.resourceVersion`")
    return _Page(items or [], version, str(metadata.get("continue") or ""))
