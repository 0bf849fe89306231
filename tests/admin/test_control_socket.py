"""The control socket with workers in the same loop: who may ask, what is asked wrongly, and what a silent worker costs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dnsdisco.admin import connection, listener, socket_file
from dnsdisco.admin.socket_file import bind, reachable, unbind
from dnsdisco.control import flushes
from dnsdisco.errors import ConfigError, Problem
from tests.admin.bench import HttpBench
from tests.control.harness import Bench, Scripted, snapshot, svc, until, with_bench

FLUSH = "/v1/cache/flush"


class Said(NamedTuple):
    status: int
    plain: Any


def bench(path: Path, workers: int = 2, **settings: Any) -> HttpBench:
    return HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, workers, **{"http": None, "control": str(path), **settings})


async def raw(path: Path, octets: bytes) -> bytes:
    await until(path.exists)
    with reachable(str(path)) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    writer.write(octets)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def ask(path: Path, method: str, target: str, headers: str = "Host: dnsdisco\r\n", body: bytes = b"") -> Said:
    reply = await raw(path, f"{method} {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n".encode() + body)
    head, _, rest = reply.partition(b"\r\n\r\n")
    return Said(int(head.split()[1]), json.loads(rest))


def obey(made: Bench, *counts: int) -> None:
    """The workers forget as many answers as these."""
    for worker, count in zip(made.workers, counts, strict=True):
        worker.on_flush = lambda message, worker=worker, count=count: worker.say("flushed", id=message["id"], dropped=count)


def test_every_worker_is_told_and_says_how_many(tmp_path: Path) -> None:
    async def scenario(made: Bench) -> None:
        obey(made, 3, 0)
        flushed = await ask(tmp_path / "s", "POST", f"{FLUSH}?name=Example.com&tree=true")
        assert flushed == (200, {"version": 1, "dropped": 3, "workers": [3, 0]})
        assert [worker.flushes for worker in made.workers] == [[("Example.com", True)]] * 2
        assert (await ask(tmp_path / "s", "POST", FLUSH)).plain["workers"] == [3, 0]
        assert made.worker.flushes[-1] == (None, False)
        made.worker.say("counters", life=1, counters={"cache.hits": 5, "cache.entries": 2, "in_flight": 1})
        await until(lambda: made.control.totals().counts.get("cache.hits"))
        shown = (await ask(tmp_path / "s", "GET", "/v1/cache")).plain
        assert shown["workers"] == 2
        assert (shown["counters"]["hits"], shown["counters"]["entries"]) == (5, 2)
        assert "in_flight" not in shown["counters"]

    with_bench(bench(tmp_path / "s"), scenario)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_worker_is_named_and_the_others_have_done_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushes, "FLUSHED_S", 0.2)

    async def scenario(made: Bench) -> None:
        obey(made, 3, 0)
        made.workers[1].on_flush = lambda _message: None
        assert (await ask(tmp_path / "s", "POST", FLUSH)).plain["workers"] == [3, None]
        made.workers[1].say("flushed", id=1, dropped=9)  # too late
        made.workers[1].say("flushed", id="x", dropped=[])
        obey(made, 1, 1)
        assert (await ask(tmp_path / "s", "POST", FLUSH)).plain["workers"] == [1, 1]

    with_bench(bench(tmp_path / "s"), scenario)


@pytest.mark.parametrize(
    ("method", "target", "status", "reason"),
    [
        ("POST", f"{FLUSH}?name=a..b", 400, "not a domain name"),
        ("POST", f"{FLUSH}?name=", 400, "expected 1 to 1024 characters"),
        ("POST", f"{FLUSH}?name={'x' * 1025}", 400, "expected 1 to 1024 characters"),
        ("POST", f"{FLUSH}?name=%C3%A9", 400, "IDNA"),
        ("POST", f"{FLUSH}?name=%ff", 400, "cannot be read"),
        ("POST", f"{FLUSH}?name=a&name=b", 400, "given twice"),
        ("POST", f"{FLUSH}?name=a&tree=perhaps", 400, "expected true or false"),
        ("POST", f"{FLUSH}?tree=1", 400, "tree needs a name"),
        ("POST", FLUSH + "?" + "&".join(f"x{n}=1" for n in range(40)), 400, "cannot be read"),
        ("GET", FLUSH, 405, "POST"),
        ("GET", "/v1/reload", 405, "POST"),
        ("DELETE", "/v1/services", 405, "GET, HEAD"),
        ("POST", "/nosuch", 405, "GET, HEAD"),
        ("GET", "/nosuch", 404, "no such page"),
    ],
)
def test_what_is_asked_wrongly_is_told(tmp_path: Path, method: str, target: str, status: int, reason: str) -> None:
    async def scenario(made: Bench) -> None:
        said = await ask(tmp_path / "s", method, target)
        assert said.status == status, said
        assert reason in said.plain["error"]
        assert made.worker.flushes == []

    with_bench(bench(tmp_path / "s"), scenario)


@pytest.mark.parametrize("octets", [b'{"op": "cache"}\n\n', b"\xff\r\n\r\n", b"[" * 2000 + b"\r\n\r\n"])
def test_what_is_no_http_is_told(tmp_path: Path, octets: bytes) -> None:
    async def scenario(_: Bench) -> None:
        assert (await raw(tmp_path / "s", octets)).startswith(b"HTTP/1.1 400 ")

    with_bench(bench(tmp_path / "s"), scenario)


def test_everything_that_reads_is_there_under_any_host(tmp_path: Path) -> None:
    async def scenario(_: Bench) -> None:
        for headers in ("Host: dnsdisco\r\n", "Host: evil.example\r\n", "Host: localhost:99\r\n"):
            assert (await ask(tmp_path / "s", "GET", "/v1/services/web", headers)).plain["name"] == "web"
        assert (await ask(tmp_path / "s", "GET", "/v1/status")).plain["zones"][0]["name"] == "svc.local"

    with_bench(bench(tmp_path / "s"), scenario)


def test_over_tcp_nothing_can_be_changed(tmp_path: Path) -> None:
    async def scenario(made: Bench) -> None:
        assert isinstance(made, HttpBench)
        for path in ("/v1/reload", FLUSH):
            for headers in ({}, {"Host": "localhost"}):
                reply = await made.get(path, "POST", headers=headers)
                assert reply.status_code == 403, reply.text
                assert "control socket" in reply.json()["error"]
        assert made.worker.flushes == []
        assert not made.said("reloaded")

    with_bench(bench(tmp_path / "s", http="127.0.0.1:0"), scenario)


def test_a_reload_says_which_keys_have_changed_or_what_is_wrong(tmp_path: Path) -> None:
    async def scenario(made: Bench) -> None:
        assert (await ask(tmp_path / "s", "POST", "/v1/reload")) == (200, {"version": 1, "ok": True, "changed": []})
        made.next_settings = {**made.settings, "stale_after": 5.0, "zones": ["svc.local", "other.example"]}
        assert sorted((await ask(tmp_path / "s", "POST", "/v1/reload")).plain["changed"]) == ["stale_after", "zones"]
        fault = Problem("/etc/x.yaml", 3, 7, "ttl", "expected a duration")
        made.next_settings = ConfigError((fault,))
        said = await ask(tmp_path / "s", "POST", "/v1/reload")
        assert said.status == 422
        assert said.plain["problems"] == [
            {"file": "/etc/x.yaml", "line": 3, "column": 7, "path": "ttl", "message": "expected a duration"}
        ]
        assert made.said("reload_failed")

    with_bench(bench(tmp_path / "s"), scenario)


ASK_AS_ANOTHER = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(sys.argv[2].encode() + b" HTTP/1.1\\r\\nHost: dnsdisco\\r\\n\\r\\n")
octets = b""
while more := sock.recv(65536):
    octets += more
sys.stdout.buffer.write(octets)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("request_", ["GET /v1/status", "POST /v1/cache/flush", "POST /v1/reload", "GET /v1/events", "GET /nosuch"])
def test_another_user_is_refused_whatever_the_mode_of_the_socket_is(tmp_path: Path, request_: str) -> None:
    async def scenario(made: Bench) -> None:
        path = tmp_path / "s"
        await until(path.exists)
        for folder in (tmp_path, *tmp_path.parents):
            folder.chmod(folder.stat().st_mode | 0o755)
        path.chmod(0o666)  # as a careless person would
        arguments = [sys.executable, "-c", ASK_AS_ANOTHER, str(path), request_]
        asked = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE, cwd="/")
        octets, _ = await asked.communicate()
        assert octets.startswith(b"HTTP/1.1 403 "), octets
        assert b"only the user that the server runs as" in octets
        assert made.worker.flushes == []
        assert not made.said("reloaded")

    with_bench(bench(tmp_path / "s"), scenario)


def test_the_user_of_the_server_may_ask_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert socket_file.may_ask(ours)
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        assert socket_file.may_ask(ours) is (os.getuid() == 0)


@pytest.mark.parametrize("said", [b"", b"GET /v1/st", b"x" * 100], ids=["nothing", "half", "no line"])
def test_those_who_say_nothing_keep_nobody_out_and_are_let_go(tmp_path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest silent one goes for each newcomer."""
    monkeypatch.setattr(connection, "CONNECTIONS_MAX", 8)
    monkeypatch.setattr(connection, "HEAD_S", 1.0)

    async def scenario(made: Bench) -> None:
        await until((tmp_path / "s").exists)
        obey(made, 1, 1)
        silent = []
        for _ in range(60):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            writer.write(said)
            silent.append((reader, writer))
        for _ in range(5):
            assert (await asyncio.wait_for(ask(tmp_path / "s", "POST", FLUSH), 2)).plain["workers"] == [1, 1]
        for reader, writer in silent:
            with suppress(ConnectionError):  # what it said has not been read
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()

    with_bench(bench(tmp_path / "s"), scenario)


