"""The metrics of the workers' counters, made from their declarations (dnsdisco/counted.py).

A name that is not declared is left out; tests/admin/test_metrics.py asks a real worker for all that it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from dnsdisco.control.counters import DECLARED, OTHER, Totals
from dnsdisco.counted import Declared
from dnsdisco.forward.statistics import BY_LABEL as OF_UPSTREAMS
from dnsdisco.server.statistics import BY_LABEL as OF_WORKERS
from dnsdisco.server.statistics import LATENCY, LATENCY_SUM, TRANSPORTS

BY_LABEL = (*OF_WORKERS, *OF_UPSTREAMS)
REASONS_MAX = 64  # of one kind; the rarest are shown together as OTHER


def families(totals: Totals) -> Iterator[Metric]:
    answers = CounterMetricFamily("dnsdisco_server_answers_total", "Answers sent, by type and rcode.", labels=("type", "rcode"))
    for (rtype, rcode), count in sorted(totals.answers.items()):
        answers.add_metric((rtype, rcode), count)
    yield answers
    yield _latency(totals.counts)
    yield from plain(DECLARED, {**totals.counts, **totals.levels})
    yield from _streams(totals)
    for kind in BY_LABEL:
        family = CounterMetricFamily(f"dnsdisco_{kind.metric}", kind.help_text, labels=(kind.label,))
        for reason, count in sorted(_bounded(totals.counts, f"{kind.name}.").items()):
            family.add_metric((reason,), count)
        yield family
    yield from _workers(totals)


def plain(declared: Iterable[Declared], figures: Mapping[str, int]) -> Iterator[Metric]:
    """A metric for each of *declared*, without labels."""
    for each in declared:
        if each.metric:
            family = GaugeMetricFamily if each.is_level else CounterMetricFamily
            yield family(f"dnsdisco_{each.metric}", each.help_text, figures.get(each.name, 0))


def is_shown(name: str) -> bool:
    """A worker's statistic is in one of the metrics."""
    kind, _, _ = name.partition(".")
    return kind in (*(each.name for each in BY_LABEL), *TRANSPORTS, "answers", "latency") or any(
        name == each.name for each in DECLARED
    )


def _streams(totals: Totals) -> Iterator[Metric]:
    help_text = "Connections of clients, by what is spoken on them."
    level = GaugeMetricFamily("dnsdisco_server_tcp_connections", help_text, labels=("transport",))
    help_text = "Connections accepted and refused, handshakes, questions asked on them, and why they ended."
    events = CounterMetricFamily("dnsdisco_server_tcp_events_total", help_text, labels=("transport", "event"))
    for transport in TRANSPORTS:
        level.add_metric((transport,), totals.levels.get(f"{transport}.open", 0))
        counts = {name: count for name, count in totals.counts.items() if name.startswith(f"{transport}.")}
        for event, count in sorted(_bounded(counts, f"{transport}.").items()):
            events.add_metric((transport, event), count)
    yield level
    yield events


def _latency(counts: Mapping[str, int]) -> Metric:
    bounds = {name.removeprefix(LATENCY): count for name, count in counts.items() if name.startswith(LATENCY)}
    buckets: list[tuple[str, float]] = []
    seen = 0
    for bound in sorted((bound for bound in bounds if bound.isdecimal()), key=int):
        seen += bounds[bound]
        buckets.append((repr(int(bound) / 1e6), seen))
    buckets.append(("+Inf", seen + bounds.get("inf", 0)))
    help_text = "From reading a query over UDP to sending its answer, of a sample."
    return HistogramMetricFamily("dnsdisco_server_answer_seconds", help_text, buckets, counts.get(LATENCY_SUM, 0) / 1e6)


def _bounded(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    """The counts behind *prefix*, by the rest of their names."""
    found = [(count, name.removeprefix(prefix)) for name, count in counts.items() if name.startswith(prefix)]
    found.sort(reverse=True)
    kept = {name: count for count, name in found[:REASONS_MAX]}
    if rest := sum(count for count, _ in found[REASONS_MAX:]):
        kept[OTHER] = kept.get(OTHER, 0) + rest
    return kept


def _workers(totals: Totals) -> Iterator[Metric]:
    yield GaugeMetricFamily("dnsdisco_server_workers", "Worker processes.", len(totals.workers))
    yield CounterMetricFamily("dnsdisco_server_restarts_total", "Worker processes started anew.", totals.restarts)
    started = GaugeMetricFamily("dnsdisco_server_start_time_seconds", "When the worker started (unix time).", labels=("worker",))
    serial = GaugeMetricFamily("dnsdisco_server_catalog_serial", "Serial that the worker answers from.", labels=("worker",))
    for worker in totals.workers:
        if worker.started is not None:
            started.add_metric((str(worker.number),), worker.started)
            serial.add_metric((str(worker.number),), worker.serial)
    yield started
    yield serial
