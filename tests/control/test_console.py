"""The control socket with workers in the same loop: who may ask, what is asked wrongly, and what a silent worker costs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.control import console
from dnsdisco.control.console_socket import bind, reachable, unbind
from tests.control.harness import Bench, Scripted, snapshot, until, with_bench


def bench(path: Path, workers: int = 2) -> Bench:
    return Bench({"p": Scripted(snapshot())}, workers=workers, control=str(path))


async def ask(path: Path, request: bytes | dict[str, Any]) -> Any:
    """The reply; None when there is none."""
    octets = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
    await until(path.exists)
    with reachable(str(path)) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    writer.write(octets)
    await writer.drain()
    reply = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return json.loads(reply) if reply else None


def obey(made: Bench, *counts: int) -> None:
    """The workers forget as many answers as these."""
    for worker, count in zip(made.workers, counts, strict=True):
        worker.on_flush = lambda message, worker=worker, count=count: worker.say("flushed", id=message["id"], dropped=count)


def test_every_worker_is_told_and_says_how_many(tmp_path: Path) -> None:
    async def scenario(made: Bench) -> None:
        obey(made, 3, 0)
        assert await ask(tmp_path / "s", {"op": "flush", "name": "Example.com", "tree": True}) == {"dropped": [3, 0]}
        assert [worker.flushes for worker in made.workers] == [[("Example.com", True)]] * 2
        assert await ask(tmp_path / "s", {"op": "flush", "name": None}) == {"dropped": [3, 0]}
        assert made.worker.flushes[-1] == (None, False)
        made.worker.say("counters", life=1, counters={"cache.hits": 5, "cache.entries": 2, "in_flight": 1})
        await until(lambda: made.control.totals().counts.get("cache.hits"))
        shown = await ask(tmp_path / "s", {"op": "cache"})
        assert shown["workers"] == 2
        assert (shown["counters"]["hits"], shown["counters"]["entries"]) == (5, 2)
        assert "in_flight" not in shown["counters"]

    with_bench(bench(tmp_path / "s"), scenario)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_worker_is_named_and_the_others_have_done_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "FLUSHED_S", 0.2)

    async def scenario(made: Bench) -> None:
        obey(made, 3, 0)
        made.workers[1].on_flush = lambda _message: None
        assert await ask(tmp_path / "s", {"op": "flush", "name": None}) == {"dropped": [3, None]}
        made.workers[1].say("flushed", id=1, dropped=9)  # too late
        made.workers[1].say("flushed", id="x", dropped=[])
        obey(made, 1, 1)
        assert await ask(tmp_path / "s", {"op": "flush", "name": None}) == {"dropped": [1, 1]}

    with_bench(bench(tmp_path / "s"), scenario)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"op": "flush", "name": "a..b"}, "not a domain name"),
        ({"op": "flush", "name": ""}, "expected a domain name"),
        ({"op": "flush", "name": 5}, "expected a domain name"),
        ({"op": "flush", "name": "é"}, "IDNA"),
        ({"op": "nosuch"}, "does not know"),
        ({}, "does not know"),
        (b"[1]\n", "JSON"),
        (b"\xff\n", "JSON"),
        (b"[" * 2000 + b"\n", "JSON"),
        (b"x" * 5000, "JSON"),
    ],
)
def test_what_is_asked_wrongly_is_told(tmp_path: Path, request_: Any, reason: str) -> None:
    async def scenario(made: Bench) -> None:
        assert reason in (await ask(tmp_path / "s", request_))["error"]
        assert made.worker.flushes == []

    with_bench(bench(tmp_path / "s"), scenario)


def test_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(made: Bench) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        reply = await ask(tmp_path / "s", {"op": "flush", "name": None})
        if os.getuid() == 0:
            assert "error" not in reply  # root may
        else:
            assert "only the user" in reply["error"]
        monkeypatch.setattr(console, "_may_ask", lambda _peer: False)
        assert "only the user" in (await ask(tmp_path / "s", {"op": "flush", "name": None}))["error"]

    made = bench(tmp_path / "s")
    obey(made, 0, 0)
    with_bench(made, scenario)


def test_who_says_nothing_is_let_go_and_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "REQUEST_S", 0.3)

    async def scenario(made: Bench) -> None:
        obey(made, 0, 0)
        await until((tmp_path / "s").exists)
        silent = []
        for _ in range(console.CONVERSATIONS_MAX + 2):
            with reachable(str(tmp_path / "s")) as address:
                silent.append(await asyncio.open_unix_connection(address))
        assert await ask(tmp_path / "s", {"op": "flush", "name": None}) == {"dropped": [0, 0]}
        for reader, writer in silent:
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()

    with_bench(bench(tmp_path / "s"), scenario)


@pytest.mark.parametrize("said", [b"", b'{"op": ', b"x" * 100], ids=["nothing", "half", "no line"])
def test_sixty_who_say_nothing_keep_nobody_out(tmp_path: Path, said: bytes) -> None:
    """The longest silent one goes for each newcomer; those that are answered stay."""

    async def scenario(made: Bench) -> None:
        await until((tmp_path / "s").exists)
        obey(made, 1, 1)
        silent = []
        for _ in range(60):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            writer.write(said)
            silent.append((reader, writer))
        for _ in range(5):
            assert await asyncio.wait_for(ask(tmp_path / "s", {"op": "flush", "name": None}), 2) == {"dropped": [1, 1]}
        made_console = made.control._console
        assert len(made_console._conversations) <= console.CONVERSATIONS_MAX
        assert made_console.sent_away >= 60 - console.CONVERSATIONS_MAX
        assert await asyncio.wait_for(silent[0][0].read(), 2) == b""  # the first to come is among those that are gone
        for _, writer in silent:
            writer.close()

    with_bench(bench(tmp_path / "s"), scenario)


def test_those_who_are_being_answered_are_not_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "FLUSHED_S", 0.5)

    async def scenario(made: Bench) -> None:  # workers that do not say that they are done
        waiting = [
            asyncio.create_task(ask(tmp_path / "s", {"op": "flush", "name": None})) for _ in range(console.CONVERSATIONS_MAX)
        ]
        await until(lambda: len(made.worker.flushes) == console.CONVERSATIONS_MAX)
        silent = [await asyncio.open_unix_connection(str(tmp_path / "s")) for _ in range(5)]
        assert await asyncio.gather(*waiting) == [{"dropped": [None, None]}] * console.CONVERSATIONS_MAX
        for _, writer in silent:
            writer.close()

    with_bench(bench(tmp_path / "s"), scenario)


def test_a_reload_moves_it(tmp_path: Path) -> None:
    async def scenario(made: Bench) -> None:
        obey(made, 0, 0)
        await until((tmp_path / "s").exists)
        made.next_settings = {**made.settings, "control": str(tmp_path / "other")}
        made.control.reload()
        assert await ask(tmp_path / "other", {"op": "cache"})
        assert not (tmp_path / "s").exists()
        made.next_settings = {**made.settings, "control": None}
        made.control.reload()
        assert not (tmp_path / "other").exists()

    with_bench(bench(tmp_path / "s"), scenario)
    assert list(tmp_path.iterdir()) == []


def test_a_socket_that_nobody_listens_on_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / ("x" * 100) / ("y" * 100) / "socket")  # longer than an address can be
    first = bind(path)
    with pytest.raises(OSError, match="another server"):
        bind(path)
    first.close()  # as after a crash
    second = bind(path)
    with socket.socket(socket.AF_UNIX) as client, reachable(path) as address:
        client.connect(address)
    unbind(path, second)
    assert not Path(path).exists()
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="something else"):
        bind(str(tmp_path / "file"))


@pytest.mark.parametrize("word", [{"id": []}, {"id": {}}, {"id": None}, {"id": "1"}, {"id": 1.5}, {}, {"id": 1, "dropped": []}])
def test_a_word_of_a_worker_that_makes_no_sense_is_passed_over(tmp_path: Path, word: dict[str, Any]) -> None:
    async def scenario(made: Bench) -> None:
        for worker in made.workers:
            worker.on_flush = lambda message, worker=worker: (
                worker.say("flushed", **{"dropped": 1, **word}),
                worker.say("flushed", id=message["id"], dropped=2),
            )
        assert await ask(tmp_path / "s", {"op": "flush", "name": None}) == {"dropped": [2, 2]}

    with_bench(bench(tmp_path / "s"), scenario)
