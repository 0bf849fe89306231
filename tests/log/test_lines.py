"""What a line looks like, where it goes, and that no process waits for it or falls over it."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from dnsdisco.control import log as control_log
from dnsdisco.log.form import LINE_OCTETS_MAX
from dnsdisco.log.handler import install
from dnsdisco.log.lines import Lines

ODD = "a\nb\x1b[31m\u202e\x9b\udcff"


class Pipe:
    """Something to write to, and what came out of it."""

    def __init__(self, kind: str) -> None:
        self.is_terminal = kind == "terminal"
        self.reader, self.fd = pty.openpty() if self.is_terminal else os.pipe()

    def lines(self) -> list[str]:
        os.set_blocking(self.reader, False)
        return os.read(self.reader, 1 << 20).decode().splitlines()


@pytest.fixture
def made() -> Iterator[Callable[[str], Pipe]]:
    pipes: list[Pipe] = []

    def make(kind: str = "pipe") -> Pipe:
        pipes.append(Pipe(kind))
        return pipes[-1]

    yield make
    for each in pipes:
        for fd in (each.reader, each.fd):
            with suppress(OSError):  # the test has closed it
                os.close(fd)


@pytest.mark.parametrize("kind", ["pipe", "terminal", "json"])
@pytest.mark.parametrize("by", ["itself", "structlog", "logging"])
def test_one_event_is_one_line_whatever_a_backend_calls_its_services(made: Callable[[str], Pipe], kind: str, by: str) -> None:
    pipe = made(kind)
    lines = Lines({"log_format": "json" if kind == "json" else "text"}, {}, pipe.fd)
    if by == "itself":
        lines.event("warning", "left out", service=ODD, reason='say "x=1"', n=3)
        lines.event("debug", "not shown")
    elif by == "structlog":
        control_log.configure(lines)
        structlog.get_logger("x").warning("left out", service=ODD, reason='say "x=1"', n=3)
        control_log.logger().debug("not shown")
    else:
        install(lines, "info")
        logging.getLogger("x").warning("left out %s", ODD)
        logging.getLogger("x").debug("not shown")
    (line,) = pipe.lines()
    assert not set("\u202e\x9b") & set(line)
    assert ("\x1b" in line) is pipe.is_terminal
    if kind == "json":
        event = json.loads(line)
        assert event["level"] == "warning"
        assert "a\\010b\\027[31m" in event.get("service", event["event"])
        assert event.get("n", 3) == 3
    else:
        assert "a\\010b\\027[31m" in line.replace("\\\\", "\\")


def test_the_form_for_machines(made: Callable[[str], Pipe]) -> None:
    pipe = made("pipe")
    Lines({}, {}, pipe.fd, worker=2).event("info", "provider synced", provider="env", empty="", path="a\\b")
    (line,) = pipe.lines()
    assert re.fullmatch(
        r'timestamp=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z level=info event="provider synced" provider=env empty="" path="a\\\\b" worker=2',
        line,
    )


@pytest.mark.parametrize(
    ("environ", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "0"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_no_color(made: Callable[[str], Pipe], environ: dict[str, str], is_coloured: bool) -> None:
    pipe = made("terminal")
    Lines({}, environ, pipe.fd).event("error", "x", key="value")
    assert ("\x1b" in pipe.lines()[0]) is is_coloured


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_level_holds_back_what_weighs_less_and_never_what_was_promised(made: Callable[[str], Pipe], level: str) -> None:
    pipe = made("pipe")
    lines = Lines({"log_level": level}, {}, pipe.fd)
    for each in ("debug", "info", "warning", "error"):
        lines.event(each, "x")
    lines.contract("info", "ready: x", "ready")
    told = pipe.lines()
    assert told[-1] == "ready: x"
    assert [line.split("level=")[1].split()[0] for line in told[:-1]] == ["debug", "info", "warning", "error"][-len(told) + 1 :]
    assert f"level={level} " in told[0]


def test_under_systemd_each_line_has_its_priority(made: Callable[[str], Pipe]) -> None:
    pipe, other = made("pipe"), made("pipe")
    status = os.fstat(pipe.fd)
    journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    for each in (pipe, other):
        lines = Lines({}, journal, each.fd)
        lines.event("error", "x")
        lines.event("info", "x")
        lines.contract("info", "ready: x", "ready")
    assert [line[:3] for line in pipe.lines()] == ["<3>", "<6>", "<6>"]
    assert not any(line.startswith("<") for line in other.lines())  # its stderr is not what systemd connected


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_never_gets_longer_than_a_pipe_takes_whole(made: Callable[[str], Pipe], log_format: str) -> None:
    pipe = made("pipe")
    lines = Lines({"log_format": log_format}, {}, pipe.fd)
    lines.event("info", "x" * 9999, **{f"key{n}": "ü" * 9999 for n in range(30)})
    octets = os.read(pipe.reader, 1 << 20)
    assert len(octets) <= LINE_OCTETS_MAX
    assert octets.endswith(b"\n")
    if log_format == "json":
        json.loads(octets)


# ------------------------------------------------------------------------------------------------- what cannot be written


def fill(fd: int) -> None:
    os.set_blocking(fd, False)
    try:
        while True:
            os.write(fd, b"x" * 512)
    except BlockingIOError:
        os.set_blocking(fd, True)


def test_a_pipe_that_nobody_reads_is_not_waited_for_and_what_was_lost_is_told_later(made: Callable[[str], Pipe]) -> None:
    pipe = made("pipe")
    lines = Lines({}, {}, pipe.fd)
    fill(pipe.fd)
    began = time.monotonic()
    for n in range(100):
        lines.event("info", "x", n=n)
    assert time.monotonic() - began < 5
    assert lines.lost == 100
    assert os.get_blocking(pipe.fd)  # a flag that others who write there would feel
    os.read(pipe.reader, 1 << 20)
    lines.event("info", "again")
    told = pipe.lines()
    assert 'level=warning event="log lines were lost" lines=100' in told[0]
    assert "event=again" in told[1]
    assert lines.lost == 100


def test_a_socket_that_nobody_reads_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        lines = Lines({}, {}, ours.fileno())
        fill(ours.fileno())
        lines.event("info", "x")
        assert lines.lost == 1


def test_a_reader_that_has_gone(made: Callable[[str], Pipe]) -> None:
    pipe = made("pipe")
    lines = Lines({}, {}, pipe.fd)
    os.close(pipe.reader)
    lines.event("info", "x")
    assert lines.lost == 1
    Lines({}, {}, pipe.fd).event("info", "had gone before we began")


def test_no_reader_no_room_no_descriptor(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        lines = Lines({}, {}, full.fileno())
        lines.event("info", "x")
        assert lines.lost == 1
    closed = os.open(tmp_path, os.O_RDONLY)
    os.close(closed)
    lines = Lines({}, {}, closed)
    lines.event("info", "x")
    assert lines.lost == 1


def test_a_file_is_appended_to_and_a_full_one_loses_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    code = (
        "import resource, signal; from dnsdisco.log.lines import Lines\n"
        "lines = Lines({}, {})\n"
        "lines.event('info', 'first')\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (0, {resource.RLIM_INFINITY}))\n"
        "lines.event('info', 'second')\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({resource.RLIM_INFINITY}, {resource.RLIM_INFINITY}))\n"
        "lines.event('info', 'third')\n"
    )
    path.write_text("there before\n")
    with path.open("a") as file:
        subprocess.run([sys.executable, "-c", code], stderr=file, check=True)
    told = path.read_text().splitlines()
    assert told[0] == "there before"
    assert [re.search(r"event=(\"[^\"]*\"|\S+)", line)[1] for line in told[1:]] == ["first", '"log lines were lost"', "third"]  # type: ignore[index]
