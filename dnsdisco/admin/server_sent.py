"""Server-sent events (HTML Living Standard §9.2): their form, and the sign of life of a stream in which nothing happens."""

from __future__ import annotations

from dnsdisco.admin import json_views

MEDIA_TYPE = "text/event-stream"
SILENCE_S = 15.0  # between two signs of life: what stands between us and the client may end what is silent for longer
ALIVE = b":\n\n"


def event(kind: str, data: object, number: int | None = None) -> bytes:
    """The octets of an event. *number*: the Last-Event-ID that the client sends when it connects again."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: " + kind.encode() + b"\ndata: " + json_views.octets(data) + b"\n\n"
