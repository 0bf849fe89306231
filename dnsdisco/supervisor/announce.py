"""The two lines that a person waits for: where it answers, and what to type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnsdisco.log.lines import Lines
from dnsdisco.sockaddr import REACHED_AT
from dnsdisco.supervisor.sockets import Listening


def ready(lines: Lines, listening: Sequence[Listening], event: Mapping[str, Any]) -> None:
    """*event*: control's, with zones, providers and an example."""
    zones, providers = event.get("zones") or [], event.get("providers") or []
    where = [str(each) for each in listening]
    lines.contract(
        "info",
        f"ready: listening on {', '.join(where)}, zones {', '.join(zones)}, providers {', '.join(providers)}",
        "ready",
        listening=where,
        zones=zones,
        providers=providers,
    )
    command = dig(listening, event.get("example") or "", zones)
    lines.contract("info", f"try: {command}", "try", command=command)


def dig(listening: Sequence[Listening], example: str, zones: Sequence[str]) -> str:
    """The line to type, for plain DNS if there is any, and for an address that is there. An unspecified address is asked at the loopback one."""
    place = min(listening, key=lambda each: (not each.is_bound, bool(each.scheme))).place
    host = REACHED_AT.get(place.host, place.host)
    name = ".".join(part for part in (example or "SERVICE", zones[0] if zones else "") if part)
    port = "" if place.port == place.usual_port else f" -p {place.port}"
    return f"{place.command} @{host}{port} {place.how}{name}"
