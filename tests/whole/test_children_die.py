"""What is asked while processes die, stop or fall silent. Known names are answered; nothing is denied; changes arrive again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import dns.exception
import dns.rcode
import pytest

from dnsdisco.testing import one_port
from tests.kit import errors
from tests.whole.server import ROOT, Server


def services(path: Path, *addresses: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"web": {"instances": [{"id": f"i{n}", "address": a, "port": 80} for n, a in enumerate(addresses)]}}))
    new.rename(path)


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    services(tmp_path / "services.json", "10.0.0.1")
    return ["--services", str(tmp_path / "services.json"), "--upstream", "none", "--http", "off", "--state-dir", "off"]


def kill_all(server: Server, number: signal.Signals = signal.SIGKILL) -> list[int]:
    pids = [pid for kind in server.children().values() for pid in kind]
    for pid in pids:
        os.kill(pid, number)
    return pids


def kept(server: Server) -> None:
    """Until control has put the catalog where it outlives it: a second after the last large change."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for fd in Path(f"/proc/{server.process.pid}/fd").iterdir():
            if "dnsdisco-catalog" in os.readlink(fd) and fd.stat().st_size > 16:  # noqa: PTH115
                return
        time.sleep(0.05)
    raise AssertionError("the catalog is not kept")


def test_all_children_killed_at_once_and_control_not_back_the_name_is_answered(tmp_path: Path, options: list[str]) -> None:
    with Server(*options, "--workers", "2", cwd=tmp_path) as server:
        kept(server)
        for _ in range(3):
            kill_all(server)
            for pid in server.children()["control"]:  # the next one, in its first moment
                os.kill(pid, signal.SIGSTOP)
            assert server.answers("web.svc.local") == {"10.0.0.1"}
            reply = server.ask("other.svc.local")
            assert reply.rcode() == dns.rcode.NXDOMAIN
        services(tmp_path / "services.json", "10.0.0.2")
        server.until("web.svc.local", {"10.0.0.2"}, seconds=15)


def test_a_change_just_before_control_dies_is_what_a_new_worker_answers(tmp_path: Path, options: list[str]) -> None:
    """The change is kept when it is sent, not when there is time."""
    with Server(*options, cwd=tmp_path) as server:
        kept(server)
        services(tmp_path / "services.json", "10.0.0.3")
        server.until("web.svc.local", {"10.0.0.3"}, seconds=10)
        os.kill(server.children()["control"][0], signal.SIGSTOP)
        (worker,) = server.children()["server"]
        os.kill(worker, signal.SIGKILL)
        assert server.answers("web.svc.local") == {"10.0.0.3"}


def test_without_a_word_of_control_answers_are_stale_and_then_it_is_replaced(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "dnsdisco.yaml").write_text("stale_after: 1\n")
    with Server(*options, cwd=tmp_path) as server:
        assert errors(server.ask("web.svc.local")) == {}
        os.kill(server.children()["control"][0], signal.SIGSTOP)
        until = time.monotonic() + 10
        while not (told := errors(server.ask("web.svc.local"))):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert "no message from the control process since" in told[3]
        assert server.answers("web.svc.local") == {"10.0.0.1"}
        server.wait_for("control does not answer: it is killed", 15)
        until = time.monotonic() + 15
        while errors(server.ask("web.svc.local")):
            assert time.monotonic() < until
            time.sleep(0.05)


def unwritable(kind: str) -> tuple[int, list[int]]:
    """A descriptor for stderr, and what must stay open beside it."""
    if kind == "disk is full":
        return os.open("/dev/full", os.O_WRONLY), []
    reader, stderr = os.pipe()
    if kind == "reader dies":
        os.close(reader)
        return stderr, []
    os.set_blocking(stderr, False)
    with suppress(BlockingIOError):
        while True:
            os.write(stderr, b"x" * 512)
    os.set_blocking(stderr, True)
    return stderr, [reader]


@pytest.mark.parametrize("kind", ["reader dies", "nobody reads", "disk is full"])
def test_a_log_that_cannot_be_written_costs_a_line_and_nothing_else(tmp_path: Path, options: list[str], kind: str) -> None:
    udp, tcp = one_port()
    with udp, tcp:
        port = udp.getsockname()[1]
    stderr, kept_open = unwritable(kind)
    asked = Server(cwd=tmp_path)  # for its questions alone
    asked.port = port
    process = subprocess.Popen(
        [sys.executable, "-m", "dnsdisco.cli", "serve", "--listen", f"127.0.0.1:{port}", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        stderr=stderr,
    )
    os.close(stderr)
    try:
        until = time.monotonic() + 20
        while not _is_answered(asked):
            assert time.monotonic() < until
            time.sleep(0.1)
        for n in range(4, 7):
            (tmp_path / "dnsdisco.yaml").write_text("nonsense: [\n")
            process.send_signal(signal.SIGHUP)  # control has faults to log, and the supervisor statistics
            process.send_signal(signal.SIGUSR1)
            services(tmp_path / "services.json", f"10.0.0.{n}")
            asked.until("web.svc.local", {f"10.0.0.{n}"}, seconds=10)
        process.terminate()
        assert process.wait(8) == 0
    finally:
        process.kill()
        process.wait()
        for fd in kept_open:
            os.close(fd)


def _is_answered(server: Server) -> bool:
    try:
        return bool(server.ask("web.svc.local", timeout=0.5).answer)
    except (OSError, dns.exception.DNSException):
        return False
