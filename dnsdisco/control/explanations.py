"""Why a name gets its answer: asked of one worker, of another where that one is silent, and completed by what control alone knows.

The loop's thread only.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from dnsdisco.control.facts import Explained, ExplanationStep
from dnsdisco.control.flushes import Workers
from dnsdisco.control.provider_set import Chain
from dnsdisco.errors import ServerError
from dnsdisco.model.delta import Message
from dnsdisco.model.service import Service
from dnsdisco.presentation.question import owner_of, type_of
from dnsdisco.wire.constants import type_to_text
from dnsdisco.wire.name import to_text

EXPLANATIONS_MAX = 8  # at a time: each may keep a worker busy for a millisecond, and an upstream for two seconds
NEXT_S = 1.0  # for one worker, which may have to wait for upstreams, before another is asked as well
EXPLAINED_S = 6.0  # for all of them: an alias of aliases asks upstreams several times; the command line waits for ten
INSTANCES_TOLD_MAX = 5  # of a service that lost


class TooManyExplanations(ServerError):
    """EXPLANATIONS_MAX are being made."""


class Explanations:
    """Those that are being made."""

    def __init__(self, workers: Callable[[], Workers], chain: Chain, zone: Callable[[], str]) -> None:
        """*zone*: of names without a dot."""
        self._workers, self._chain, self._zone = workers, chain, zone
        self._begun = 0
        self._waiting: dict[int, _Asked] = {}

    def begin(self, name: str, rtype: str, client: str) -> Future[Explained]:
        """Raises WireError for what is no name or type, TooManyExplanations. The result may be TimeoutError: no worker has spoken."""
        question = to_text(owner_of(name, self._zone())), type_of(rtype, name)
        if len(self._waiting) >= EXPLANATIONS_MAX:
            raise TooManyExplanations(f"{EXPLANATIONS_MAX} explanations are being made")
        self._begun += 1
        number = self._begun
        workers = self._workers()
        # Each in its turn; those without a catalog last, for they would explain that.
        order = sorted(workers.links, key=lambda link: (not link.applied, (link.number + number) % len(workers.links)))
        message = {"op": "explain", "id": number, "name": question[0], "type": question[1], "client": client}
        asked = self._waiting[number] = _Asked(workers, message, [link.number for link in order])
        asked.result.add_done_callback(lambda _: self._waiting.pop(number))
        asked.ask_next()
        return asked.result

    def take(self, worker: int, message: Message) -> None:
        """Take an `explained` message of a worker. One whose caller waits no longer is ignored."""
        number = message.get("id")
        asked = self._waiting.get(number) if isinstance(number, int) else None
        if asked is None or asked.result.done():
            return
        try:
            asked.settle(self._explained(worker, asked.message, message))
        except (KeyError, TypeError, ValueError) as error:
            asked.fail(ServerError(f"worker {worker} could not explain it: {message.get('error') or type(error).__name__}"))

    def _explained(self, worker: int, asked: Message, message: Message) -> Explained:
        return Explained(
            name=str(asked["name"]),
            rtype=type_to_text(asked["type"]),
            reply=base64.b64decode(message["reply"], validate=True),
            steps=tuple(self._completed(*map(str, step)) for step in message["steps"]),
            did_you_mean=tuple(map(str, message["meant"])),
            serial=int(message["serial"]),
            worker=worker,
        )

    def _completed(self, code: str, subject: str, text: str, key: str) -> ExplanationStep:
        """The explanation, with the facts about the service of that *key* that the worker does not have."""
        if key and code == "shadowed" and (service := self._chain.shadowed(key).get(subject)) is not None:
            text = f"{text}: {_instances(service)}"
        elif key and code == "left-out":
            since = self._chain.provenance.critical_since(key, subject, text.partition(": ")[0])
            if since is not None:
                text = f"{text}; since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(since))}"
        return ExplanationStep(code, subject, text)


class _Asked:
    """One question, and the workers that may still be asked it, the best first."""

    def __init__(self, workers: Workers, message: dict[str, Any], order: list[int]) -> None:
        self.message = message
        self.result: Future[Explained] = Future()
        self.result.set_running_or_notify_cancel()  # a client that goes away ends nothing
        self._workers, self._order = workers, order
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(EXPLAINED_S, self.fail, TimeoutError())
        self._next: asyncio.TimerHandle | None = None

    def ask_next(self) -> None:
        self._workers.tell(self.message, self._order.pop(0))
        self._next = asyncio.get_running_loop().call_later(NEXT_S, self.ask_next) if self._order else None

    def settle(self, explained: Explained) -> None:
        self._stop()
        self.result.set_result(explained)

    def fail(self, error: Exception) -> None:
        self._stop()
        self.result.set_exception(error)

    def _stop(self) -> None:
        self._end.cancel()
        if self._next is not None:
            self._next.cancel()


def _instances(service: Service) -> str:
    told = [f"{each.id or each.label or '?'} at {each.address}" for each in service.instances[:INSTANCES_TOLD_MAX]]
    return (", ".join(told) + ", …" * (len(service.instances) > INSTANCES_TOLD_MAX)) or "no instance"
