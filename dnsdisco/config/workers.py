"""The part of the settings that a worker process gets.

Workers read what strangers send, so they hold no secret that they do not use: the credentials of providers stay with control. The list
names the keys that go, not those that stay, so that a new key that is forgotten here is not handed out.
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
    """The part of *settings*, the plain form of Settings, that a worker needs."""
    return {key: value for key, value in settings.items() if key in WORKER_KEYS}
