"""/v1/status and /v1/upstreams: each state and each code of a problem, from its real cause as far as control knows it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.control import certificate as control_certificate
from dnsdisco.control import condition, counters, serials, upstreams, view_writer, zonefiles
from dnsdisco.control import run as control_run
from dnsdisco.control.facts import UpstreamView
from dnsdisco.errors import ConfigError, Problem, ProviderError
from tests.admin.bench import HttpBench, with_http
from tests.certificates import Made, make
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


@pytest.mark.slow
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
    def is_silent_after(seconds: float) -> None:
        monkeypatch.setattr(counters, "SILENCE_S", seconds)

    async def scenario(bench: HttpBench) -> None:
        bench.workers[1].is_silent = True
        bench.workers[1].say("hello", serial=0)
        page = await status_when(bench, lambda page: page["problems"])
        assert codes(page) == [("worker", "1")]
        assert [worker["state"] for worker in page["workers"]] == ["up", "starting"]
        bench.workers[1].say("applied", serial=bench.control.publisher.serial)
        await status_when(bench, lambda page: page["state"] == "well")
        is_silent_after(0.3)  # neither has ever reported: they stood still from their start
        page = await status_when(bench, lambda page: len(page["problems"]) == 2)
        assert [(worker["state"], worker["pid"]) for worker in page["workers"]] == [("silent", None)] * 2
        is_silent_after(60.0)  # a busy machine must not make it silent again at once
        for worker in bench.workers:
            worker.say("counters", life=1, counters={}, pid=7)
        page = await status_when(bench, lambda page: all(worker["pid"] for worker in page["workers"]))
        assert page["state"] == "well"
        is_silent_after(0.3)  # they have reported, and do so no longer
        page = await status_when(bench, lambda page: len(page["problems"]) == 2)
        assert [(worker["state"], worker["pid"]) for worker in page["workers"]] == [("silent", 7)] * 2

    is_silent_after(60.0)
    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, workers=2), scenario)


def test_a_worker_whose_catalog_is_an_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition, "BEHIND_S", 0.3)

    async def scenario(bench: HttpBench) -> None:
        bench.workers[1].is_silent = True  # it takes the changes, and does not use them
        provider: Any = bench.providers["p"]
        provider.then(snapshot(svc("web", "10.0.0.2")))
        page = await status_when(bench, lambda page: page["problems"])
        assert (codes(page), page["workers"][1]["state"]) == ([("worker", "1")], "behind")
        assert page["problems"][0]["text"] == "it answers from an old catalog"
        assert page["workers"][1]["serial"] < page["workers"][0]["serial"]
        assert page["workers"][0]["state"] == "up"
        assert (await bench.plain("/ready"))["degraded"] == ["worker 1: it answers from an old catalog"]
        for number in range(20):  # further changes do not make it a new lack, nor an end of it
            provider.then(snapshot(svc("web", f"10.0.1.{number}")))
            await asyncio.sleep(0.03)
        later = await bench.plain("/v1/status")
        assert (codes(later), later["problems"][0]["since"]) == ([("worker", "1")], page["problems"][0]["since"])
        bench.workers[1].is_silent = False
        bench.workers[1].say("applied", serial=bench.workers[1].serial)
        await status_when(bench, lambda page: page["state"] == "well")

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, workers=2), scenario)


def test_a_storm_of_changes_leaves_no_worker_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition, "BEHIND_S", 1.0)

    async def scenario(bench: HttpBench) -> None:
        provider: Any = bench.providers["p"]
        for number in range(150):
            provider.then(snapshot(svc("web", f"10.0.1.{number}")))
            if number % 10 == 0:
                assert (await bench.plain("/v1/status"))["problems"] == []
            await asyncio.sleep(0.01)

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}), scenario)


def test_a_state_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_writer, "RETRY_MIN_S", 0.1)
    monkeypatch.setattr(view_writer, "RETRY_MAX_S", 0.2)
    monkeypatch.setattr(serials, "RETRY_S", 0.1)
    (tmp_path / "state").write_text("a file, where a folder should be")
    folder = str(tmp_path / "state")

    async def scenario(bench: HttpBench) -> None:
        page = await status_when(bench, lambda page: page["problems"] and "last known services" in page["problems"][0]["text"])
        assert codes(page) == [("state", folder)]
        assert page["problems"][0]["text"].startswith("last known services cannot be kept: ")
        ready = await bench.plain("/ready")
        assert (ready["ready"], ready["degraded"]) == (True, [f"state {folder}: {page['problems'][0]['text']}"])
        assert 'dnsdisco_control_problems{code="state"} 1.0' in (await bench.get("/metrics")).text
        assert len(bench.log.said("the serial is not kept")) == 1
        assert len(bench.log.said("views are not kept")) == 1
        (tmp_path / "state").unlink()
        await status_when(bench, lambda page: page["state"] == "well")
        assert bench.log.said("the serial is kept again")
        assert serials.read_floor(folder) > bench.control.publisher.serial
        assert 'dnsdisco_control_problems{code="state"} 0.0' in (await bench.get("/metrics")).text

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, state_dir=folder), scenario)


def test_a_state_folder_that_a_reload_names(tmp_path: Path) -> None:
    """The serial goes to the new one at once, and one that cannot be written is a lack at once."""
    (tmp_path / "file").write_text("")

    async def scenario(bench: HttpBench) -> None:
        for folder, is_well in ((tmp_path / "one", True), (tmp_path / "file" / "below", False), (tmp_path / "two", True)):
            bench.next_settings = {**bench.settings, "state_dir": str(folder)}
            bench.control.reload()
            page = await status_when(bench, lambda page, is_well=is_well: (page["state"] == "well") is is_well)
            assert codes(page) == ([] if is_well else [("state", str(folder))])
            assert not is_well or serials.read_floor(str(folder)) > bench.control.publisher.serial

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}), scenario)


def test_a_zone_file_that_is_missing_and_one_with_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zonefiles, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(zonefiles, "LOSS_S", 0.3)
    monkeypatch.setattr(zonefiles, "GONE_S", 3.0)
    file, absent = tmp_path / "a.zone", str(tmp_path / "absent.zone")
    file.write_text("www 60 IN A 10.0.0.9\n")

    async def scenario(bench: HttpBench) -> None:
        page = await status_when(bench, lambda page: page["problems"])
        assert [(*key, each["text"]) for key, each in zip(codes(page), page["problems"], strict=True)] == [
            ("file", absent, "there is no such zone file")  # and the pattern that names no file is no lack
        ]
        (tmp_path / "absent.zone").write_text("mail 60 IN A 10.0.0.8\n")
        await status_when(bench, lambda page: page["state"] == "well")
        (tmp_path / "new").write_text("www 60 IN A 10.0.0.9\nftp 60 IN A 10.0.0.999\n")
        (tmp_path / "new").rename(file)
        page = await status_when(bench, lambda page: page["problems"])
        assert codes(page) == [("file", str(file))]
        assert page["problems"][0]["text"].startswith("line 2: ")
        assert page["problems"][0]["text"].endswith("; its old records stay")
        assert (await bench.plain("/ready"))["degraded"] == [f"file {file}: {page['problems'][0]['text']}"]
        (tmp_path / "new").write_text("www 60 IN A 10.0.0.7\n")
        (tmp_path / "new").rename(file)
        await status_when(bench, lambda page: page["state"] == "well")
        file.unlink()
        await status_when(
            bench,
            lambda page: (
                [each["text"] for each in page["problems"]] == ["there is no such zone file; its old records stay for now"]
            ),
        )
        assert len(bench.worker.records) == 2
        page = await status_when(bench, lambda page: [each["text"] for each in page["problems"]] == ["there is no such zone file"])
        assert codes(page) == [("file", str(file))]
        assert len(bench.worker.records) == 1
        bench.next_settings = {**bench.settings, "zone_files": []}
        bench.control.reload()
        await status_when(bench, lambda page: page["state"] == "well")

    files = [str(file), absent, str(tmp_path / "*.other")]
    with_http(HttpBench({"p": Scripted(snapshot())}, zone_files=files), scenario)


def test_a_certificate_near_its_end_and_one_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_certificate, "LOOK_S", 0.05)
    monkeypatch.setattr(control_run, "TICK_S", 0.05)
    pair = make(tmp_path, ends=timedelta(days=60))

    def put(other: Made) -> None:
        for new, old in ((other.key, pair.key), (other.certificate, pair.certificate)):
            new.rename(old)

    async def scenario(bench: HttpBench) -> None:
        assert (await bench.plain("/v1/status"))["problems"] == []
        subject, whole = str(pair.certificate), pair.certificate.read_bytes()
        pair.certificate.write_bytes(b"half of it")
        page = await status_when(bench, lambda page: page["problems"])
        assert codes(page) == [("certificate", subject)]
        assert page["problems"][0]["text"] == f"{subject}: this is not a PEM file"
        pair.certificate.write_bytes(whole)
        await status_when(bench, lambda page: page["state"] == "well")
        put(make(tmp_path, "soon", ends=timedelta(days=3)))
        page = await status_when(bench, lambda page: page["problems"])
        assert page["problems"][0]["text"].startswith(f"{subject}: it expires on 20")
        assert (await bench.plain("/ready"))["degraded"] == [f"certificate {subject}: {page['problems'][0]['text']}"]
        assert bench.log.said("certificate")[-1]["reason"] == page["problems"][0]["text"]
        put(make(tmp_path, "past", ends=timedelta(hours=-1)))
        await status_when(bench, lambda page: "it has expired on" in page["problems"][0]["text"])
        make(tmp_path, "other").key.rename(pair.key)
        put(make(tmp_path, "well"))
        await status_when(bench, lambda page: page["state"] == "well")
        make(tmp_path, "another").key.rename(pair.key)
        page = await status_when(bench, lambda page: page["problems"])
        assert "the key is not that of the certificate" in page["problems"][0]["text"]
        pair.key.unlink()
        await status_when(bench, lambda page: "cannot be read: " in page["problems"][0]["text"])
        bench.next_settings = bench.settings | {"tls": {}}
        bench.control.reload()
        await status_when(bench, lambda page: page["state"] == "well")

    with_http(HttpBench({"p": Scripted(snapshot())}, tls=pair.settings), scenario)


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
