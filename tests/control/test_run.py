"""The control process as a whole, with workers in the same loop: what is published, when, and what never is."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from dnsdisco.control import guard, provider_set, publisher, worker_link
from dnsdisco.control import run as control_run
from dnsdisco.errors import ConfigError, Problem, ProviderError
from dnsdisco.model.service import Snapshot
from dnsdisco.providers.base import ServiceDiscovery
from tests.control.harness import Bench, numbered, Scripted, snapshot, svc, until, with_bench

WEB = snapshot(svc("web", "10.0.0.1"))
DOWN = ProviderError("p", "connection refused")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes less here; the constants themselves are tested where they are."""
    monkeypatch.setattr(control_run, "TICK_S", 0.05)
    monkeypatch.setattr(guard, "CONFIRM_AFTER_S", 0.5)


def test_a_service_reaches_every_worker_and_ready_is_said_once() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert [worker.addresses() for worker in bench.workers] == [{"web": ["10.0.0.1"]}] * 2
        assert bench.said("ready") == [{"event": "ready", "zones": ["svc.local"], "providers": ["p"], "example": "web"}]
        bench.providers["p"].then(snapshot(svc("web", "10.0.0.2"), svc("db", "10.0.0.3")))  # type: ignore[attr-defined]
        await until(lambda: all(worker.addresses() == {"web": ["10.0.0.2"], "db": ["10.0.0.3"]} for worker in bench.workers))
        assert [worker.seen[-1] for worker in bench.workers] == ["delta", "delta"]
        await asyncio.sleep(0.1)
        assert len(bench.said("ready")) == 1

    with_bench(Bench({"p": Scripted(WEB)}, workers=2), scenario)


def test_a_worker_has_the_state_of_every_provider_from_the_start() -> None:
    """A name that an unsynced provider might know is SERVFAIL, not NXDOMAIN: the worker must know that there is one."""

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.worker.serial)
        assert not bench.worker.states["slow"].has_synced
        assert bench.worker.states["maybe"].is_optional
        bench.providers["slow"].then(WEB)  # type: ignore[attr-defined]
        await until(lambda: bench.worker.states["slow"].has_synced)
        assert bench.worker.addresses() == {"web": ["10.0.0.1"]}

    with_bench(
        Bench({"slow": Scripted(), "maybe": Scripted()}, entries=[{"type": "slow"}, {"type": "maybe", "optional": True}]), scenario
    )


def test_ready_waits_for_every_provider_but_not_longer_than_startup_timeout() -> None:
    async def prompt(bench: Bench) -> None:
        assert await until(lambda: bench.said("ready")) < 0.9

    async def late(bench: Bench) -> None:
        assert 0.29 <= await until(lambda: bench.said("ready")) < 0.9

    with_bench(Bench({"p": Scripted(WEB), "q": Scripted(WEB)}, startup_timeout=1.0), prompt)
    with_bench(Bench({"p": Scripted(WEB), "q": Scripted(DOWN)}, startup_timeout=0.3), late)


def test_ready_waits_until_every_worker_has_applied_what_is_known() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.worker.entries)
        await asyncio.sleep(0.1)
        assert not bench.said("ready")
        bench.worker.say("applied", serial=bench.worker.serial - 1)
        await asyncio.sleep(0.05)
        assert not bench.said("ready")
        bench.worker.say("applied", serial=bench.worker.serial)
        await until(lambda: bench.said("ready"))

    bench = Bench({"p": Scripted(WEB)})
    bench.worker.is_silent = True
    with_bench(bench, scenario)


# ------------------------------------------------------------------------------------------------------------ pace


def test_the_first_change_goes_at_once_and_a_hundred_rapid_ones_in_few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_run, "BATCH_S", 0.1)  # more than a busy machine takes for one change

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await asyncio.sleep(0.15)
        worker, before = bench.worker, bench.worker.serial
        started = time.monotonic()
        storm = [snapshot(svc("web", f"10.0.1.{n}")) for n in range(100)]
        bench.providers["p"].then(*storm)  # type: ignore[attr-defined]
        await until(lambda: worker.addresses()["web"] == ["10.0.1.99"])
        took = time.monotonic() - started
        first_at = next(at for at, serial in worker.arrived if serial > before)
        assert first_at - started < control_run.BATCH_S  # at once, not after a batch
        assert worker.serial - before <= 3 + took / control_run.BATCH_S
        assert took < 2.5

    with_bench(Bench({"p": Scripted(WEB)}), scenario)


