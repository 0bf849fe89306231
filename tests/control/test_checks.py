"""Health checks and the catalog: a flip is one change, and nothing but health ever comes of one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.control import checks as room
from dnsdisco.control import run as control_run
from dnsdisco.control import stored_view
from dnsdisco.control.stored_view import label
from dnsdisco.model.service import Check, Health, Instance, Port, Service, Snapshot
from tests.control.checked import BAD, OK, Target
from tests.control.harness import Bench, Scripted, snapshot, svc, until, with_bench

FAST = {"interval": 0.1, "timeout": 0.5, "fall": 1}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_run, "TICK_S", 0.05)


def web(*targets: Target, check: Any = None, **more: Any) -> dict[str, Any]:
    instances = [{"id": f"w{n}", "address": target.host, "port": target.port} for n, target in enumerate(targets)]
    return {"web": {"instances": instances, "check": check or {"http": "http://{address}:{port}/health", **FAST}, **more}}


def health(bench: Bench, name: str = "web") -> list[str]:
    return [instance.health.word for instance in bench.worker.entries[name].service.instances]


def test_a_flip_of_a_real_server_is_one_change_within_interval_and_timeout() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: target.asked)
        assert health(bench) == ["passing", "passing"]
        assert target.requests[0].startswith(b"GET /health HTTP/1.1\r\n")
        for says, word in ((BAD, "critical"), (OK, "passing")):
            await asyncio.sleep(0.12)
            serial, bench.worker.seen = bench.worker.serial, []
            target.says = says
            assert await until(lambda word=word: health(bench)[0] == word) < 0.1 + 0.5
            assert bench.worker.entries["web"].service.instances[0].reason == ("HTTP 503" if says is BAD else "")
            assert health(bench)[1] == "passing"
            await asyncio.sleep(0.25)
            assert (bench.worker.serial, bench.worker.seen) == (serial + 1, ["delta"])
        lines = bench.log.said("health")
        assert lines == [
            {"provider": "p", "service": "web", "instance": "w0", "health": "critical", "reason": "HTTP 503"},
            {"provider": "p", "service": "web", "instance": "w0", "health": "passing"},
        ]
        assert (bench.control.view().checked, bench.control.view().failing) == (2, 0)
        assert [each.reason for each in bench.worker.entries["web"].service.instances] == ["", ""]

    with Target() as target, Target() as other:
        with_bench(Bench({"p": Scripted(web(target, other))}), scenario)
        asked = len(target.asked)
        time.sleep(0.3)
        assert len(target.asked) == asked  # it ends with control


def test_another_reason_for_the_same_health_is_no_change() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: health(bench) == ["critical"])
        serial, asked = bench.worker.serial, len(target.asked)
        target.says = b"HTTP/1.1 500 Another\r\n\r\n"
        await until(lambda: len(target.asked) > asked + 2)
        assert bench.worker.serial == serial
        assert bench.worker.entries["web"].service.instances[0].reason == "HTTP 503"

    with Target(BAD) as target:
        with_bench(Bench({"p": Scripted(web(target))}), scenario)


def test_one_whose_first_check_has_not_come_says_so() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert health(bench) == ["critical"]
        assert bench.worker.entries["web"].service.instances[0].reason == "no check of it has passed yet"

    check = {"http": "http://{address}:{port}/", "interval": 3600, "initial": "critical"}
    with Target(BAD) as target:
        with_bench(Bench({"p": Scripted(web(target, check=check))}), scenario)


def test_one_that_hangs_is_critical_and_one_that_waits_for_its_first_answer_is_as_it_was_told() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert health(bench) == ["critical"]
        await asyncio.sleep(0.3)
        assert health(bench) == ["critical"]
        target.says = OK
        await until(lambda: health(bench) == ["passing"], 1.5)
        target.says = hang
        assert await until(lambda: health(bench) == ["critical"], 1.5) < 0.1 + 0.2 + 0.3
        assert bench.log.said("health")[-1]["reason"] == "no answer within 0.2 s"

    def hang(connection: Any) -> None:
        connection.recv(1)

    with Target(BAD) as target:
        check = {"http": "http://{address}:{port}/", "interval": 0.1, "timeout": 0.2, "fall": 1, "initial": "critical"}
        with_bench(Bench({"p": Scripted(web(target, check=check))}), scenario)


def test_what_is_written_critical_stays_and_is_not_asked_and_a_warning_is_never_better() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: len(target.asked) > 3)
        assert health(bench) == ["critical", "warning"]
        assert bench.control.view().checked == 1
        target.says = BAD
        await until(lambda: health(bench) == ["critical", "critical"])
        target.says = OK
        await until(lambda: health(bench) == ["critical", "warning"])
        told = data()
        told["web"]["instances"][1]["health"] = "passing"  # the owner's word changes, the check's result stays
        bench.providers["p"].then(told)  # type: ignore[attr-defined]
        await until(lambda: health(bench) == ["critical", "passing"])

    def data() -> dict[str, Any]:
        made = web(target, target)
        made["web"]["instances"][0] |= {"health": "critical", "port": 1}
        made["web"]["instances"][1]["health"] = "warning"
        return made

    with Target() as target:
        with_bench(Bench({"p": Scripted(data())}), scenario)


def test_results_stay_over_a_reload_and_over_changes_elsewhere() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: health(bench) == ["critical"])
        seen: list[str] = []
        for entry in ({"use": "again"}, {"use": "again", "exclude": ["x"]}):
            bench.next_settings = {**bench.settings, "providers": [{"type": "p", **entry}]}
            bench.control.reload()
            for _ in range(20):
                await asyncio.sleep(0.01)
                seen += health(bench)
        bench.providers["again"].then({**web(target, tags=["new"]), "db": {"address": "10.0.0.9"}})  # type: ignore[attr-defined]
        while "db" not in bench.worker.entries:
            await asyncio.sleep(0.005)
            seen += health(bench)
        assert bench.worker.entries["web"].service.tags == ("new",)
        assert set(seen) == {"critical"}
        assert len(bench.log.said("health")) == 1

    with Target(BAD) as target:
        providers = {"p": Scripted(web(target)), "again": Scripted(web(target))}
        with_bench(Bench(providers, entries=[{"type": "p"}]), scenario)


def test_another_check_or_another_port_starts_anew() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: health(bench) == ["critical"])
        bench.providers["p"].then(web(other))  # type: ignore[attr-defined]
        await until(lambda: health(bench) == ["passing"])
        asked = len(target.asked)
        await asyncio.sleep(0.3)
        assert len(target.asked) == asked
        bench.providers["p"].then({"web": {"address": other.host, "port": other.port}})  # type: ignore[attr-defined]  # no check any more
        await until(lambda: bench.control.view().checked == 0)
        bench.providers["p"].then({})  # type: ignore[attr-defined]
        await until(lambda: not bench.worker.entries)

    with Target(BAD) as target, Target() as other:
        with_bench(Bench({"p": Scripted(web(target))}), scenario)


def test_what_is_excluded_is_not_asked_and_one_target_of_many_services_is_asked_once() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: health(bench, "a") == health(bench, "b") == ["critical"])
        assert excluded.asked == []
        assert bench.control.view().checked == 1
        bench.providers["p"].then({"a": web(target)["web"]})  # type: ignore[attr-defined]
        await until(lambda: "b" not in bench.worker.entries)
        target.says = OK
        await until(lambda: health(bench, "a") == ["passing"])

    with Target(BAD) as target, Target() as excluded:
        data = {"a": web(target)["web"], "b": web(target)["web"], "no": web(excluded)["web"]}
        with_bench(Bench({"p": Scripted(data)}, entries=[{"type": "p", "exclude": ["no"]}]), scenario)


def test_a_built_in_view_that_says_what_it_changed_and_one_with_nonsense() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: health(bench) == ["critical"])
        changed = {**view.services, ("", "db"): svc("db", "10.0.0.9")}
        bench.providers["p"].then(Snapshot(changed, frozenset({("", "db")})))  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses().get("db") == ["10.0.0.9"])
        assert health(bench) == ["critical"]
        nonsense = replace(service, name="bad", instances=("nonsense",))  # type: ignore[arg-type]
        bench.providers["p"].then(Snapshot({**changed, nonsense.key: nonsense}))  # type: ignore[attr-defined]
        await until(lambda: bench.log.said("the view cannot be used"))
        assert health(bench) == ["critical"]
        target.says = OK
        await until(lambda: health(bench) == ["passing"])
        assert bench.worker.addresses()["db"] == ["10.0.0.9"]

    with Target(BAD) as target:
        check = Check(http="http://{address}:{port}/", interval_s=0.1, fall=1)
        service = Service("web", instances=(Instance("a", target.host, (Port(target.port),)),), check=check)
        view = snapshot(service)
        with_bench(Bench({"p": Scripted(view)}), scenario)


def test_a_provider_whose_services_are_given_up_has_none_to_be_asked() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: target.asked)
        bench.providers["p"].then(OSError("gone"))  # type: ignore[attr-defined]
        await until(lambda: bench.control.view().checked == 0)
        await until(lambda: bench.worker.entries == {})

    with Target() as target:
        with_bench(Bench({"p": Scripted(web(target))}, entries=[{"type": "p", "max_stale": 0.2}]), scenario)


def test_the_disk_holds_what_the_provider_said_and_a_restored_view_is_checked(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: health(bench) == ["critical"] if bench.worker.entries else False)

    with Target(BAD) as target:
        with_bench(Bench({"p": Scripted(web(target))}, state_dir=str(tmp_path)), scenario)
        stored = stored_view.read(str(tmp_path), label("p", "p", {"type": "p"}, {}), time.time())
        assert stored is not None
        (service,) = stored.view.services.values()
        assert [instance.health for instance in service.instances] == [Health.PASSING]
        with_bench(Bench({"p": Scripted()}, state_dir=str(tmp_path)), scenario)


def test_there_is_an_end_to_how_many_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert room.PROBES_MAX >= 10_000
    monkeypatch.setattr(room, "PROBES_MAX", 5)

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert bench.control.view().checked == 5
        assert bench.log.said("not every instance is checked") == [{"left_out": 3, "checked": 5}]
        await until(lambda: health(bench).count("critical") == 5)
        assert len(bench.log.said("health")) == 5

    data = {
        "web": {
            "instances": [{"address": f"127.0.0.{n}", "port": 1} for n in range(1, 9)],
            "check": {"tcp": "{address}:{port}", **FAST},
        }
    }
    with_bench(Bench({"p": Scripted(data)}), scenario)


def test_a_thousand_that_fall_together_are_few_changes_and_few_lines() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        serial = bench.worker.serial
        took = await until(lambda: all(set(health(bench, f"s{n}")) == {"critical"} for n in range(100)), 12.0)
        print(f"\n1,000 instances critical after {took:.1f} s, {bench.worker.serial - serial} changes")
        assert bench.worker.serial - serial <= took / control_run.BATCH_S + 3
        assert len(bench.log.said("health")) <= 1000
        assert bench.control.view().failing == 1000

    data = {
        f"s{s}": {
            "instances": [{"address": f"127.1.{s}.{n}", "port": 1} for n in range(1, 11)],
            "check": {"tcp": "{address}:{port}", "interval": 1, "timeout": 0.5, "fall": 1},
        }
        for s in range(100)
    }
    with_bench(Bench({"p": Scripted(data)}), scenario)
