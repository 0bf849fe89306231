"""`python -m dnsdisco.control FD` as the supervisor starts it: parameters, status lines, signals, and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.model import unread
from dnsdisco.model.delta import Assembler, Joiner, pack
from tests.control.harness import SETTINGS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

# A provider that hangs in a call that cannot be interrupted, beside one that works; what the registry would build.
HANGING = """
import sys, threading, time
sys.argv = ["control", sys.argv[1]]
from dnsdisco.providers.base import ServiceDiscovery
import types
registry = types.ModuleType("dnsdisco.providers.registry")
class Hanging(ServiceDiscovery):
    type = "hanging"
    def get_services(self):
        print("hanging", file=sys.stderr, flush=True)
        while True:
            time.sleep(1000)
class Working(ServiceDiscovery):
    type = "working"
    poll_interval = 0.05
    def get_services(self):
        return {"web": {"address": "10.0.0.1", "port": 80}}
registry.create = lambda entry, environ: {"hanging": Hanging, "working": Working}[entry["type"]]()
registry.detect = lambda environ: ["env"]
registry.types = lambda: ["env", "hanging", "working"]
registry.options = lambda kind: None
sys.modules["dnsdisco.providers.registry"] = registry
import dnsdisco.providers
dnsdisco.providers.registry = registry
import dnsdisco.control.__main__ as entry
import os
os._exit(entry.main())
"""


class Process:
    def __init__(self, *types: str, **parameters: Any) -> None:
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.status, status_fd = os.pipe()
        document = os.memfd_create("parameters")
        settings = {**SETTINGS, "providers": [{"type": name} for name in types]}
        plain = {"links": [theirs.fileno()], "status_fd": status_fd, "settings": settings, **parameters}
        plain.setdefault("source", {"config": None, "flags": {}})
        os.write(document, json.dumps(plain).encode())
        os.lseek(document, 0, os.SEEK_SET)
        self.popen = subprocess.Popen(
            [sys.executable, "-c", HANGING, str(document)],
            pass_fds=[theirs.fileno(), status_fd, document],
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        theirs.close()
        os.close(status_fd)
        os.close(document)
        self.lines = os.fdopen(self.status)
        self.link.settimeout(5)

    def event(self, name: str) -> dict[str, Any]:
        for line in self.lines:
            event = json.loads(line)
            if event["event"] == name:
                return event  # type: ignore[no-any-return]
        raise AssertionError(f"ended without {name}")

    def take_web(self) -> None:
        """Say hello, and that everything is applied, until `web` is there."""
        self.say("hello", serial=0)
        assembler, joiner, names = Assembler(), Joiner(), set()
        while True:
            message = assembler.feed(self.link.recv(1 << 17))
            if message is None:
                continue
            entries = [
                *map(unread.read, message.get("lines") or ()),
                *joiner.take(message.get("entries") or message.get("put") or ()),
            ]
            names |= {entry.service.name for entry in entries}
            if message["op"] in ("end", "delta"):
                self.say("applied", serial=message["serial"])
                if "web" in names:
                    return

    def say(self, op: str, **fields: Any) -> None:
        self.link.send(pack({"op": op, **fields})[0])

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        assert self.popen.stderr is not None
        self.popen.stderr.close()
        self.lines.close()
        self.link.close()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.close()


def test_from_start_to_ready_to_an_end_within_a_second_though_a_provider_hangs(processes: list[Process]) -> None:
    processes.append(process := Process("hanging", "working"))
    process.event("started")
    process.take_web()
    ready = process.event("ready")
    assert (ready["zones"], ready["providers"], ready["example"]) == (["svc.local"], ["hanging", "working"], "web")
    started = time.monotonic()
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(2) == 0
    assert time.monotonic() - started < 1
    assert process.popen.stderr is not None
    log = process.popen.stderr.read().decode()
    assert "level=info" in log
    assert 'event="provider synced" provider=working services=1' in log
    assert "Traceback" not in log


def test_it_ends_when_its_supervisor_is_gone(processes: list[Process]) -> None:
    processes.append(process := Process("working"))
    process.event("started")
    process.lines.close()
    assert process.popen.wait(2) == 0


def test_a_reload_that_cannot_be_read_changes_nothing(processes: list[Process], tmp_path: Path) -> None:
    path = tmp_path / "dnsdisco.yaml"
    path.write_text("ttl: -1\nzonse: []\n")
    processes.append(process := Process("working", source={"config": str(path), "flags": {}}))
    process.event("started")
    process.popen.send_signal(signal.SIGHUP)
    process.event("reload_failed")
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(2) == 0
    assert process.popen.stderr is not None
    log = process.popen.stderr.read().decode()
    assert f"{path}:1:" in log
    assert f"{path}:2:" in log
    assert "Traceback" not in log