def test_a_single_change_is_on_the_worker_within_25_ms() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        took = []
        for n in range(5):
            await asyncio.sleep(0.12)
            changed = snapshot(svc("web", f"10.0.2.{n}"))
            bench.providers["p"].then(lambda _stop, changed=changed: took.append(time.monotonic()) or changed)  # type: ignore[attr-defined]
            await until(lambda n=n: bench.worker.addresses()["web"] == [f"10.0.2.{n}"])
            took[-1] = bench.worker.arrived[-1][0] - took[-1]
        assert sorted(took)[len(took) // 2] < 0.025

    with_bench(Bench({"p": Scripted(WEB)}), scenario)


@pytest.mark.slow
def test_10_000_services_are_published_within_a_second_and_one_change_after_that_costs_little() -> None:
    many = numbered(10_000)

    async def scenario(bench: Bench) -> None:
        started = time.monotonic()
        bench.providers["p"].then(many)  # type: ignore[attr-defined]
        await until(lambda: len(bench.worker.entries) == 10_000)
        published_s = bench.worker.arrived[-1][0] - started
        await asyncio.sleep(0.2)
        one = replace(many, services={**many.services, ("", "s5"): svc("s5", "10.0.9.9")})
        sent_at: list[float] = []
        bench.providers["p"].then(lambda _stop: sent_at.append(time.monotonic()) or one)  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses()["s5"] == ["10.0.9.9"])
        changed_s = bench.worker.arrived[-1][0] - sent_at[0]
        print(f"\n10,000 services: {published_s * 1000:.0f} ms; one change then: {changed_s * 1000:.1f} ms")
        assert bench.worker.seen[-1] == "delta"
        assert published_s < 4  # under 1 s on an idle machine; this one may be busy
        assert changed_s < 0.25

    with_bench(Bench({"p": Scripted()}, startup_timeout=0.1), scenario)


# ------------------------------------------------------------------------------------------------------------ errors are not absence


def test_a_provider_that_fails_keeps_its_services_and_goes_stale_in_time() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        bench.providers["p"].then(*(ProviderError("p", f"connection refused (try {n})") for n in range(2)))  # type: ignore[attr-defined]
        await until(lambda: bench.log.said("provider lost"))
        assert not bench.worker.states["p"].is_stale
        took = await until(lambda: bench.worker.states["p"].is_stale)
        assert 0.2 < took < 1.5
        assert bench.worker.states["p"].reason.startswith("no contact since ")
        assert bench.worker.states["p"].reason.endswith("Z: connection refused (try 0)")
        assert bench.worker.addresses() == {"web": ["10.0.0.1"]}
        assert len(bench.log.said("provider lost")) == 1  # once per state change, not per retry
        serial = bench.worker.serial
        bench.providers["p"].then(WEB)  # type: ignore[attr-defined]
        assert await until(lambda: not bench.worker.states["p"].is_stale) < 3
        assert bench.worker.serial == serial  # nothing was published anew: it is all the same
        assert bench.log.said("provider back") == [{"provider": "p", "services": 1}]

    with_bench(Bench({"p": Scripted(WEB)}, stale_after=0.4), scenario)


def test_an_idle_watch_counts_as_contact() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await asyncio.sleep(0.6)
        assert not bench.worker.states["p"].is_stale

    with_bench(Bench({"p": Scripted(WEB)}, stale_after=0.3), scenario)


class Polled(ServiceDiscovery):
    type = "polled"
    poll_interval = 0.05

    def __init__(self) -> None:
        self.hang = threading.Event()
        self.release = threading.Event()

    def get_services(self) -> dict[str, dict[str, Any]]:
        if self.hang.is_set():
            self.release.wait(20)
        return {"web": {"address": "10.0.0.1", "port": 80}}


