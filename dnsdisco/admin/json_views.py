"""Values of control/facts.py become JSON. docs/http.md lists every key; keys may be added, none goes away (`"version": 1`)."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from typing import Any

from dnsdisco.control.facts import ControlFacts, DENIED, NEVER_SYNCED, ProviderView, ServiceView, UP
from dnsdisco.model.library_dict import service_to_dict
from dnsdisco.model.public import public_meta, public_url

VERSION = 1
HEAD = {"version": VERSION}


def octets(plain: object) -> bytes:
    """ASCII: no name can hold an octet that a terminal or a page takes for something else."""
    return json.dumps(plain, allow_nan=False, separators=(",", ":")).encode("ascii")


def ready(view: ControlFacts) -> dict[str, Any]:
    """`missing`: what keeps us from answering as we should, empty when we are ready. `degraded`: what we can do without for now."""
    missing = [] if view.is_ready else ["start: not complete"]
    missing += [reason for reason in view.missing if not reason.startswith(("provider ", "address "))]
    degraded = [reason for reason in view.missing if reason.startswith("address ")]
    for provider in view.providers:
        if provider.state != UP:
            is_unknown = provider.state in (NEVER_SYNCED, DENIED) and provider.contact_age_s is None
            (missing if is_unknown and not provider.is_optional else degraded).append(f"provider {provider.name}: {provider.state}")
    return {**HEAD, "ready": not missing, "missing": missing, "degraded": degraded, "serial": view.serial}


def providers(view: ControlFacts) -> dict[str, Any]:
    return {**HEAD, "serial": view.serial, "providers": [_provider(provider) for provider in view.providers]}


def service(view: ServiceView) -> dict[str, Any]:
    """The library's dict (docs/library.md) as far as everybody may read it, its instances' labels, and where it all comes from."""
    plain = service_to_dict(view.entry.service)
    for told, instance in zip(plain["instances"], view.entry.service.instances, strict=True):
        told["label"] = instance.label
    for told in (plain, *plain["instances"], plain.get("service", {}), plain.get("check", {})):
        _hide(told)
    plain["names"] = list(view.names)
    plain["provenance"] = {
        "provider": view.provider,
        "merged": list(view.merged),
        "shadows": list(view.shadows),
        "since": instant(view.since),
        "changed": instant(view.changed),
        "stale": view.is_stale,
    }
    return plain


def _hide(plain: dict[str, Any]) -> None:
    """What is secret in it."""
    for key in ("url", "http"):
        if plain.get(key):
            plain[key] = public_url(plain[key])
    if plain.get("meta"):
        plain["meta"] = dict(public_meta(plain["meta"].items()))


def instant(unix: float) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    whole = math.floor(unix)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((unix - whole) * 1000):03}Z"


def _provider(view: ProviderView) -> dict[str, Any]:
    plain = {key.removeprefix("is_"): value for key, value in asdict(view).items()}
    for key in ("contact_age_s", "view_age_s", "last_error_age_s"):
        plain[key] = None if plain[key] is None else round(plain[key], 3)
    return plain
