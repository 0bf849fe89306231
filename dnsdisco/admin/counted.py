"""The metrics of what the workers count: the names of their statistics, and what each says. server/worker.py makes the statistics.

A name that is not here is not told; tests/admin/test_metrics.py asks a real worker for all that it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from dnsdisco.control.counters import OTHER, Totals

REASONS_MAX = 64  # of one kind; the rarest are told together as OTHER
LATENCY = "latency.us."  # then the upper bound of the bucket in microseconds, or `inf`
LATENCY_SUM = "latency.sum_us"

FORWARD = {
    "questions": "Exchanges with upstreams that were begun.",
    "shared": "Questions that joined an exchange that was on its way.",
    "shed": "Questions refused because too many were on their way.",
    "shed_dead": "Of the refused ones: every upstream is dead, and some were waiting already.",
    "jostled": "Questions ended early, to make room for newer ones.",
    "failed": "Exchanges that ended without a usable reply.",
    "deadline": "Of the failed ones: nobody answered in time.",
    "sent_udp": "Datagrams sent to upstreams, repeats included.",
    "sent_stream": "Questions sent to upstreams over TCP or TLS.",
    "repeats": "Datagrams sent again because no reply came.",
    "hedged": "Times the next upstream was asked because one was late.",
    "denials_held": "Denials of a later upstream that waited for a better-placed one.",
    "denials_believed": "Denials of a later upstream that were sent, for the better-placed one said nothing or failed.",
    "wrong_replies": "Datagrams passed over: no reply to our question.",
    "near_misses": "Replies with a wrong id: somebody may be guessing.",
    "doubtful": "Replies that only TCP could settle.",
    "other_case": "Of the doubtful ones: the name came back in another case.",
    "floods": "Sockets given up because of too many wrong replies.",
    "truncated": "Replies with TC.",
    "unhelpful": "Replies with SERVFAIL or REFUSED, and referrals.",
    "without_edns": "Questions repeated without EDNS, which was rejected or never answered.",
    "connections": "TCP and TLS connections opened to upstreams.",
    "connections_lost": "Of these: ended while a question was on them.",
    "connections_doubted": "Of these: silent while a question was on them, which was asked on another one.",
    "streams_full": "Questions that found every connection full.",
    "local_errors": "Sockets that the system would not give.",
    "died": "Upstreams declared dead.",
    "revived": "Upstreams that came back.",
    "probes": "Questions asked to see whether an upstream is there.",
    "own": "Upstreams that were found to be this server itself.",
    "loops": "Upstreams that were found to lead back to this server.",
    "loop_probes": "Questions asked to find that out.",
}
CACHE = {
    "hits": "Answers from the cache.",
    "misses": "Questions that an upstream had to be asked for, or that joined one on its way.",
    "negatives": "Of the hits: NXDOMAIN and NODATA.",
    "stale": "Answers past their end, given because no upstream answered (RFC 8767).",
    "failures": "SERVFAIL without asking, because asking had just failed (RFC 9520).",
    "prefetches": "Busy names asked for anew before their end.",
    "kept": "Replies that went into the cache.",
    "unusable": "Replies that could not be used: malformed, or beyond what one may hold.",
    "distrusted": "Records left out of replies: not of the question's own chain.",
    "withheld": "Answers with private addresses of public names that were not given (rebind protection).",
    "shed": "Questions answered with SERVFAIL because too many of them waited.",
    "shed_of_client": "Questions answered with SERVFAIL because too many of one client waited.",
    "evictions": "Entries that made room for others.",
}
SERVER = {
    "log_lines_lost": "Log lines of workers that could not be written: their reader has gone, or the disk is full.",
    "internal_errors": "Faults of dnsdisco itself in a worker; each is in the log.",
    "udp.dropped": "Queries over UDP that were dropped, for so many waited that the table of compiled answers does not hold.",
    "udp.cut": "Replies over UDP that were cut to what the client can take (TC).",
    "udp.unsent": "Replies that the kernel would not take.",
    "certificate.changes": "Certificates taken into use by encrypted listeners: one for each worker at its start, then the renewed ones.",
    "certificate.refused": "Certificates that could not be used; the log says why.",
}
TRANSPORTS = ("tcp", "tls", "https")
LEVELS = {
    "forward.pending": ("forward_pending_queries", "Different questions on their way to upstreams."),
    "in_flight": ("server_waiting_queries", "Queries that wait for an upstream."),
    "cache.entries": ("cache_entries", "Forwarded answers that are kept."),
    "cache.octets": ("cache_size_bytes", "Size of the forwarded answers that are kept."),
    "cache.failures_kept": ("cache_failure_entries", "Failed questions that are remembered."),
    "rate_limit.networks": ("server_rate_limited_networks", "Networks whose answers are counted for the rate limit."),
}
KINDS = {
    "faults": ("server_faults", "reason", "Queries that were dropped or failed, by reason."),
    "forgotten": (
        "server_forgotten",
        "table",
        "Times a full table made room: a compiled answer, or all of the denials, cookies, clients or networks at once.",
    ),
    "rate_limit": (
        "server_rate_limited",
        "outcome",
        "Answers over UDP that went beyond the rate limit: dropped, or slipped (told to come over TCP).",
    ),
    "link": (
        "server_link_events",
        "event",
        "Messages from control, and what went wrong with them (resyncs: the whole was asked for).",
    ),
}


def families(totals: Totals) -> Iterator[Metric]:
    answers = CounterMetricFamily("dnsdisco_server_answers_total", "Answers sent, by type and rcode.", labels=("type", "rcode"))
    for (rtype, rcode), count in sorted(totals.answers.items()):
        answers.add_metric((rtype, rcode), count)
    yield answers
    yield _latency(totals.counts)
    for room, names in (("forward", FORWARD), ("cache", CACHE)):
        for name, told in names.items():
            yield CounterMetricFamily(f"dnsdisco_{room}_{name}_total", told, totals.counts.get(f"{room}.{name}", 0))
    for name, told in SERVER.items():
        yield CounterMetricFamily(f"dnsdisco_server_{name.replace('.', '_')}_total", told, totals.counts.get(name, 0))
    for name, (metric, told) in LEVELS.items():
        yield GaugeMetricFamily(f"dnsdisco_{metric}", told, totals.levels.get(name, 0))
    yield from _streams(totals)
    for kind, (metric, label, told) in KINDS.items():
        family = CounterMetricFamily(f"dnsdisco_{metric}_total", told, labels=(label,))
        for reason, count in sorted(_bounded(totals.counts, f"{kind}.").items()):
            family.add_metric((reason,), count)
        yield family
    yield from _workers(totals)


def is_told(name: str) -> bool:
    """A worker's statistic is in one of the metrics."""
    kind, _, rest = name.partition(".")
    return (
        name in SERVER
        or name in LEVELS
        or name == "serial"
        or kind in (*KINDS, *TRANSPORTS, "answers", "latency")
        or (kind == "forward" and rest in FORWARD)
        or (kind == "cache" and rest in CACHE)
    )


def _streams(totals: Totals) -> Iterator[Metric]:
    told = "Connections of clients, by what is spoken on them."
    level = GaugeMetricFamily("dnsdisco_server_tcp_connections", told, labels=("transport",))
    told = "Connections accepted and refused, handshakes, questions asked on them, and why they ended."
    events = CounterMetricFamily("dnsdisco_server_tcp_events_total", told, labels=("transport", "event"))
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
    told = "From reading a query over UDP to sending its answer, of a sample."
    return HistogramMetricFamily("dnsdisco_server_answer_seconds", told, buckets, counts.get(LATENCY_SUM, 0) / 1e6)


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
