"""Why a name gets the answer that it gets: the steps that the answering code took for one question, and the answer itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dnsdisco.answer import narration, reasons
from dnsdisco.answer.trace import Step, STEPS_MAX, Trace
from dnsdisco.wire import parse
from dnsdisco.wire.constants import IN, NXDOMAIN, RD
from dnsdisco.wire.edns import opt_record
from dnsdisco.wire.name import from_text, Labels
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.settings import ZoneSettings


class Explanation(NamedTuple):
    """`reply`: the message that the client gets. `did_you_mean`: whole names, where there is none like the one asked for. `serial`: of the
    catalog that this was read from."""

    reply: bytes
    steps: tuple[Step, ...]
    did_you_mean: tuple[str, ...]
    serial: int


def message_for(name: str, qtype: int) -> bytes:
    """The query that an explanation is asked with. Raises WireError for what is no name."""
    question = from_text(name) + qtype.to_bytes(2, "big") + IN.to_bytes(2, "big")
    return b"\0\0" + RD.to_bytes(2, "big") + b"\0\1\0\0\0\0\0\1" + question + opt_record()


class Explaining:
    """One explanation in the making: `take` is where the reply goes. *done* is called once, whatever comes of it."""

    def __init__(
        self, done: Callable[[Explanation], None], trace: Trace, labels: Labels, catalog: Catalog, zones: ZoneSettings
    ) -> None:
        self.trace = trace
        self._done: Callable[[Explanation], None] | None = done
        self._labels, self._catalog, self._zones = labels, catalog, zones

    def take(self, reply: bytes) -> None:
        """A second reply comes where *done* itself has failed, and is passed over."""
        done, self._done = self._done, None
        if done is not None:
            done(_explanation(self.trace, self._labels, self._catalog, self._zones, reply))


def _explanation(trace: Trace, labels: Labels, catalog: Catalog, zones: ZoneSettings, reply: bytes) -> Explanation:
    """The steps of *trace* from the name *labels* to *reply*, and the reasons that are in the reply itself."""
    name = reasons.text_of(labels)
    narration.errors(trace, name, parse.errors(reply, STEPS_MAX))
    steps = list(trace.steps)
    if trace.omitted:
        steps.append(Step("limit", name, f"{trace.omitted} more steps are left out"))
    zone = zones.zone_of(labels)
    meant: list[Labels] = []
    if zone is not None and reply[3] & 15 == NXDOMAIN:
        meant = [(*path, *zone) for path in reasons.names_like(catalog, labels[: len(labels) - len(zone)])]
    return Explanation(reply, tuple(steps), tuple(map(reasons.text_of, meant)), catalog.serial)
