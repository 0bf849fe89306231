"""/v1/status and /v1/upstreams: each state and each code of a problem, from its real cause as far as control knows it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.control import counters, upstreams
from dnsdisco.control.facts import UpstreamView
from dnsdisco.errors import ConfigError, Problem, ProviderError
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc, until, with_bench


def row(address: str = "192.0.2.1:53", **more: Any) -> dict[str, Any]:
    plain = {
        "address": address,
        "zones": ["."],
        "state": "up",
        "rtt_ms": 2.0,
        "asked": 5,
        "failed": 1,
        "last_error": "",
        "error_age_s": 0,
    }
    return plain | more


async def status_when(bench: HttpBench, condition: Any) -> Any:
    """The page, once *condition* holds for it."""
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        page = await bench.plain("/v1/status")
        if condition(page):
            return page
        await asyncio.sleep(0.05)
    raise AssertionError(page)


def codes(page: Any) -> list[tuple[str, str]]:
    return [(each["code"], each["subject"]) for each in page["problems"]]


def test_a_server_that_is_well() -> None:
    async def scenario(bench: HttpBench) -> None:
        bench.worker.say(
            "counters", life=1, pid=4711, counters={"answers.1.0": 40, "answers.28.3": 2, "other": 9}, upstreams=[row()]
        )
        page = await status_when(bench, lambda page: page["workers"][0]["pid"])
        assert (page["version"], page["state"], page["problems"]) == (1, "well", [])
        serial = bench.worker.serial
        assert page["zones"] == [{"name": "svc.local", "serial": serial, "services": 2, "instances": 2}]
        assert page["workers"] == [{"number": 0, "pid": 4711, "state": "up", "serial": serial, "queries": 42}]
        provider = {
            "name": "p",
            "type": "p",
            "state": "up",
            "services": 2,
            "instances": 2,
            "rejected": 0,
            "age_s": 0,
            "last_error": "",
        }
        assert page["providers"] == [provider]
        assert page["config"] == {"file": None, "found": False}
        upstream = {"address": "192.0.2.1:53", "zone": ".", "state": "up", "rtt_ms": 2.0, "asked": 5, "failed": 1, "last_error": ""}
        assert page["upstreams"] == [upstream]
        assert await bench.plain("/v1/upstreams") == {"version": 1, "upstreams": [upstream]}

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1"), svc("db", "10.0.0.2")))}), scenario)


def test_sick_instances_are_no_lack_of_the_server() -> None:
    from dnsdisco.model.service import Health, Instance, Service

    async def scenario(bench: HttpBench) -> None:
        assert (await bench.plain("/v1/status"))["state"] == "well"

    sick = Service("web", instances=(Instance("a", "10.0.0.1", health=Health.CRITICAL),))
    with_http(HttpBench({"p": Scripted(snapshot(sick))}), scenario)


def test_it_starts_and_a_provider_is_missing_since_then() -> None:
    async def begun(bench: Any) -> None:
        await until(lambda: bench.url and bench.control.view().providers[1].state == "never_synced" and bench.worker.entries)
        page = await bench.plain("/v1/status")
        assert page["state"] == "starting"
        assert ("provider", "q") in codes(page)
        await until(lambda: bench.said("ready"))
        page = await status_when(bench, lambda page: page["state"] == "degraded")
        (problem,) = page["problems"]
        assert problem["text"] == "never_synced: connection refused"
        await asyncio.sleep(0.6)
        assert (await bench.plain("/v1/status"))["problems"][0]["since"] == problem["since"]
        bench.providers["q"].then(snapshot())
        await status_when(bench, lambda page: page["state"] == "well")

    down = Scripted(ProviderError("q", "connection refused"))
    with_bench(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1"))), "q": down}, startup_timeout=1.0), begun)


def test_a_worker_without_a_catalog_and_one_that_is_not_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "SILENCE_S", 0.3)

    async def scenario(bench: HttpBench) -> None:
        bench.workers[1].is_silent = True
        bench.workers[1].say("hello", serial=0)
        page = await status_when(bench, lambda page: page["problems"])
        assert codes(page) == [("worker", "1")]
        assert [worker["state"] for worker in page["workers"]] == ["up", "starting"]
        bench.workers[1].say("applied", serial=bench.control.publisher.serial)
        await status_when(bench, lambda page: page["state"] == "well")
        bench.workers[1].say("counters", life=1, counters={})
        page = await status_when(bench, lambda page: page["problems"])
        assert (codes(page), page["workers"][1]["state"]) == ([("worker", "1")], "silent")
        monkeypatch.setattr(counters, "SILENCE_S", 60.0)  # a busy machine must not make it silent again at once
        bench.workers[1].say("counters", life=1, counters={})
        await status_when(bench, lambda page: page["state"] == "well")

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, workers=2), scenario)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("dead", "it does not answer: no answer in time"),
        ("own", "it is this server itself: x"),
        ("loop", "it leads back to this server: x"),
    ],
)
def test_an_upstream_that_cannot_be_used(state: str, text: str) -> None:
    async def scenario(bench: HttpBench) -> None:
        said = text.partition(": ")[2]
        bad = row(zones=[".", "corp.example."], state=state, last_error=said, error_age_s=1.5)
        bench.worker.say("counters", life=1, counters={}, upstreams=[bad, row("192.0.2.2:53")])
        page = await status_when(bench, lambda page: page["problems"])
        assert codes(page) == [("upstream", "192.0.2.1:53")]  # once, though it is one of two zones
        assert page["problems"][0]["text"] == text
        assert [(each["zone"], each["state"]) for each in page["upstreams"]] == [
            (".", state),
            ("corp.example.", state),
            (".", "up"),
        ]
        told = (await bench.get("/metrics")).text
        assert f'dnsdisco_forward_upstream_state{{address="192.0.2.1:53",state="{state}"}} 1.0' in told
        assert 'dnsdisco_forward_upstream_rtt_seconds{address="192.0.2.2:53"} 0.002' in told

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_a_configuration_that_is_not_used_until_it_is_mended() -> None:
    async def scenario(bench: HttpBench) -> None:
        bench.next_settings = ConfigError((Problem("x.yaml", 3, 1, "ttl", "expected a duration"),))
        bench.control.reload()
        page = await status_when(bench, lambda page: page["problems"])
        assert page["state"] == "degraded"
        assert page["problems"][0]["code"] == "file"
        assert "expected a duration" in page["problems"][0]["text"]
        bench.next_settings = bench.settings
        bench.control.reload()
        await status_when(bench, lambda page: page["state"] == "well")

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_an_address_that_the_machine_does_not_have_and_one_that_is_taken(tmp_path: Path) -> None:
    async def scenario(bench: HttpBench) -> None:
        bench.control.presence.absent = ("192.0.2.1:53",)
        (tmp_path / "file").write_text("kept")
        bench.next_settings = {**bench.settings, "control": str(tmp_path / "file")}
        bench.control.reload()
        page = await status_when(bench, lambda page: len(page["problems"]) == 2)
        assert codes(page) == [("address", "192.0.2.1:53"), ("address", str(tmp_path / "file"))]
        assert "something else has that name" in page["problems"][1]["text"]

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_upstreams_of_several_workers_are_one() -> None:
    reports = [
        [row(rtt_ms=10.0, last_error="old", error_age_s=9.0), row("b")],
        [row(rtt_ms=20.0, state="dead", failed=2, last_error="new", error_age_s=1.0)],
        [row(rtt_ms=0)],  # it has not asked it yet
    ]
    assert upstreams.together(reports) == (
        UpstreamView("192.0.2.1:53", ".", "dead", 15.0, 15, 4, "new"),
        UpstreamView("b", ".", "up", 2.0, 5, 1, ""),
    )


@pytest.mark.parametrize(
    "report",
    [
        None,
        "x",
        {},
        [None],
        [{}],
        [row(state="fine")],
        [row(address=5)],
        [row(zones=None)],
        [row(zones=[5])],
        [row(asked=-1)],
        [row(asked="5")],
        [row(rtt_ms="fast")],
        [row(last_error="x" * 5000)],
        [row(address="x" * 5000)],
    ],
)
def test_a_report_that_makes_no_sense_is_passed_over(report: object) -> None:
    assert upstreams.together([report]) == ()


def test_a_report_is_bounded() -> None:
    assert len(upstreams.together([[row(f"192.0.2.{number}:53") for number in range(250)]])) == upstreams.ROWS_MAX