def test_a_polled_provider_that_hangs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnsdisco.control.watcher.HANG_S", 0.4)
    provider = Polled()

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert bench.worker.addresses() == {"web": ["10.0.0.1"]}
        await asyncio.sleep(0.5)
        assert not bench.worker.states["polled"].is_stale
        provider.hang.set()
        await until(lambda: bench.worker.states["polled"].is_stale)
        assert "no answer for" in bench.worker.states["polled"].reason
        provider.hang.clear()
        provider.release.set()
        await until(lambda: not bench.worker.states["polled"].is_stale)

    with_bench(Bench({"polled": provider}, stale_after=0.1), scenario)


def test_max_stale_gives_the_services_up_and_their_names_are_not_known_again() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        bench.providers["p"].then(DOWN)  # type: ignore[attr-defined]
        await until(lambda: not bench.worker.entries)
        assert not bench.worker.states["p"].has_synced
        bench.providers["p"].then(WEB)  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses() == {"web": ["10.0.0.1"]})
        assert bench.worker.states["p"].has_synced

    with_bench(Bench({"p": Scripted(WEB)}, entries=[{"type": "p", "max_stale": 0.4}]), scenario)


# ------------------------------------------------------------------------------------------------------------ mass disappearance


def test_mass_disappearance_is_held_and_a_second_fetch_takes_it_back() -> None:
    many = numbered(30)

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        bench.providers["p"].then(snapshot(svc("new", "10.0.0.9")))  # type: ignore[attr-defined]
        await until(lambda: "new" in bench.worker.entries)  # what is new does not wait
        assert len(bench.worker.entries) == 31
        assert bench.log.said("mass disappearance held back") == [{"provider": "p", "held": 30, "of": 31}]
        bench.providers["p"].then(many)  # type: ignore[attr-defined]
        await until(lambda: len(bench.worker.entries) == 30)
        await asyncio.sleep(guard.CONFIRM_AFTER_S + 0.2)
        assert len(bench.worker.entries) == 30
        assert len(bench.providers["p"].watches) == 1  # type: ignore[attr-defined]  # nothing left to confirm

    with_bench(Bench({"p": Scripted(many)}), scenario)


def test_mass_disappearance_that_a_second_fetch_confirms_is_published() -> None:
    class Emptied(Scripted):
        """Says it once; the next watch() says it again, as a fetch would."""

        fetches = 0

        def watch(self, stop: threading.Event) -> Any:
            self.fetches += 1
            if self.fetches > 1:
                yield snapshot()
            yield from super().watch(stop)

    provider = Emptied(numbered(30))

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        provider.then(snapshot())
        await until(lambda: bench.log.said("mass disappearance held back"))
        held_at = time.monotonic()
        await until(lambda: not bench.worker.entries)
        assert guard.CONFIRM_AFTER_S - 0.1 <= time.monotonic() - held_at < guard.CONFIRM_AFTER_S + 1
        assert provider.fetches == 2

    with_bench(Bench({"p": provider}), scenario)


# ------------------------------------------------------------------------------------------------------------ workers


def test_a_worker_that_starts_anew_or_missed_something_gets_the_whole() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        for op in ("hello", "resync"):
            bench.worker.seen.clear()
            bench.worker.say(op, serial=0)
            await until(lambda: "end" in bench.worker.seen)
            assert bench.worker.seen == ["begin", "services", "zone", "end"]
        bench.worker.say("counters", x=1)
        bench.worker.say("applied", serial="nonsense")
        bench.worker.sock.send(b"\x03garbage")
        bench.worker.say("hello", serial=0)
        await until(lambda: bench.worker.seen[-1] == "end")

    with_bench(Bench({"p": Scripted(WEB)}), scenario)


