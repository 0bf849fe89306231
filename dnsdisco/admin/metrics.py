"""The metrics, in Prometheus's text form. Names are dnsdisco_<room>_<noun>_<unit|total>; docs/http.md lists them all.

No label takes its values from clients: types and rcodes are the known mnemonics, reasons a bounded set, providers those configured.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from dnsdisco.admin import worker_metrics
from dnsdisco.admin.control_client import Figures
from dnsdisco.control.facts import PROBLEMS, ProviderView, STATES, UPSTREAM_STATES, UpstreamView
from dnsdisco.control.statistics import ControlStatistics
from dnsdisco.model.public import public_url

MEDIA_TYPE = "text/plain; version=0.0.4"
EVENTS = ("evicted", "not_read", "silent", "strangers", "too_many_watchers")  # what connections of HTTP end with

_PROVIDER: tuple[tuple[str, str, Callable[[ProviderView], float | None]], ...] = (
    ("contact_age_seconds", "Since the backend was last known to be there: 0 while it is.", lambda each: each.contact_age_s),
    ("view_age_seconds", "Since its services last came or were confirmed.", lambda each: each.view_age_s),
    ("services", "Services in its last good view.", lambda each: each.services),
    ("instances", "Instances in its last good view.", lambda each: each.instances),
    ("rejected_objects", "Objects of that view that cannot be used; the log names them.", lambda each: each.rejected),
    ("held_services", "Services kept though its last view lacks them, until a second look.", lambda each: each.held),
    ("index", "What the backend calls the state that was read, where that is a number.", lambda each: _number(each.index)),
)

Requests = Mapping[tuple[str, int], int]
Events = Mapping[str, int]


class MetricsText:
    """The page, made once for all that ask within the same moment. *requests* and *events* go on being counted."""

    def __init__(self, requests: Requests, events: Events, version: str) -> None:
        self._requests, self._events, self._version = requests, events, version
        self._figures: Figures | None = None
        self._text = b""

    def of(self, figures: Figures) -> bytes:
        if figures is not self._figures:
            self._figures, self._text = figures, text(figures, self._requests, self._version, self._events)
        return self._text


def text(figures: Figures, requests: Requests, version: str, events: Events) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Collected(figures, requests, version, events))
    ProcessCollector(namespace="dnsdisco_control", registry=registry)
    return generate_latest(registry)


def families(figures: Figures, requests: Requests, version: str, events: Events) -> Iterator[Metric]:
    yield InfoMetricFamily("dnsdisco_build", "What runs here.", {"version": version, "python": platform.python_version()})
    yield from _control(figures)
    yield from _providers(figures.view.providers)
    yield from worker_metrics.families(figures.totals)
    yield from _upstreams(figures.upstreams)
    family = CounterMetricFamily("dnsdisco_admin_requests_total", "HTTP requests, by page and status.", labels=("page", "status"))
    for (page, status), count in sorted(requests.items()):
        family.add_metric((page, str(status)), count)
    yield family
    help_text = "HTTP connections that were ended or refused, by reason: " + ", ".join(EVENTS) + "."
    family = CounterMetricFamily("dnsdisco_admin_connection_events_total", help_text, labels=("event",))
    for event in EVENTS:
        family.add_metric((event,), events.get(event, 0))
    yield family


class _Collected(Collector):
    def __init__(self, *arguments: object) -> None:
        self._arguments = arguments

    def collect(self) -> Iterator[Metric]:
        yield from families(*self._arguments)  # type: ignore[arg-type]


def _control(figures: Figures) -> Iterator[Metric]:
    view = figures.view
    levels: tuple[tuple[str, str, float], ...] = (
        ("start_time_seconds", "When the control process started (unix time).", view.started),
        ("is_ready", "1 once the start is complete.", view.is_ready),
        (
            "missing_parts",
            "What is not as it should be now: providers out of contact, workers without a catalog.",
            len(view.missing),
        ),
        ("catalog_serial", "Serial of the SOA.", view.serial),
        ("catalog_services", "Services that are published.", view.services),
        ("catalog_instances", "Instances of these services.", view.instances),
        ("checked_instances", "Instances that are checked from here.", view.checked),
        ("failing_instances", "Of these: those whose check fails.", view.failing),
    )
    lacking = Counter(each.code for each in view.problems)
    problems = GaugeMetricFamily("dnsdisco_control_problems", "What the server lacks, as `/v1/status` names it.", labels=("code",))
    for code in PROBLEMS:
        problems.add_metric((code,), lacking[code])
    yield problems
    for name, help_text, value in levels:
        yield GaugeMetricFamily(f"dnsdisco_control_{name}", help_text, float(value))
    yield from worker_metrics.plain(ControlStatistics.declared(), figures.control)


def _providers(providers: tuple[ProviderView, ...]) -> Iterator[Metric]:
    state = GaugeMetricFamily("dnsdisco_control_provider_state", "1 for the state that it is in.", labels=("provider", "state"))
    errors = CounterMetricFamily("dnsdisco_control_provider_errors_total", "Failed attempts to reach it.", labels=("provider",))
    for provider in providers:
        for word in STATES:
            state.add_metric((provider.name, word), float(provider.state == word))
        errors.add_metric((provider.name,), provider.errors)
    yield state
    yield errors
    for name, help_text, value_of in _PROVIDER:
        family = GaugeMetricFamily(f"dnsdisco_control_provider_{name}", help_text, labels=("provider",))
        for provider in providers:
            if (value := value_of(provider)) is not None:
                family.add_metric((provider.name,), value)
        yield family


def _upstreams(upstreams: Iterable[UpstreamView]) -> Iterator[Metric]:
    state = GaugeMetricFamily("dnsdisco_forward_upstream_state", "1 for the state that it is in.", labels=("address", "state"))
    rtt = GaugeMetricFamily(
        "dnsdisco_forward_upstream_rtt_seconds",
        "Smoothed time from a question to its answer, the mean of the workers.",
        labels=("address",),
    )
    of_addresses = {each.address: each for each in upstreams}
    for address, each in list(of_addresses.items())[: worker_metrics.REASONS_MAX]:
        for word in UPSTREAM_STATES:
            state.add_metric((public_url(address), word), float(each.state == word))
        if each.rtt_ms is not None:
            rtt.add_metric((public_url(address),), each.rtt_ms / 1000)
    yield state
    yield rtt


def _number(index: str) -> float | None:
    return float(index) if index.isdecimal() and index.isascii() else None
