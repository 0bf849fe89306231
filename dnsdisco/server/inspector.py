"""What control asks of a worker for people: an explanation. No fault in it ends more than its own reply."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from functools import partial

from dnsdisco.model.delta import Message
from dnsdisco.server.explain import Explanation, message_for
from dnsdisco.server.serve import Responder

log = logging.getLogger("dnsdisco.worker")


class Inspector:
    """Event loop only."""

    def __init__(self, responder: Responder, send: Callable[[Message], None]) -> None:
        """*send*: to control."""
        self._responder, self._send = responder, send

    def take(self, message: Message) -> None:
        if message["op"] == "explain":
            self._explain(message)

    def _explain(self, message: Message) -> None:
        number = message["id"]
        try:
            query = message_for(message["name"], message["type"])
            self._responder.explain(query, message["client"], partial(self._explained, number))
        except Exception as error:  # noqa: BLE001  the catalog is not touched by it, whatever it was
            log.warning("a name cannot be explained (%s: %s)", type(error).__name__, error)
            self._send({"op": "explained", "id": number, "error": f"{type(error).__name__}: {error}"})

    def _explained(self, number: int, explanation: Explanation) -> None:
        reply, steps, meant, serial = explanation
        octets = base64.b64encode(reply).decode()
        self._send({"op": "explained", "id": number, "reply": octets, "steps": steps, "meant": meant, "serial": serial})