@pytest.mark.slow
def test_a_worker_that_does_not_read_costs_a_bounded_queue_and_then_gets_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_link, "BACKLOG_OCTETS_MAX", 200_000)
    monkeypatch.setattr(control_run, "BATCH_S", 0.0)
    views = [numbered(300, f"10.0.0.{n}") for n in range(40)]

    async def scenario(bench: Bench) -> None:
        deaf, other = bench.workers
        await until(lambda: bench.said("ready"))
        deaf.deafen()
        for view in views:
            bench.providers["p"].then(view)  # type: ignore[attr-defined]
            await until(
                lambda view=view: (
                    other.entries
                    and other.entries["s0"].service.instances[0].address == view.services["", "s0"].instances[0].address
                )
            )
        assert bench.control.publisher.links[0].backlogs_dropped >= 1
        assert bench.control.publisher.links[0]._queued_octets <= 200_000
        deaf.seen.clear()
        deaf.listen()
        await until(lambda: deaf.addresses() == other.addresses())
        assert "begin" in deaf.seen
        assert deaf.serial == other.serial
        bench.providers["p"].then(numbered(300, "10.0.9.9"))  # type: ignore[attr-defined]
        await until(lambda: deaf.addresses()["s0"] == ["10.0.9.9"])
        assert deaf.seen[-1] == "delta"

    with_bench(Bench({"p": Scripted(numbered(300))}, workers=2), scenario)


@pytest.mark.slow
def test_changes_while_a_large_whole_is_on_its_way_are_not_lost() -> None:
    many = numbered(8_000)

    async def scenario(bench: Bench) -> None:
        await until(lambda: len(bench.worker.entries) == 8_000)
        bench.worker.deafen()
        bench.worker.say("hello", serial=0)
        await asyncio.sleep(0.1)
        for n in range(3):
            changed = replace(many, services={**many.services, ("", "s7"): svc("s7", f"10.0.3.{n}")})
            bench.providers["p"].then(changed)  # type: ignore[attr-defined]
            await asyncio.sleep(0.12)
        bench.worker.serial = 0
        bench.worker.listen()
        await until(lambda: bench.worker.addresses().get("s7") == ["10.0.3.2"])
        assert len(bench.worker.entries) == 8_000
        assert bench.worker.seen[-3:] == ["delta"] * 3

    with_bench(Bench({"p": Scripted(many)}), scenario)


# ------------------------------------------------------------------------------------------------------------ after a crash


def test_a_successor_does_not_take_away_what_its_predecessor_published() -> None:
    """Workers keep the old catalog until every provider that had synced has spoken again."""

    async def scenario(bench: Bench) -> None:
        worker = bench.worker
        worker.entries, worker.serial = {"old": None}, 7  # type: ignore[dict-item]
        await until(lambda: worker.states.get("slow") and worker.states["slow"].is_stale)
        assert worker.states["slow"].has_synced  # in an earlier life: its names are known to the worker
        assert not worker.states["new"].has_synced
        assert list(worker.entries) == ["old"]
        assert "begin" not in worker.seen
        bench.providers["slow"].then(WEB)  # type: ignore[attr-defined]
        await until(lambda: worker.addresses() == {"web": ["10.0.0.1"]} if "old" not in worker.entries else False)
        assert worker.serial > 2_000_000_000

    bench = Bench({"slow": Scripted(DOWN), "new": Scripted()}, stale_after=0.1)
    with_bench(bench, scenario, says_hello=False, restarts=1, kept={"serial_floor": 2_000_000_000, "synced": ["slow"]})


def test_a_new_worker_gets_what_there_is_even_from_a_waiting_successor() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.worker.addresses() == {"web": ["10.0.0.1"]})
        assert not bench.worker.states["slow"].has_synced  # its names are SERVFAIL here, not NXDOMAIN

    bench = Bench({"slow": Scripted(DOWN), "p": Scripted(WEB)})
    with_bench(bench, scenario, restarts=1, kept={"synced": ["slow", "gone"]})


def test_what_a_successor_must_know_is_told_as_it_changes() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        kept = bench.said("keep")[-1]["kept"]
        assert kept["synced"] == ["p"]
        assert kept["serial_floor"] > bench.worker.serial

    with_bench(Bench({"p": Scripted(WEB)}), scenario)


