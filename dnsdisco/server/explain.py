"""Why a name gets the answer that it gets: the steps that the answering code took for one question, and the answer itself."""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.answer import narration, reasons
from dnsdisco.answer.trace import Step, STEPS_MAX, Trace
from dnsdisco.wire import parse
from dnsdisco.wire.constants import IN, NXDOMAIN, RD
from dnsdisco.wire.edns import opt_record
from dnsdisco.wire.name import from_text
from dnsdisco.wire.query import Query
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


def explanation_of(trace: Trace, query: Query, reply: bytes, catalog: Catalog, zones: ZoneSettings) -> Explanation:
    """What *trace* has of the way to *reply*, and the reasons that are in the reply itself."""
    narration.errors(trace, reasons.text_of(query.labels), parse.errors(reply, STEPS_MAX))
    steps = list(trace.steps)
    if trace.omitted:
        steps.append(Step("limit", reasons.text_of(query.labels), f"{trace.omitted} more steps are left out"))
    meant: tuple[str, ...] = ()
    zone = zones.zone_of(query.labels)
    if zone is not None and reply[3] & 15 == NXDOMAIN:
        name = query.labels[: len(query.labels) - len(zone)]
        meant = tuple(reasons.text_of((*path, *zone)) for path in reasons.names_like(catalog, name))
    return Explanation(reply, tuple(steps), meant, catalog.serial)
