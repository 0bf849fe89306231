"""The two lines that a person waits for: where it answers, and what to type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnsdisco.log.lines import Lines
from dnsdisco.sockaddr import REACHED_AT
from dnsdisco.supervisor.sockets import Listening, ListenPlace


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
    """The line to type, for plain DNS if there is any. An unspecified address is asked at the loopback one."""
    scheme, host, port, path = ListenPlace.of(next((each for each in listening if not each.scheme), listening[0]).address)
    host = REACHED_AT.get(host, host)
    name = ".".join(part for part in (example or "SERVICE", zones[0] if zones else "") if part)
    command, usual, how = {"tls": ("kdig", 853, "+tls "), "https": ("kdig", 443, f"+https={path} ")}.get(scheme, ("dig", 53, ""))
    return f"{command} @{host}{'' if port == usual else f' -p {port}'} {how}{name}"