def test_the_serial_starts_at_the_unix_time_and_survives_in_the_state_dir(tmp_path: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert bench.worker.serial > serials[-1]
        serials.append(bench.worker.serial)

    serials = [int(time.time()) - 1]
    for folder in (tmp_path / "state", tmp_path / "state", "/proc/nowhere", None):
        serials = serials if folder == tmp_path / "state" else [int(time.time()) - 1]
        bench = with_bench(Bench({"p": Scripted(WEB)}, state_dir=None if folder is None else str(folder)), scenario)
        assert bool(bench.log.said("the serial is not kept")) is (folder == "/proc/nowhere")


# ------------------------------------------------------------------------------------------------------------ start and reload


class Needed(Scripted):
    must_exist_at_start = True


@pytest.mark.parametrize("is_optional", [False, True])
def test_a_static_file_that_cannot_be_used_ends_the_start(is_optional: bool) -> None:
    async def scenario(bench: Bench) -> None:
        if is_optional:
            await until(lambda: bench.said("ready"))
            assert not bench.said("fatal")
        else:
            assert await asyncio.wait_for(asyncio.shield(bench.running), 2) == 78
            assert bench.said("fatal") == [{"event": "fatal", "message": "static: services.yaml:3: not a mapping"}]

    broken = ProviderError("static", "services.yaml:3: not a mapping")
    with_bench(Bench({"static": Needed(broken)}, entries=[{"type": "static", "optional": is_optional}]), scenario)


def test_after_a_crash_a_static_file_that_cannot_be_used_ends_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.log.said("provider not reached"))
        assert not bench.running.done()

    with_bench(Bench({"static": Needed(ProviderError("static", "gone"))}), scenario, restarts=1)


def test_a_provider_that_cannot_be_built_ends_the_start() -> None:
    async def scenario(bench: Bench) -> None:
        assert await asyncio.wait_for(asyncio.shield(bench.running), 2) == 78
        assert bench.said("fatal")[0]["message"] == "pip install 'dnsdisco[consul]'"

    with_bench(Bench({"consul": ValueError("pip install 'dnsdisco[consul]'")}), scenario)  # type: ignore[dict-item]


def test_reload_keeps_what_did_not_change_and_replaces_what_did() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        bench.next_settings = {
            **bench.settings,
            "chain": "merge",
            "ttl": 9,
            "listen": ["127.0.0.1:54"],
            "providers": [{"type": "b"}, {"type": "a", "include": ["web"]}, {"type": "c", "use": "c2", "x": 1}],
        }
        bench.control.reload()
        assert bench.worker.settings is None
        await until(lambda: "c2" in bench.worker.entries)
        assert bench.worker.settings is not None
        assert bench.worker.settings["ttl"] == 9
        assert not {"providers", "listen", "state_dir"} & bench.worker.settings.keys()  # a token may be in `providers`
        assert bench.log.said("this needs a restart to take effect") == [{"setting": "listen", "wanted": "['127.0.0.1:54']"}]
        assert bench.worker.addresses() == {"web": ["10.0.0.2", "10.0.0.1"], "c2": ["10.0.0.4"]}
        assert [len(bench.providers[name].watches) for name in "abc"] == [1, 1, 1]  # type: ignore[attr-defined]
        await until(lambda: bench.providers["c"].closed)  # type: ignore[attr-defined]
        reloaded = bench.said("reloaded")[0]
        assert (reloaded["settings"]["ttl"], reloaded["settings"]["listen"]) == (9, ["127.0.0.1:53"])
        assert reloaded["worker_settings"] == bench.worker.settings
        assert list(bench.worker.states) == ["b", "a", "c"]
        bench.worker.seen.clear()
        bench.worker.settings = None
        bench.worker.say("hello", serial=0)  # a worker started with the old settings learns of the new ones first
        await until(lambda: "end" in bench.worker.seen)
        assert bench.worker.seen[0] == "settings"

    providers = {
        "a": Scripted(snapshot(svc("web", "10.0.0.1"), svc("db", "10.0.0.3"))),
        "b": Scripted(snapshot(svc("web", "10.0.0.2"))),
        "c": Scripted(snapshot(svc("c1", "10.0.0.4"))),
        "c2": Scripted(snapshot(svc("c2", "10.0.0.4"))),
    }
    with_bench(Bench(providers, entries=[{"type": "a"}, {"type": "b"}, {"type": "c"}]), scenario)


