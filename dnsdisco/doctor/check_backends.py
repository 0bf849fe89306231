"""Where services come from and where other names go: what the server says of its providers and its upstreams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dnsdisco.doctor import codes
from dnsdisco.doctor.finding import Finding
from dnsdisco.doctor.known import Known

_OF_STATE = {"never_synced": codes.UNREACHED, "denied": codes.DENIED, "stale": codes.STALE, "down": codes.STALE}


def providers(known: Known) -> Iterator[Finding]:
    for each in (known.status or {}).get("providers", ()):
        if code := _OF_STATE.get(each["state"]):
            reason = f": {each['last_error']}" if each["last_error"] else ""
            yield code.found(f"provider {each['name']}", f"it is {each['state'].replace('_', ' ')}{reason}")
        if each["rejected"]:
            some = "entry is" if each["rejected"] == 1 else "entries are"
            yield codes.REJECTED.found(f"provider {each['name']}", f"{each['rejected']} {some} left out")


def upstreams(known: Known) -> Iterator[Finding]:
    if known.status is None:
        return
    found = {each["address"]: each for each in known.status["upstreams"]}  # one of several zones once
    for address, each in found.items():
        reason = f": {each['last_error']}" if each["last_error"] else ""
        if each["state"] in ("loop", "own"):
            text = "it is the server itself" if each["state"] == "own" else "it leads back to the server"
            yield codes.LOOP.found(address, text)
        elif each["state"] == "dead":
            yield codes.DEAD_UPSTREAM.found(address, f"it does not answer{reason}", address=address)
    wanted = (known.settings.get("forward") or {}).get("upstreams")
    if wanted and not _has_general(known.status) and known.later is not None and not _has_general(known.later):
        yield codes.NO_UPSTREAM.found("forward.upstreams", f"{', '.join(wanted)} gives no upstream beside the server itself")


def _has_general(status: Mapping[str, Any]) -> bool:
    """An upstream for the names that no other zone is for."""
    return any(each["zone"] == "." for each in status["upstreams"])
