"""The rules of all feeds for other programs: which instances they get, and that a backend's silence never looks like an empty list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnsdisco.admin import json_views
from dnsdisco.admin.api import Api
from dnsdisco.admin.request import RequestRefused
from dnsdisco.control.facts import ServiceView
from dnsdisco.model.choice import usable
from dnsdisco.model.service import Instance


async def check_whole(api: Api) -> None:
    """Raises RequestRefused while a provider that is not optional has never been in contact: clients keep what they had."""
    unknown = [provider.name for provider in (await api.control.view()).providers if json_views.is_unknown(provider)]
    if unknown:
        raise RequestRefused(503, f"not in contact yet: {', '.join(unknown)}", (b"retry-after", b"1"))


def instances(view: ServiceView, *, is_all: bool = False) -> tuple[Instance, ...]:
    """Those that clients of DNS are sent to; with *is_all*, all."""
    every = view.entry.service.instances
    return every if is_all else usable(every, fails_open=view.entry.fails_open)


def chosen(views: Iterable[ServiceView], *, service: str | None, namespace: str | None) -> Iterator[ServiceView]:
    name = None if service is None else service.lower().removesuffix(".")
    for view in views:
        if (name is None or name in view.names) and (namespace is None or view.entry.service.namespace == namespace):
            yield view