def test_reload_with_another_backend_keeps_the_old_view_until_the_new_one_speaks() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        bench.next_settings = {**bench.settings, "providers": [{"type": "p", "use": "other"}]}
        bench.control.reload()
        await asyncio.sleep(0.1)
        assert bench.worker.addresses() == {"web": ["10.0.0.1"]}
        bench.providers["other"].then(snapshot(svc("web", "10.0.0.2")))  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses() == {"web": ["10.0.0.2"]})

    with_bench(Bench({"p": Scripted(WEB), "other": Scripted()}, entries=[{"type": "p"}]), scenario)


def test_a_bad_new_configuration_changes_nothing_and_every_problem_is_told() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        serial = bench.worker.serial
        bench.next_settings = ConfigError((Problem("x.yaml", 1, 2, "ttl", "wrong"), Problem("x.yaml", 3, 4, "zones", "wrong too")))
        bench.control.reload()
        assert [line["reason"] for line in bench.log.said("the new configuration is not used")] == [
            "x.yaml:1:2: ttl: wrong",
            "x.yaml:3:4: zones: wrong too",
        ]
        assert bench.said("reload_failed")
        bench.next_settings = {**bench.settings, "providers": [{"type": "p"}, {"type": "broken"}]}
        bench.control.reload()
        await asyncio.sleep(0.05)
        assert bench.worker.serial == serial
        assert bench.worker.settings is None
        bench.providers["p"].then(snapshot(svc("web", "10.0.0.2")))  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses() == {"web": ["10.0.0.2"]})

    with_bench(Bench({"p": Scripted(WEB), "broken": ValueError("no such option")}, entries=[{"type": "p"}]), scenario)  # type: ignore[dict-item]


def test_a_lost_name_and_a_bad_record_are_told_once() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        for n in range(3):
            bench.providers["p"].then(snapshot(svc("a.b", "10.0.0.1"), svc("a b", f"10.0.0.{n}")))  # type: ignore[attr-defined]
            await asyncio.sleep(0.12)
        assert [line["service"] for line in bench.log.said("name collision")] == ["a b"]

    with_bench(Bench({"p": Scripted(WEB)}), scenario)


def test_a_plug_ins_own_snapshot_that_holds_nonsense_is_not_used_and_the_others_go_on() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        bench.providers["p"].then(Snapshot({("", "web"): "nonsense", ("", "x"): svc("x", "10.0.0.5")}))  # type: ignore[attr-defined, dict-item]
        await until(lambda: bench.log.said("the view cannot be used"))
        bench.providers["q"].then(snapshot(svc("web", "10.0.0.9"), svc("db", "10.0.0.2")))  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses() == {"web": ["10.0.0.1"], "db": ["10.0.0.2"]})
        bench.providers["p"].then(snapshot(svc("x", "10.0.0.5")))  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses() == {"web": ["10.0.0.9"], "db": ["10.0.0.2"], "x": ["10.0.0.5"]})

    with_bench(Bench({"p": Scripted(WEB), "q": Scripted(snapshot())}), scenario)


def test_a_zone_files_records_are_published_and_replaced_by_a_reload(tmp_path: Any) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.zone").write_text(f"{name} 60 IN A 10.0.0.1\n")

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        assert [record.owner for _, record in bench.worker.records] == [("a",)]
        for pattern, owners in (("b.zone", [("b",)]), ("nothing*.zone", [])):
            bench.next_settings = {**bench.settings, "zone_files": [str(tmp_path / pattern)]}
            bench.control.reload()
            await until(lambda owners=owners: [record.owner for _, record in bench.worker.records] == owners)
        bench.worker.say("hello", serial=0)
        bench.worker.seen.clear()
        await until(lambda: "end" in bench.worker.seen)
        assert bench.worker.records == []

    with_bench(Bench({"p": Scripted(WEB)}, zone_files=[str(tmp_path / "a.zone")]), scenario)


def test_providers_of_one_type_have_names_of_their_own() -> None:
    entries = [{"type": "static", "path": "a"}, {"type": "env"}, {"type": "static", "path": "b"}]
    assert list(provider_set.named(entries)) == ["static", "env", "static-2"]
    assert publisher.DELTA_INSTANCES_MAX < 10_000  # else the test above shows nothing of wholes
