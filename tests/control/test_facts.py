"""The read-only view that pages, probes and metrics are made of."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

import pytest

from dnsdisco.control import backoff, facts
from dnsdisco.control import run as control_run
from dnsdisco.errors import ProviderError
from tests.control.harness import Bench, Scripted, snapshot, svc, until, with_bench

DOWN = ProviderError("p", "connection refused")
DENIED = ProviderError("p", "403: ACL not found", is_denied=True)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_run, "TICK_S", 0.05)
    monkeypatch.setattr(backoff, "DENIED_MIN_S", 0.1)
    monkeypatch.setattr(backoff, "DENIED_MAX_S", 0.2)


def states(bench: Bench) -> dict[str, str]:
    return {each.name: each.state for each in bench.control.view().providers}


def test_the_state_of_a_provider_from_the_first_word_to_the_last() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert states(bench) == {"a": "up", "b": "never_synced", "c": "denied", "d": "never_synced"}
        assert bench.control.view().missing == (
            "provider b: never_synced",
            "provider c: denied",
            "provider d: never_synced",
        )
        bench.providers["a"].then(DOWN)  # type: ignore[attr-defined]
        await until(lambda: states(bench)["a"] == facts.DOWN)
        lost = bench.control.view().providers[0]
        assert (lost.last_error, lost.errors, lost.services, lost.instances) == ("connection refused", 1, 2, 3)
        assert lost.last_error_age_s is not None
        assert 0 <= lost.last_error_age_s < 0.3
        await until(lambda: states(bench)["a"] == facts.STALE)
        gone = bench.control.view().providers[0]
        assert gone.contact_age_s is not None
        assert gone.view_age_s is not None
        assert 0.3 <= gone.contact_age_s <= gone.view_age_s < 3
        assert bench.control.service("web").is_stale  # type: ignore[union-attr]
        bench.providers["a"].then(DENIED)  # type: ignore[attr-defined]
        await until(lambda: states(bench)["a"] == facts.DENIED)
        bench.providers["a"].then(snapshot(svc("web", "10.0.0.1")))  # type: ignore[attr-defined]
        await until(lambda: states(bench)["a"] == facts.UP)
        back = bench.control.view().providers[0]
        assert (back.contact_age_s, back.last_error, back.errors) == (0.0, "403: ACL not found", 2)
        assert not bench.control.service("web").is_stale  # type: ignore[union-attr]
        assert all(word in facts.STATES for word in states(bench).values())

    providers = {
        "a": Scripted(snapshot(svc("web", "10.0.0.1", "10.0.0.2"), svc("db", "10.0.0.3"))),
        "b": Scripted(),
        "c": Scripted(DENIED),
        "d": Scripted(DOWN),
    }
    with_bench(Bench(providers, stale_after=0.3), scenario)


def test_what_a_provider_tells_of_itself_and_what_was_left_out() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        one, two = bench.control.view().providers
        assert (one.rejected, two.rejected, two.index) == (2, 7, "4711")
        assert one.services == 1
        bench.providers["p"].then({"web": {"address": "10.0.0.1"}, "bad": {"port": 0}})  # type: ignore[attr-defined]
        await until(lambda: bench.control.view().providers[0].rejected == 1)
        bench.providers["q"].rejected = "nonsense"  # type: ignore[assignment]
        assert bench.control.view().providers[1].rejected == 0

    told = Scripted(snapshot())
    told.index, told.rejected = "4711", 7
    web = {"address": "10.0.0.1", "surprise": 1}
    with_bench(Bench({"p": Scripted({"web": web, "bad": {"port": 0}, "worse": 5}), "q": told}), scenario)


@pytest.mark.parametrize("rejected", [99, 100, 101, 500])
def test_a_hundred_rejected_services_are_told_with_their_reasons_and_all_are_counted(rejected: int) -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert bench.control.view().providers[0].rejected == rejected
        (state,) = bench.control.chain.states(0.0)
        assert len(state.rejected) == min(rejected, 100)
        assert all(reason for _, reason in state.rejected)

    with_bench(Bench({"p": Scripted({f"bad{n}": {"port": 0} for n in range(rejected)})}), scenario)


def test_where_a_service_comes_from_and_since_when() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        listed = list(bench.control.services())
        assert [each.name for each in listed] == ["db", "my-svc", "web"]
        web = bench.control.service("WEB")
        assert web == listed[2]
        assert (web.provider, web.shadows, web.merged) == ("p", ("q",), ())
        assert started <= web.since <= web.changed <= time.time()
        alias = bench.control.service("my_svc")
        assert alias is not None
        assert alias.names == ("my-svc", "my_svc")
        assert bench.control.service("nosuch") is None
        await asyncio.sleep(0.12)
        bench.providers["p"].then(snapshot(svc("web", "10.0.0.9"), svc("my_svc")))  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses()["web"] == ["10.0.0.9"])
        changed = bench.control.service("web")
        assert changed is not None
        assert changed.since == web.since < changed.changed
        await asyncio.sleep(0.12)
        bench.providers["p"].then(snapshot())  # type: ignore[attr-defined]
        await until(lambda: "my-svc" not in bench.worker.entries)
        other = bench.control.service("web")
        assert other is not None
        assert (other.provider, other.shadows) == ("q", ())
        assert other.since == other.changed > changed.changed
        seen = bench.control.view()
        assert (seen.services, seen.instances, seen.workers, seen.is_ready, seen.missing) == (2, 2, 1, True, ())
        assert seen.serial == bench.worker.serial

    started = time.time()
    p = Scripted(snapshot(svc("web", "10.0.0.1"), svc("my_svc")))
    with_bench(Bench({"p": p, "q": Scripted(snapshot(svc("web", "10.0.0.2"), svc("db", "10.0.0.3")))}), scenario)


def test_it_cannot_be_changed() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        values: list[Any] = [bench.control.view(), bench.control.view().providers[0], bench.control.service("web")]
        for value in values:
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, dataclasses.fields(value)[0].name, "other")

    with_bench(Bench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}), scenario)


def test_a_worker_without_a_catalog_is_missing() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.worker.entries)
        assert bench.control.view().missing == ("worker 0: no catalog yet",)
        assert not bench.control.view().is_ready

    bench = Bench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))})
    bench.worker.is_silent = True
    with_bench(bench, scenario)
