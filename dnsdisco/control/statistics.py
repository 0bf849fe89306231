"""Writes the counters to the log on SIGUSR1, a line for each part of the server."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Annotated

from dnsdisco.control.counters import Totals
from dnsdisco.control.facts import ControlFacts
from dnsdisco.control.log import Logger
from dnsdisco.control.parameters import ControlParameters
from dnsdisco.control.publisher import Publisher
from dnsdisco.counted import Counted


class ControlStatistics(Counted, names="", metrics="control_"):
    """Control's own counters."""

    restarts: Annotated[int, "Control processes started anew."] = 0
    wholes_sent: Annotated[int, "Whole catalogs sent to workers: at their starts, after gaps and for large changes."] = 0
    backlogs_dropped: Annotated[int, "Times a worker did not read, so that it was sent the whole later."] = 0
    log_lines_lost: Annotated[int, "Log lines of the control process that could not be written."] = 0


def write(log: Logger, view: ControlFacts, totals: Totals, figures: Mapping[str, int]) -> None:
    """Log the figures, without those that are zero."""
    log.info("statistics", part="catalog", serial=view.serial, services=view.services, instances=view.instances)
    for each in view.providers:
        log.info("statistics", part="provider", provider=each.name, state=each.state, services=each.services, errors=each.errors)
    log.info("statistics", part="control", **figures)
    rcodes: Counter[str] = Counter()
    for (_, rcode), count in totals.answers.items():
        rcodes[rcode] += count
    log.info("statistics", part="answers", **rcodes)
    parts: dict[str, dict[str, int]] = defaultdict(dict)
    for name, count in sorted({**totals.counts, **totals.levels}.items()):
        part, _, key = name.rpartition(".")
        if count and name != "serial":
            parts[part or "workers"][key] = count
    for part, counts in parts.items():
        log.info("statistics", part=part, **counts)


def figures(parameters: ControlParameters, publisher: Publisher) -> dict[str, int]:
    """Control's own counters, by names for the metrics."""
    counted = ControlStatistics()
    counted.restarts = parameters.restarts
    counted.wholes_sent = publisher.wholes_sent
    counted.backlogs_dropped = sum(link.backlogs_dropped for link in publisher.links)
    counted.log_lines_lost = 0 if parameters.lines is None else parameters.lines.lost
    return counted.figures()
