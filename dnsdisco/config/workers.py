"""The part of the settings that a worker process gets.

Workers read what strangers send, so they hold no secret that they do not use: what a provider logs in with stays with control. The
list says what goes, not what stays, so that a key of tomorrow is not handed out by being forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORKER_KEYS = frozenset(
    {
        "zones",
        "ttl",
        "negative_ttl",
        "max_answers",
        "srv_weight_scale",
        "stale_after",
        "identity",
        "acl",
        "rate_limit",
        "cache",
        "forward",
        "tls",
        "workers",
        "log_level",
        "log_format",
    }
)  # what server.settings.WorkerSettings reads


def for_workers(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of Settings.plain()."""
    return {key: value for key, value in settings.items() if key in WORKER_KEYS}