def test_those_who_are_being_answered_are_not_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushes, "FLUSHED_S", 0.5)
    monkeypatch.setattr(connection, "CONNECTIONS_MAX", 8)

    async def scenario(made: Bench) -> None:  # workers that do not say that they are done
        waiting = [asyncio.create_task(ask(tmp_path / "s", "POST", FLUSH)) for _ in range(8)]
        await until(lambda: len(made.worker.flushes) == 8)
        silent = [await asyncio.open_unix_connection(str(tmp_path / "s")) for _ in range(5)]
        assert [said.plain["workers"] for said in await asyncio.gather(*waiting)] == [[None, None]] * 8
        for _, writer in silent:
            writer.close()

    with_bench(bench(tmp_path / "s"), scenario)


def test_a_reload_moves_it(tmp_path: Path) -> None:
    async def scenario(made: Bench) -> None:
        await until((tmp_path / "s").exists)
        made.next_settings = {**made.settings, "control": str(tmp_path / "other")}
        made.control.reload()
        assert (await ask(tmp_path / "other", "GET", "/v1/cache")).status == 200
        await until(lambda: not (tmp_path / "s").exists())
        made.next_settings = {**made.settings, "control": None}
        made.control.reload()
        await until(lambda: not (tmp_path / "other").exists())

    with_bench(bench(tmp_path / "s"), scenario)
    assert list(tmp_path.iterdir()) == []


def test_a_socket_in_use_is_told_once_and_taken_when_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "RETRY_S", 0.1)
    path = tmp_path / "s"
    first = bind(str(path))

    async def scenario(made: Bench) -> None:
        await until(lambda: made.log.said("no control socket: the command line cannot reach this server"))
        await until(lambda: any(each.code == "address" for each in made.control.view().problems))
        await asyncio.sleep(0.35)
        unbind(str(path), first)
        await until(lambda: made.log.said("control socket"))
        assert (await ask(path, "GET", "/health")).status == 200
        assert not made.control.view().problems
        assert len(made.log.said("no control socket: the command line cannot reach this server")) == 1

    with_bench(bench(path), scenario)


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
                worker.say("flushed", **{"dropped": 1, **word}) or worker.say("flushed", id=message["id"], dropped=2)
            )
        assert (await ask(tmp_path / "s", "POST", FLUSH)).plain["workers"] == [2, 2]

    with_bench(bench(tmp_path / "s"), scenario)
