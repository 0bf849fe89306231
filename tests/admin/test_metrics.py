"""The metrics: all documented, well named, of bounded labels, escaped; and all that a worker counts is among them."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path
from typing import Annotated, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dnsdisco.admin import metrics, worker_metrics
from dnsdisco.admin.control_client import Figures
from dnsdisco.control.counters import DECLARED, LEVELS, Totals, WorkerFigures
from dnsdisco.control.facts import ControlFacts, ProviderView, STATES, UpstreamView
from dnsdisco.counted import Counted, Level
from dnsdisco.server.worker import Worker, WorkerParameters
from dnsdisco.wire.constants import RCODES, TYPES
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc

DOCUMENT = Path(__file__).parents[2] / "docs" / "http.md"
ODD = 'od"d\n\\name {}'
ROOMS = "build|control|server|forward|cache|admin"
UNITS = "total|seconds|bytes|info|state|ready|parts|problems|serial|services|instances|objects|index|queries|connections|entries|workers|fds|networks"  # a count has what is counted as its unit

Sample = tuple[str, frozenset[tuple[str, str]]]


def provider(name: str = "consul", **more: Any) -> ProviderView:
    values: dict[str, Any] = {
        "name": name, "type": name, "state": "up", "is_optional": False, "contact_age_s": 0.0, "view_age_s": 3.5, "last_error": "",
        "last_error_age_s": None, "errors": 2, "services": 3, "instances": 4, "rejected": 1, "held": 0, "index": "4711",
        "is_restored": False,
    }  # fmt: skip
    return ProviderView(**{**values, **more})


def figures(*providers: ProviderView, counts: dict[str, int] | None = None, **more: Any) -> Figures:
    view = ControlFacts(7, 1e9, True, (), providers, 3, 4, 2, 1, 0)
    values: dict[str, Any] = {"counts": counts or {}, "levels": {}, "answers": {}, "restarts": 0, "workers": ()}
    upstream = UpstreamView("192.0.2.1:53", ".", "up", 4.0, 2, 1, "")
    return Figures(view, Totals(**{**values, **more}), {"restarts": 1}, (upstream,))


def samples(text: bytes) -> dict[Sample, float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def full() -> Figures:
    return figures(
        provider(),
        counts={
            "faults.no question": 1,
            "tcp.accepted": 1,
            "link.messages": 1,
            "rate_limit.dropped": 1,
            "forgotten.answers": 1,
            "upstream_asked.192.0.2.1:53": 2,
            "upstream_failed.192.0.2.1:53": 1,
            "latency.us.50": 1,
            "latency.us.inf": 1,
            "latency.sum_us": 9,
        },
        answers={("A", "NOERROR"): 5},
        workers=(WorkerFigures(0, 1e9, 7),),
    )


def names(text: bytes) -> set[str]:
    """As a person sees them: a counter with its suffix, a histogram without."""
    found = set()
    for family in text_string_to_metric_families(text.decode()):
        found.add({"counter": f"{family.name}_total", "info": f"{family.name}_info"}.get(family.type, family.name))
    return found


def test_every_metric_is_documented_and_every_documented_one_is_there() -> None:
    rows = re.findall(r"^\| `(dnsdisco_\w+)`(.*)$", DOCUMENT.read_text(), re.MULTILINE)
    documented = [name for name, _ in rows]
    assert len(documented) == len(set(documented))
    there = names(metrics.text(full(), {("/health", 200): 1}, "1.0", {}))
    assert set(documented) == there


def test_the_documented_labels_are_those_there_are() -> None:
    labels: dict[str, set[str]] = {}
    for name, pairs in samples(metrics.text(full(), {("/health", 200): 1}, "1.0", {})):
        labels.setdefault(re.sub(r"_(bucket|sum|count)$", "", name), set()).update(key for key, _ in pairs if key != "le")
    for name, column in re.findall(r"^\| `(dnsdisco_\w+)` \| ([^|]*) \|", DOCUMENT.read_text(), re.MULTILINE):
        assert set(re.findall(r"`(\w+)`", column)) == labels[name], name


def test_names_say_room_noun_and_unit() -> None:
    for name in names(metrics.text(full(), {}, "1.0", {})):
        assert re.fullmatch(rf"dnsdisco_({ROOMS})_(\w+_)?({UNITS})", name), name


def test_names_of_providers_cannot_break_out_of_their_labels() -> None:
    found = samples(metrics.text(figures(provider(ODD)), {}, 'v"1\n', {}))
    assert found["dnsdisco_control_provider_services", frozenset({("provider", ODD)})] == 3
    assert found["dnsdisco_build_info", frozenset({("version", 'v"1\n'), ("python", __import__("platform").python_version())})] == 1


def test_the_state_of_a_provider_is_one_of_five() -> None:
    found = samples(metrics.text(figures(provider(state="denied", view_age_s=None, index="k8s-x")), {}, "", {}))
    states = {dict(labels)["state"]: value for (name, labels), value in found.items() if name == "dnsdisco_control_provider_state"}
    assert states == {word: float(word == "denied") for word in STATES}
    assert not [name for name, _ in found if name.endswith(("provider_index", "provider_view_age_seconds"))]


def test_reasons_are_bounded_and_none_is_lost() -> None:
    counts = {f"faults.reason {number}": number + 1 for number in range(1000)}
    found = samples(metrics.text(figures(counts=counts), {}, "", {}))
    faults = {dict(labels)["reason"]: value for (name, labels), value in found.items() if name == "dnsdisco_server_faults_total"}
    assert len(faults) == worker_metrics.REASONS_MAX + 1
    assert sum(faults.values()) == sum(counts.values())
    assert faults["reason 999"] == 1000


def test_the_histogram_adds_up() -> None:
    counts = {"latency.us.50": 4, "latency.us.100": 3, "latency.us.1000": 2, "latency.us.inf": 1, "latency.sum_us": 5_000_000}
    found = samples(metrics.text(figures(counts=counts), {}, "", {}))
    name = "dnsdisco_server_answer_seconds"
    buckets = {dict(labels)["le"]: value for (told, labels), value in found.items() if told == f"{name}_bucket"}
    assert buckets == {"5e-05": 4, "0.0001": 7, "0.001": 9, "+Inf": 10}
    assert found[f"{name}_count", frozenset()] == 10
    assert found[f"{name}_sum", frozenset()] == 5.0


def test_types_and_rcodes_are_the_known_ones_in_any_case() -> None:
    assert len(TYPES) < 100
    assert len(RCODES) < 30


def test_all_that_a_worker_counts_is_told() -> None:
    settings = {"zones": ["svc.local"], "forward": {"upstreams": ["192.0.2.1"]}, "acl": {"allow": ["127.0.0.0/8"]}}

    async def made() -> Worker:
        from dnsdisco.config.reading import checked
        from dnsdisco.settings.forms import for_workers

        plain = for_workers(checked(settings))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, socket.create_server(("127.0.0.1", 0)) as tls:
            worker = Worker(WorkerParameters(0, [("tls", tls, "")], theirs, plain, lambda _: None, bytes(16)))
            running = asyncio.ensure_future(worker.run())
            await asyncio.sleep(0.05)
            statistics.update(worker.statistics())
            worker.stop()
            await running
        return worker

    statistics: dict[str, int] = {}
    asyncio.run(made())
    assert len(statistics) > 40
    assert not [name for name in statistics if not worker_metrics.is_shown(name)]
    assert {f"{transport}.open" for transport in ("tcp", "tls")} <= statistics.keys()
    assert {each.name for each in DECLARED} <= statistics.keys()


def test_a_planted_counter_is_told_with_nothing_but_its_declaration() -> None:
    class Planted(Counted, names="planted.", metrics="server_planted_"):
        sown: Annotated[int, "Seeds in the ground."] = 0
        growing: Annotated[int, Level("Plants that grow.", "server_growing_entries")] = 0

    class Field(Planted):
        """Counts what its base declares, and has attributes of its own."""

        size_m: int = 7

    field = Field()
    field.sown += 3
    field.growing = 2
    assert field.figures() == {"planted.sown": 3, "planted.growing": 2}
    assert Planted.sums([field, field]) == {"planted.sown": 6, "planted.growing": 4}
    told = {
        each.name: (each.type, each.documentation, each.samples[0].value)
        for each in worker_metrics.plain(Planted.declared(), field.figures())
    }
    assert told == {
        "dnsdisco_server_planted_sown": ("counter", "Seeds in the ground.", 3),
        "dnsdisco_server_growing_entries": ("gauge", "Plants that grow.", 2),
    }


def test_what_falls_is_no_total() -> None:
    assert {each.name for each in DECLARED if each.is_level} <= LEVELS
    assert not {each.name for each in DECLARED if not each.is_level} & LEVELS
    assert len({each.name for each in DECLARED}) == len(DECLARED)


@pytest.mark.parametrize("name", ["forward.nosuch", "cache.nosuch", "nosuch"])
def test_a_statistic_without_a_metric_would_be_noticed(name: str) -> None:
    assert not worker_metrics.is_shown(name)


def test_a_scrape_of_a_running_server_over_a_worker_s_restart() -> None:
    async def scenario(bench: HttpBench) -> None:
        async def scraped() -> dict[Sample, float]:
            await asyncio.sleep(0.3)
            reply = await bench.get("/metrics")
            assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
            return samples(reply.content)

        answers = ("dnsdisco_server_answers_total", frozenset({("type", "A"), ("rcode", "NOERROR")}))
        restarts = ("dnsdisco_server_restarts_total", frozenset())
        bench.worker.say("counters", life=1, counters={"answers.1.0": 10, "serial": 5})
        first = await scraped()
        assert (first[answers], first[restarts]) == (10, 0)
        assert first["dnsdisco_control_provider_state", frozenset({("provider", "p"), ("state", "up")})] == 1
        assert first["dnsdisco_control_catalog_services", frozenset()] == 1
        bench.worker.say("hello", serial=0)
        bench.worker.say("counters", life=2, counters={"answers.1.0": 1, "serial": 5})
        second = await scraped()
        assert (second[answers], second[restarts]) == (11, 1)
        assert bench.said("keep")[-1]["kept"]["counted"]["past"] == {"answers.1.0": 10}
        assert second["dnsdisco_admin_requests_total", frozenset({("page", "/metrics"), ("status", "200")})] == 1

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}), scenario)
