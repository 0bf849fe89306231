"""What control asks of a worker for people: an explanation, and the queries as they are answered. No fault in it ends more than its own reply."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from dnsdisco.model.delta import Message
from dnsdisco.server.explain import Explanation, message_for
from dnsdisco.server.recorder import Filter, Recorder, Row
from dnsdisco.server.serve import Responder

log = logging.getLogger("dnsdisco.worker")

RECORDED_S = 5.0  # after control's last word for it: it says it again each second while somebody looks


class Link(Protocol):
    """The one to control (`control_link.py`), as seen from here."""

    @property
    def is_free(self) -> bool: ...
    def send(self, message: Message) -> None: ...


class Inspector:
    """Event loop only. *record*: shows a recorder each query from now on; None: no longer."""

    def __init__(
        self, responder: Responder, link: Link, record: Callable[[Recorder | None], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._responder, self._link, self._record, self._loop = responder, link, record, loop
        self._recorder: Recorder | None = None
        self._end: asyncio.TimerHandle | None = None
        self._missed = 0  # queries, since control last took some

    def take(self, message: Message) -> None:
        """One of control's messages."""
        if message["op"] == "explain":
            self._explain(message)
        else:
            self._look(message)

    def _explain(self, message: Message) -> None:
        number = message["id"]
        try:
            query = message_for(message["name"], message["type"])
            self._responder.explain(query, message["client"], partial(self._explained, number))
        except Exception as error:  # noqa: BLE001  the catalog is not touched by it, whatever it was
            log.warning("a name cannot be explained (%s: %s)", type(error).__name__, error)
            self._link.send({"op": "explained", "id": number, "error": f"{type(error).__name__}: {error}"})

    def _explained(self, number: int, explanation: Explanation) -> None:
        reply, steps, meant, serial = explanation
        octets = base64.b64encode(reply).decode()
        self._link.send({"op": "explained", "id": number, "reply": octets, "steps": steps, "meant": meant, "serial": serial})

    # the queries

    def _look(self, message: Message) -> None:
        filters = [(int(number), Filter.of(*written)) for number, written in message["filters"]]
        if self._end is not None:
            self._end.cancel()
        if not filters:
            self._look_no_more()
            return
        if self._recorder is None:
            self._recorder = Recorder(lambda: self._responder.settings.zone, self._loop.call_later, self._tell)
        self._recorder.choose(filters)
        self._record(self._recorder)
        self._end = self._loop.call_later(RECORDED_S, self._look_no_more)

    def _look_no_more(self) -> None:
        self._recorder = self._end = None
        self._record(None)

    def _tell(self, rows: list[Row], missed: int) -> None:
        self._missed += missed
        if not self._link.is_free:  # control does not read: its other messages matter more
            self._missed += len(rows)
            return
        missed, self._missed = self._missed, 0
        self._link.send({"op": "queries", "rows": rows, "missed": missed})
