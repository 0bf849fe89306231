"""What outlives the process: views are kept at a bearable pace, and a start without backends answers from them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.control import guard, stored_view, view_store, view_writer
from dnsdisco.control import run as control_run
from dnsdisco.control.stored_view import Label, label
from dnsdisco.control.view_writer import ViewWriter
from dnsdisco.errors import ProviderError
from dnsdisco.model.service import Snapshot
from tests.control.harness import Bench, numbered, Scripted, snapshot, svc, until, with_bench

DOWN = ProviderError("p", "connection refused")
SOON: dict[str, Any] = {"startup_timeout": 0.1}  # ready, though the provider is down
VIEW = snapshot(svc("web", "10.0.0.1"), svc("db", "10.0.0.2"))


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_run, "TICK_S", 0.05)
    monkeypatch.setattr(guard, "CONFIRM_AFTER_S", 0.3)
    monkeypatch.setattr(view_store, "TOUCH_S", 0.05)


async def nothing(bench: Bench) -> None:
    await until(lambda: bench.said("ready"))


def file(folder: Path, name: str = "p") -> Path:
    return folder / "views" / f"{name}.view"


def remember(folder: Path, view: Snapshot = VIEW, **settings: Any) -> None:
    """A run in which the provider `p` says *view*, and an end."""
    with_bench(Bench({"p": Scripted(view)}, state_dir=str(folder), **settings), nothing)
    assert file(folder).exists()


# ------------------------------------------------------------------------------------------------------------ a start


def test_a_start_while_the_backend_is_down_answers_from_the_last_run_at_once(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.worker.entries, 1.0)
        assert bench.worker.addresses() == {"web": ["10.0.0.1"], "db": ["10.0.0.2"]}
        state = bench.worker.states["p"]
        assert (state.has_synced, state.is_stale) == (False, True)
        assert not bench.said("ready")  # it has not synced: startup_timeout decides
        await until(lambda: bench.worker.states["p"].reason.endswith("Z: connection refused"))
        assert bench.worker.states["p"].reason.startswith("known from 20")
        await until(lambda: bench.said("ready"))
        (told,) = bench.control.view().providers
        assert (told.state, told.is_restored, told.services) == ("stale", True, 2)
        assert told.contact_age_s is not None
        assert 0 < told.contact_age_s < 30
        assert bench.control.service("web").is_stale  # type: ignore[union-attr]
        assert [line["services"] for line in bench.log.said("last known services restored")] == [2]
        serial = bench.worker.serial
        bench.providers["p"].then(VIEW)  # type: ignore[attr-defined]
        await until(lambda: bench.worker.states["p"].has_synced)
        assert not bench.worker.states["p"].is_stale
        assert bench.worker.serial == serial  # it is all as it was
        assert bench.log.said("provider synced")

    remember(tmp_path)
    with_bench(Bench({"p": Scripted(DOWN)}, state_dir=str(tmp_path), startup_timeout=0.7), scenario)


def test_what_the_backend_says_replaces_what_was_restored(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.worker.addresses() == {"web": ["10.0.0.9"]})
        await until(lambda: bench.worker.states["p"].has_synced)

    remember(tmp_path)
    with_bench(Bench({"p": Scripted(snapshot(svc("web", "10.0.0.9")))}, state_dir=str(tmp_path)), scenario)
    remember(tmp_path, snapshot())
    bench = with_bench(Bench({"p": Scripted(DOWN)}, state_dir=str(tmp_path), **SOON), nothing)
    assert bench.worker.entries == {}  # it was known to have none


def test_a_backend_that_comes_back_empty_is_asked_twice(tmp_path: Path) -> None:
    class Emptied(Scripted):
        def watch(self, stop: Any) -> Any:
            self.then(snapshot())
            yield from super().watch(stop)

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.log.said("mass disappearance held back"))
        assert len(bench.worker.entries) == 30
        await until(lambda: not bench.worker.entries)
        assert len(bench.providers["p"].watches) == 2  # type: ignore[attr-defined]

    remember(tmp_path, numbered(30))
    with_bench(Bench({"p": Emptied()}, state_dir=str(tmp_path)), scenario)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged or cut short"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"10.0.0.1", b"10.0.0.7")), "damaged or cut short"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2')), "of another version"),
        (lambda path: path.write_bytes(b""), "damaged, or no view of ours"),
        (lambda path: (path.unlink(), path.mkdir()), "Is a directory"),
        (lambda path: (path.unlink(), path.symlink_to(path.name)), "Too many levels"),
    ],
)
def test_a_kept_view_that_cannot_be_used_is_one_line_and_nothing_else(tmp_path: Path, spoil: Any, reason: str) -> None:
    remember(tmp_path)
    spoil(file(tmp_path))
    bench = with_bench(Bench({"p": Scripted(DOWN)}, state_dir=str(tmp_path), **SOON), nothing)
    assert bench.worker.entries == {}
    (line,) = bench.log.said("the kept view is not used")
    assert line["reason"].startswith(reason)
    assert not bench.worker.states["p"].is_stale


def test_another_backend_does_not_get_the_view_of_the_first(tmp_path: Path) -> None:
    remember(tmp_path, entries=[{"type": "p", "address": "a"}])
    for entry, known in (({"address": "b"}, 0), ({"address": "a", "include": ["web"], "max_stale": 60}, 1)):
        bench = with_bench(Bench({"p": Scripted(DOWN)}, state_dir=str(tmp_path), **SOON, entries=[{"type": "p", **entry}]), nothing)
        assert len(bench.worker.entries) == known
        assert len(bench.log.said("the kept view is not used")) == 1 - known


def test_max_stale_counts_from_the_last_contact(tmp_path: Path) -> None:
    async def gives_up(bench: Bench) -> None:
        await until(lambda: bench.worker.entries)
        await until(lambda: not bench.worker.entries, 2.0)
        assert bench.log.said("services given up: max_stale has passed")
        assert not bench.worker.states["p"].is_stale

    entries = [{"type": "p", "max_stale": 0.6}]
    remember(tmp_path)
    with_bench(Bench({"p": Scripted(DOWN)}, state_dir=str(tmp_path), **SOON, entries=entries), gives_up)
    os.utime(file(tmp_path), (time.time(), time.time()))
    with_bench(Bench({"p": Scripted(DOWN)}, state_dir=str(tmp_path), **SOON, entries=entries), gives_up)
    stored_view.write(str(tmp_path), label("p", "p", {"type": "p"}, {}), VIEW.services, time.time() - 100)
    bench = with_bench(Bench({"p": Scripted(DOWN)}, state_dir=str(tmp_path), **SOON, entries=entries), nothing)
    assert bench.worker.entries == {}
    assert bench.log.said("the kept view is not used")[0]["reason"].startswith("max_stale has passed since 20")


def test_the_environment_is_not_kept_and_a_services_file_only_helps_where_it_may(tmp_path: Path) -> None:
    class Env(Scripted):
        is_kept = False

    class Local(Scripted):
        is_local = True

    types = {"env": Env(VIEW), "static": Local(VIEW)}
    with_bench(Bench(types, state_dir=str(tmp_path)), nothing)
    assert not file(tmp_path, "env").exists()
    assert file(tmp_path, "static").exists()
    for entry, start, known in (
        ({}, {}, 0),
        ({"optional": True}, {}, 2),
        ({}, {"restarts": 1, "kept": {"synced": ["static"]}}, 2),
    ):
        entries = [{"type": "static", **entry}]
        bench = with_bench(Bench({"static": Local()}, state_dir=str(tmp_path), entries=entries, **SOON), nothing, **start)
        assert len(bench.worker.entries) == known


# ------------------------------------------------------------------------------------------------------------ after a crash


def test_a_successor_waits_for_the_backend_and_then_uses_the_kept_view(tmp_path: Path) -> None:
    """Workers hold a catalog that is newer than the disk; they keep it for as long as a start may take, not until all are back."""

    async def scenario(bench: Bench) -> None:
        worker = bench.worker
        worker.entries, worker.serial = {"old": None}, 7  # type: ignore[dict-item]
        await until(lambda: bench.log.said("provider synced"))
        await asyncio.sleep(0.1)
        assert list(worker.entries) == ["old"]
        assert worker.states["p"].has_synced
        await until(lambda: "old" not in worker.entries)
        assert worker.addresses() == {"web": ["10.0.0.1"], "db": ["10.0.0.2"], "live": ["10.0.0.5"]}
        assert (worker.states["p"].has_synced, worker.states["p"].is_stale) == (False, True)
        bench.providers["q"].then(snapshot(svc("live", "10.0.0.6")))  # type: ignore[attr-defined]
        await until(lambda: worker.addresses()["live"] == ["10.0.0.6"])  # life goes on though p is down

    remember(tmp_path)
    providers = {"p": Scripted(DOWN), "q": Scripted(snapshot(svc("live", "10.0.0.5")))}
    bench = Bench(providers, state_dir=str(tmp_path), startup_timeout=0.4)
    with_bench(bench, scenario, says_hello=False, restarts=1, kept={"synced": ["p", "q"]})


def test_without_a_kept_view_a_successor_takes_nothing_away_nor_does_the_next_one() -> None:
    async def scenario(bench: Bench) -> None:
        bench.worker.entries = {"old": None}  # type: ignore[dict-item]
        await until(lambda: bench.log.said("provider not reached"))
        await asyncio.sleep(0.3)  # startup_timeout has passed
        assert list(bench.worker.entries) == ["old"]
        assert all(line["kept"]["synced"] == ["p"] for line in bench.said("keep"))

    with_bench(Bench({"p": Scripted(DOWN)}, startup_timeout=0.1), scenario, says_hello=False, restarts=1, kept={"synced": ["p"]})


# ------------------------------------------------------------------------------------------------------------ keeping


def test_a_disk_that_cannot_be_written_is_one_line_and_the_server_goes_on() -> None:
    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.log.said("views are not kept"))
        for n in range(5):
            bench.providers["p"].then(snapshot(svc("web", f"10.0.1.{n}")))  # type: ignore[attr-defined]
            await until(lambda n=n: bench.worker.addresses() == {"web": [f"10.0.1.{n}"], "x": ["10.0.0.3"]})
        assert len(bench.log.said("views are not kept")) == 1  # not once for each provider, nor for each change

    with_bench(Bench({"p": Scripted(VIEW), "q": Scripted(snapshot(svc("x", "10.0.0.3")))}, state_dir="/proc/nowhere"), scenario)


def test_a_reload_moves_to_another_folder_and_keeps_no_view_of_another_backend(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: file(one).exists())
        bench.next_settings = {**bench.settings, "state_dir": str(two), "providers": [{"type": "p", "use": "other"}]}
        bench.control.reload()
        await asyncio.sleep(0.15)
        assert bench.worker.addresses() == {"web": ["10.0.0.1"], "db": ["10.0.0.2"]}
        assert not file(two).exists()  # the view is the first backend's
        bench.providers["other"].then(snapshot(svc("web", "10.0.0.9")))  # type: ignore[attr-defined]
        await until(lambda: file(two).exists())
        assert bench.worker.addresses() == {"web": ["10.0.0.9"]}

    with_bench(Bench({"p": Scripted(VIEW), "other": Scripted()}, state_dir=str(one), entries=[{"type": "p"}]), scenario)


def test_a_storm_of_changes_is_a_handful_of_writes_and_the_last_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert view_writer.PAUSE_S >= 1.0
    monkeypatch.setattr(view_writer, "PAUSE_S", 0.2)
    kept = ViewWriter(str(tmp_path), lambda reason: None)
    whose, inodes = Label("p", ""), set()
    path = whose.path(str(tmp_path))
    for n in range(100):
        kept.keep(whose, numbered(3, f"10.0.0.{n}"))
        time.sleep(0.005)
        inodes |= {path.stat().st_ino} if path.exists() else set()
    kept.close()
    assert 2 <= len(inodes) <= 5
    assert stored_view.read(str(tmp_path), whose, time.time()).view.services == numbered(3, "10.0.0.99").services  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_large_view_is_written_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_writer, "PAUSE_S", 0.0)
    monkeypatch.setattr(stored_view, "BREATH_S", 0.01)
    kept, whose = ViewWriter(str(tmp_path), lambda reason: None), Label("p", "")
    path, seen = whose.path(str(tmp_path)), []
    started = time.monotonic()
    for turn in range(100):  # about 20 ms for each write of 100 services: no more than one in 0.4 s
        kept.keep(whose, numbered(100, f"10.0.0.{turn}"))
        time.sleep(0.01)
        if path.exists() and path.stat().st_ino not in seen:
            seen.append(path.stat().st_ino)
    took = time.monotonic() - started
    kept.close()
    assert 1 <= len(seen) <= 2 + took / 0.4


def test_contact_is_noted_without_writing_and_a_file_that_is_gone_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_writer, "PAUSE_S", 0.01)

    async def scenario(bench: Bench) -> None:
        await until(lambda: bench.said("ready"))
        await until(lambda: file(tmp_path).exists())
        inode, at = file(tmp_path).stat().st_ino, file(tmp_path).stat().st_mtime
        await until(lambda: file(tmp_path).stat().st_mtime > at)
        bench.providers["p"].then(Snapshot(dict(VIEW.services)))  # type: ignore[attr-defined]  # another object, the same services
        await asyncio.sleep(0.2)
        assert file(tmp_path).stat().st_ino == inode
        file(tmp_path).unlink()
        await until(lambda: file(tmp_path).exists())
        bench.providers["p"].then(DOWN)  # type: ignore[attr-defined]
        await until(lambda: bench.log.said("provider lost"))
        await asyncio.sleep(0.1)
        at = file(tmp_path).stat().st_mtime
        await asyncio.sleep(0.2)
        assert file(tmp_path).stat().st_mtime == at  # who is lost is not in contact

    with_bench(Bench({"p": Scripted(VIEW)}, state_dir=str(tmp_path)), scenario)


def test_after_a_failure_the_newest_view_is_tried_again_and_its_success_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_writer, "RETRY_MIN_S", 0.05)
    told: list[str] = []
    blocked = tmp_path / "views"
    blocked.write_text("a file where the folder should be")
    kept, whose = ViewWriter(str(tmp_path), told.append), Label("p", "")
    kept.keep(whose, numbered(1))
    kept.keep(Label("q", ""), numbered(2))
    time.sleep(0.3)
    assert told == ["File exists"]
    kept.keep(whose, numbered(3))
    blocked.unlink()
    started = time.monotonic()
    while told[-1] and time.monotonic() - started < 5:
        time.sleep(0.01)
    kept.close()
    assert told == ["File exists", ""]
    assert len(stored_view.read(str(tmp_path), whose, time.time()).view.services) == 3  # type: ignore[union-attr]


def test_services_that_are_none_are_not_kept_and_harm_nobody(tmp_path: Path) -> None:
    told: list[str] = []
    kept = ViewWriter(str(tmp_path), told.append)
    kept.keep(Label("p", ""), Snapshot({("", "x"): "nonsense"}))  # type: ignore[dict-item]
    kept.keep(Label("q", ""), numbered(2))
    kept.close()
    assert len(told) == 1
    assert "nonsense" not in told[0]
    assert [path.name for path in (tmp_path / "views").iterdir()] == ["q.view"]


def test_off_keeps_nothing_and_starts_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bench = with_bench(Bench({"p": Scripted(VIEW)}, state_dir=None), nothing)
    assert list(tmp_path.iterdir()) == []
    assert len(bench.worker.entries) == 2
