"""The thread: a port that is taken, another address, none at all, the end; and what of the process it leaves alone."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from dnsdisco.admin import listener
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc, until, with_bench

REFUSED = "http is not listened on; trying again"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "http"]


def test_a_port_that_is_taken_costs_one_line_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "RETRY_S", 0.1)

    async def scenario(bench: HttpBench) -> None:
        await until(lambda: bench.said("ready") and bench.log.said(REFUSED))
        bench.providers["p"].then(snapshot(svc("web", "10.0.0.2")))  # type: ignore[attr-defined]
        await until(lambda: bench.worker.addresses() == {"web": ["10.0.0.2"]})
        await asyncio.sleep(0.35)
        (line,) = bench.log.said(REFUSED)
        assert line["address"] == f"127.0.0.1:{port}"
        assert "in use" in line["reason"]
        taken.close()
        assert (await bench.plain("/health"))["status"] == "ok"
        assert bench.port == port

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with_bench(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, http=f"127.0.0.1:{port}"), scenario)
    assert not threads()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "[::1]"])
def test_every_door_is_open_before_the_server_is_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str) -> None:
    """Its thread may be slow to load what serves: a client that saw `ready:` is not refused meanwhile, through either door."""
    loading = threading.Event()
    serve = listener._Thread._serve

    async def slow(self: listener._Thread, door: listener.Door) -> None:
        while not loading.is_set():
            await asyncio.sleep(0.01)
        await serve(self, door)

    monkeypatch.setattr(listener._Thread, "_serve", slow)
    with socket.socket(socket.AF_INET6 if host == "[::1]" else socket.AF_INET) as sock:
        try:
            sock.bind((host.strip("[]"), 0))
        except OSError:
            pytest.skip(f"no {host} here")
        port = sock.getsockname()[1]

    async def scenario(bench: HttpBench) -> None:
        await until(lambda: bench.said("ready"))
        assert not bench.log.said("http listening")
        target = host.replace("0.0.0.0", "127.0.0.1").strip("[]")
        doors = [await asyncio.open_connection(target, port), await asyncio.open_unix_connection(tmp_path / "control")]
        loading.set()
        for reader, writer in doors:
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in await reader.readline()
            writer.close()

    bench = HttpBench({"p": Scripted(snapshot())}, http=f"{host}:{port}", control=str(tmp_path / "control"))
    with_bench(bench, scenario)


def test_a_door_that_is_closed_again_before_it_is_served_leaves_its_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(listener._Thread, "_serve", never)

    async def scenario(bench: HttpBench) -> None:
        await until(lambda: bench.said("ready"))
        assert (tmp_path / "control").exists()
        bench.next_settings = {**bench.settings, "http": None, "control": None}
        bench.control.reload()
        await until(lambda: not threads())
        assert not (tmp_path / "control").exists()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    bench = HttpBench({"p": Scripted(snapshot())}, http=f"127.0.0.1:{port}", control=str(tmp_path / "control"))
    with_bench(bench, scenario)


@pytest.mark.parametrize("address", ["192.0.2.1:8053", "[::ffff:192.0.2.1]:8053", "nonsense"])
def test_an_address_that_cannot_be_used_ends_nothing(address: str) -> None:
    async def scenario(bench: HttpBench) -> None:
        await until(lambda: bench.said("ready") and bench.log.said(REFUSED))

    with_bench(HttpBench({"p": Scripted(snapshot())}, http=address), scenario)


def test_off_is_off() -> None:
    async def scenario(bench: HttpBench) -> None:
        await until(lambda: bench.said("ready"))
        assert not threads()

    assert not with_bench(HttpBench({"p": Scripted(snapshot())}, http=None), scenario).log.said("http listening")


def test_a_reload_moves_it_turns_it_off_and_on_again() -> None:
    async def scenario(bench: HttpBench) -> None:
        first = bench.url
        bench.control.reload()  # the same settings: nothing happens
        assert (await bench.plain("/health"))["status"] == "ok"
        assert len(bench.log.said("http listening")) == 1
        bench.next_settings = {**bench.settings, "http": first.removeprefix("http://").replace("127.0.0.1", "0.0.0.0")}
        bench.control.reload()
        await until(lambda: len(bench.log.said("http listening")) == 2)
        assert bench.url == first.replace("127.0.0.1", "0.0.0.0")
        assert (await bench.plain("/health"))["status"] == "ok"
        bench.next_settings = {**bench.settings, "http": None}
        bench.control.reload()
        await until(lambda: not threads())
        with pytest.raises(httpx.ConnectError):
            await bench.get("/health")
        bench.next_settings = {**bench.settings, "http": "127.0.0.1:0"}
        bench.control.reload()
        await until(lambda: len(bench.log.said("http listening")) == 3)
        assert (await bench.plain("/health"))["status"] == "ok"
        assert not bench.log.said(REFUSED)

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_names_of_http_hosts_are_served_and_a_reload_changes_them() -> None:
    async def status(bench: HttpBench, host: str) -> int:
        return (await bench.get("/health", headers={"Host": host})).status_code

    async def scenario(bench: HttpBench) -> None:
        served = ["dnsdisco.dnsdisco.svc", "dnsdisco.dnsdisco.svc:8053", "DNSDISCO.dnsdisco.svc.", "other.example:80", "localhost"]
        refused = ["dnsdisco.dnsdisco", "a.dnsdisco.dnsdisco.svc", "dnsdisco.dnsdisco.svc.evil.example", "evil.example"]
        assert [await status(bench, host) for host in served] == [200] * len(served)
        assert [await status(bench, host) for host in refused] == [421] * len(refused)
        reply = await bench.get("/health", headers={"Host": "other.example", "Origin": "http://other.example"})
        assert reply.status_code == 200
        reply = await bench.get("/health", headers={"Host": "other.example", "Origin": "http://evil.example"})
        assert reply.status_code == 403
        bench.next_settings = {**bench.settings, "http_hosts": ["evil.example"]}
        bench.control.reload()
        await until(lambda: len(bench.log.said("http listening")) == 2)
        assert await status(bench, "other.example") == 421
        assert await status(bench, "evil.example") == 200

    with_http(HttpBench({"p": Scripted(snapshot())}, http_hosts=["dnsdisco.dnsdisco.svc", "other.example"]), scenario)


def test_the_end_waits_for_nobody() -> None:
    async def scenario(bench: HttpBench) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.read(10)
        began = time.monotonic()
        assert await bench.stop() == 0
        assert time.monotonic() - began < 0.8
        assert not threads()
        writer.close()

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_ipv6_and_its_own_name() -> None:
    async def scenario(bench: HttpBench) -> None:
        assert bench.url.startswith("http://[::1]:")
        assert (await bench.plain("/health"))["status"] == "ok"
        reply = await bench.get("/health", headers={"Host": socket.gethostname().upper()})
        assert reply.status_code == 200

    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    with_http(HttpBench({"p": Scripted(snapshot())}, http="[::1]:0"), scenario)


def test_signals_and_logging_of_the_process_are_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    handlers = list(logging.getLogger().handlers)

    async def scenario(bench: HttpBench) -> None:
        assert b" 400 " in await bench.raw(b"nonsense\r\n\r\n")
        assert (await bench.get("/health")).status_code == 200

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)
    assert [signal.getsignal(number) for number in numbers] == before
    assert logging.getLogger().handlers == handlers
    assert capfd.readouterr().err == ""


def test_what_serves_is_loaded_only_when_it_is_to_serve() -> None:
    import subprocess

    code = "import sys, dnsdisco.control.__main__, dnsdisco.admin.listener; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"prometheus_client", "h11"} & set(loaded)
