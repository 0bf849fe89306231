"""What `dnsdisco serve` writes to stderr: every line in the form that was asked for, whichever process wrote it."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.whole.server import ROOT, Server

QUIET = ["--upstream", "none", "--http", "off", "--state-dir", "off"]


def start(folder: Path, stderr: int, *options: str, **environ: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), "NO_COLOR": "", **environ}
    words = [sys.executable, "-m", "dnsdisco.cli", "serve", "--listen", "127.0.0.1:0", *QUIET, *options]
    return subprocess.Popen(words, cwd=folder, env=env, stderr=stderr)


def test_json_is_every_line_of_every_process(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("web: {address: 10.0.0.1, port: 80}\nbad: {address: 10.0.0.1, port: 99999}\n")
    server = Server("--log-format", "json", "--services", "services.yaml", *QUIET, cwd=tmp_path, wait=False)
    with server:
        server.wait_for('"event":"try"')
        ready = next(event for event in map(json.loads, server.stderr.splitlines()) if event["event"] == "ready")
        assert ready["zones"] == ["svc.local"]
        assert ready["providers"] == ["static", "env"]
        assert ready["listening"][0].startswith("udp+tcp 127.0.0.1:")
        (worker,) = server.children()["server"]
        os.kill(worker, signal.SIGKILL)
        server.process.send_signal(signal.SIGUSR1)
        (tmp_path / "dnsdisco.yaml").write_text("zones: [\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("worker 0 ended")
        server.wait_for('"part":"answers"')
        server.wait_for("the new configuration is not used|reloaded")
        assert server.stop() == 0
    for line in server.stderr.splitlines():
        assert {"timestamp", "level", "event"} <= json.loads(line).keys()


def test_json_is_also_why_it_cannot_start(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = Server("--log-format", "json", *QUIET, cwd=tmp_path, listen=address, wait=False)
        with server:
            assert server.process.wait(20) == 1
            server.wait_for("is in use by")
    *_, event = map(json.loads, server.stderr.splitlines())
    assert event["level"] == "error"


@pytest.mark.parametrize("arguments", [["--log-format", "json"], ["--provider", "nonsense", "--log-format", "json"], []])
def test_json_is_also_each_fault_of_the_configuration(tmp_path: Path, arguments: list[str]) -> None:
    """Also where the file that asks for it is the one with the faults."""
    (tmp_path / "dnsdisco.yaml").write_text(f"{'' if arguments else 'log_format: json'}\nttl: x\nzones: 5\n")
    with Server(*arguments, *QUIET, cwd=tmp_path, wait=False) as server:
        assert server.process.wait(20) == 1
    events = [json.loads(line) for line in server.stderr.splitlines()]
    reasons = [event["reason"] for event in events if event["level"] == "error"]
    assert len(reasons) == len(events) == (3 if "nonsense" in arguments else 2)
    assert any(reason.startswith("dnsdisco.yaml:2:6: ttl: expected a duration") for reason in reasons)


@pytest.mark.parametrize(("no_color", "is_coloured"), [("1", False), ("", True)])
def test_no_color_holds_on_a_terminal(tmp_path: Path, no_color: str, is_coloured: bool) -> None:
    reader, terminal = pty.openpty()
    process = start(tmp_path, terminal, NO_COLOR=no_color)
    os.close(terminal)
    try:
        told = _read_until(reader, b"try: dig")
        process.send_signal(signal.SIGUSR1)
        told += _read_until(reader, b"part")
        assert b"provider synced" in told
        assert (b"\x1b[" in told) is is_coloured
    finally:
        process.terminate()
        os.set_blocking(reader, False)
        assert process.wait(10) == 0
        os.close(reader)


def test_under_systemd_every_line_has_its_priority(tmp_path: Path) -> None:
    log = tmp_path / "journal"
    with log.open("wb") as stream:
        status = os.fstat(stream.fileno())
        process = start(tmp_path, stream.fileno(), JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
    try:
        until = time.monotonic() + 20
        while "try: dig" not in log.read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.terminate()
        assert process.wait(10) == 0
    lines = log.read_text().splitlines()
    assert {line[:3] for line in lines} == {"<6>"}
    assert any(line.startswith("<6>ready: ") for line in lines)


def test_the_level_changes_with_a_reload(tmp_path: Path) -> None:
    config = tmp_path / "dnsdisco.yaml"
    config.write_text("log_level: error\n")
    with Server(*QUIET, cwd=tmp_path) as server:
        server.wait_for("try: dig")
        assert "level=" not in server.stderr
        config.write_text("log_level: info\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("level=info event=reloaded")
        server.process.send_signal(signal.SIGUSR1)
        server.wait_for('event=statistics process="worker 0"')


def _read_until(fd: int, wanted: bytes, seconds: float = 20.0) -> bytes:
    told, until = b"", time.monotonic() + seconds
    while wanted not in told:
        assert time.monotonic() < until, told
        told += os.read(fd, 65536)
    return told
