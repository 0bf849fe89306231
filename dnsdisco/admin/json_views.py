"""Values of control/facts.py become JSON. docs/http.md lists every key; keys may be added, none goes away (`"version": 1`)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dnsdisco.admin import shapes
from dnsdisco.control.facts import ControlFacts, DENIED, NEVER_SYNCED, ProviderView, ServerStatus, ServiceView, UP, UpstreamView
from dnsdisco.model.library_dict import service_to_dict
from dnsdisco.model.public import HIDDEN, is_secret, public_meta, public_text, public_url

VERSION = 1
HEAD: shapes.Versioned = {"version": VERSION}


def octets(plain: object) -> bytes:
    """ASCII: no name can hold an octet that a terminal or a page takes for something else."""
    return json.dumps(plain, allow_nan=False, separators=(",", ":")).encode("ascii")


def ready(view: ControlFacts) -> shapes.Ready:
    """`missing`: what keeps us from answering as we should, empty when we are ready. `degraded`: what we can do without for now."""
    named = {reason.partition(": ")[0] for reason in view.missing}
    missing = [] if view.is_ready else ["start: not complete"]
    missing += [reason for reason in view.missing if not reason.startswith(("provider ", "address "))]
    degraded = [reason for reason in view.missing if reason.startswith("address ")]
    for provider in view.providers:
        if provider.state != UP:
            (missing if is_unknown(provider) else degraded).append(f"provider {provider.name}: {provider.state}")
    degraded += [
        public_text(f"{each.code} {each.subject}: {each.text}")
        for each in view.problems
        if f"{each.code} {each.subject}" not in named
    ]
    return {**HEAD, "ready": not missing, "missing": missing, "degraded": degraded, "serial": view.serial}


def is_unknown(provider: ProviderView) -> bool:
    """True if its services are unknown, even from an earlier run, and it is not optional: names may exist that we do not know."""
    return provider.state in (NEVER_SYNCED, DENIED) and provider.contact_age_s is None and not provider.is_optional


def status(status: ServerStatus) -> shapes.Status:
    view = status.facts
    return {
        **HEAD,
        "state": "starting" if not view.is_ready else "degraded" if view.problems else "well",
        "problems": [
            {"code": each.code, "subject": public_text(each.subject), "text": public_text(each.text), "since": instant(each.since)}
            for each in view.problems
        ],
        "config": {"file": status.config, "found": status.is_config_found},
        "listen": list(status.listening),
        "zones": [
            {"name": zone, "serial": view.serial, "services": view.services, "instances": view.instances} for zone in status.zones
        ],
        "providers": [
            {
                "name": each.name,
                "type": each.type,
                "state": each.state,
                "services": each.services,
                "instances": each.instances,
                "rejected": each.rejected,
                "age_s": None if each.contact_age_s is None else round(each.contact_age_s, 3),
                "last_error": each.last_error,
            }
            for each in view.providers
        ],
        "workers": [
            {"number": each.number, "pid": each.pid, "state": each.state, "serial": each.serial, "queries": each.queries}
            for each in status.workers
        ],
        "upstreams": upstreams(status.upstreams),
    }


def upstreams(views: Iterable[UpstreamView]) -> list[shapes.UpstreamState]:
    return [
        {
            "address": public_url(each.address),
            "zone": each.zone,
            "state": each.state,
            "rtt_ms": each.rtt_ms,
            "asked": each.asked,
            "failed": each.failed,
            "last_error": each.last_error,
        }
        for each in views
    ]


def providers(view: ControlFacts) -> shapes.Providers:
    return {**HEAD, "serial": view.serial, "providers": [_provider(provider) for provider in view.providers]}


def service(view: ServiceView) -> dict[str, Any]:
    """The library's dict (docs/library.md) as far as everybody may read it, its instances' labels and reasons, and where it all comes from."""
    plain = service_to_dict(view.entry.service)
    for told, instance in zip(plain["instances"], view.entry.service.instances, strict=True):
        told["label"], told["reason"] = instance.label, instance.reason
    for told in (plain, *plain["instances"], plain.get("service", {}), plain.get("check", {})):
        _hide(told)
    plain["names"] = list(view.names)
    if left_out := view.entry.service.left_out:
        plain["left_out"] = {"instances": left_out.number, "reason": left_out.reason}
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
    """Replace the secrets in it."""
    for key in ("url", "http"):
        if plain.get(key):
            plain[key] = public_url(plain[key])
    if plain.get("meta"):
        plain["meta"] = dict(public_meta(plain["meta"].items()))


def public(plain: Any) -> Any:
    """JSON as far as everybody may read it: *** for the value of a key that is called after a secret, and for secrets in texts."""
    if isinstance(plain, Mapping):
        return {key: HIDDEN if is_secret(key) and value else public(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [public(each) for each in plain]
    return public_text(plain) if isinstance(plain, str) else plain


def instant(unix: float) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    whole = math.floor(unix)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((unix - whole) * 1000):03}Z"


def _provider(view: ProviderView) -> shapes.ProviderFacts:
    plain: Any = {key.removeprefix("is_"): value for key, value in asdict(view).items()}
    for key in ("contact_age_s", "view_age_s", "last_error_age_s"):
        plain[key] = None if plain[key] is None else round(plain[key], 3)
    return plain  # type: ignore[no-any-return]  # the fields of ProviderView
