"""The state of each upstream, put together from all workers. Each worker reports once a second; a report that makes no sense is ignored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dnsdisco.control.facts import UPSTREAM_STATES, UpstreamView

ROWS_MAX = 64  # upstreams of a worker's report
TEXT_MAX = 1100  # characters of an address, a zone or an error


@dataclass(slots=True)
class _Row:
    state: str = "up"
    rtts: list[float] = field(default_factory=list)
    asked: int = 0
    failed: int = 0
    last_error: str = ""
    error_age_s: float = float("inf")


def together(reports: Iterable[object]) -> tuple[UpstreamView, ...]:
    """The upstreams in the order in which they were first reported, which is that of the configuration."""
    rows: dict[tuple[str, str], _Row] = {}
    for report in reports:
        for plain in report[:ROWS_MAX] if isinstance(report, list) else ():
            if _is_sound(plain):
                for zone in plain["zones"]:
                    _add(rows.setdefault((plain["address"], zone), _Row()), plain)
    return tuple(
        UpstreamView(
            address,
            zone,
            row.state,
            round(sum(row.rtts) / len(row.rtts), 3) if row.rtts else None,
            row.asked,
            row.failed,
            row.last_error,
        )
        for (address, zone), row in rows.items()
    )


def _add(row: _Row, plain: dict[str, Any]) -> None:
    row.state = max(row.state, plain["state"], key=UPSTREAM_STATES.index)
    if plain["rtt_ms"]:
        row.rtts.append(plain["rtt_ms"])
    row.asked += plain["asked"]
    row.failed += plain["failed"]
    if plain["last_error"] and plain["error_age_s"] < row.error_age_s:
        row.last_error, row.error_age_s = plain["last_error"], plain["error_age_s"]


def _is_sound(plain: object) -> bool:
    return (
        isinstance(plain, dict)
        and all(isinstance(plain.get(key), str) and len(plain[key]) <= TEXT_MAX for key in ("address", "last_error"))
        and isinstance(plain.get("zones"), list)
        and all(isinstance(zone, str) and len(zone) <= TEXT_MAX for zone in plain["zones"])
        and plain.get("state") in UPSTREAM_STATES
        and all(isinstance(plain.get(key), (int, float)) for key in ("rtt_ms", "error_age_s"))
        and all(isinstance(plain.get(key), int) and plain[key] >= 0 for key in ("asked", "failed"))
    )
