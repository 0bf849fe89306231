"""Somebody looks at all queries of a server that is asked as fast as it answers: what the others feel, and what it holds."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.bench import load
from tests.whole.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")]

SERVICES = 50
ROUNDS = 3  # the best of each counts: what else the machine does can only add
SECONDS = 1.0
GROWTH_KB = 20 * 1024


class Looker:
    """Reads /v1/queries over the control socket, and counts."""

    def __init__(self, path: Path) -> None:
        self.shown = self.dropped = 0
        self._begun = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._socket.sendall(b"GET /v1/queries HTTP/1.1\r\nHost: dnsdisco\r\n\r\n")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._begun.wait(10)

    def _read(self) -> None:
        with self._socket.makefile("rb") as lines:
            for line in lines:
                self._begun.set()
                self.shown += line.startswith(b"event: query")
                if found := re.match(rb'data: \{"dropped":(\d+)\}', line):
                    self.dropped += int(found[1])

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()


def memory_kb(server: Server) -> int:
    pids = [pid for kind in server.children().values() for pid in kind]
    return sum(int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) for pid in pids)


def test_the_others_are_as_quick_and_memory_is_bounded(tmp_path: Path) -> None:
    lines = [f"web{n}: {{instances: [{{id: a, address: 10.0.0.{n + 1}, port: 80}}]}}\n" for n in range(SERVICES)]
    (tmp_path / "services.yaml").write_text("".join(lines))
    asked = load.write(tmp_path / "asked", [load.query(f"web{n}.svc.local", 1) for n in range(SERVICES)])
    arguments = ("--services", "services.yaml", "--control", "s", "--http", "off", "--upstream", "none", "--state-dir", "off")
    with Server(*arguments, cwd=tmp_path) as server:

        def run() -> dict[str, Any]:
            return load.run(server.address, server.port, asked, seconds=SECONDS)

        run()
        alone, looked, before = [], [], memory_kb(server)
        for _ in range(ROUNDS):
            alone.append(run()["p99_us"])
            looker = Looker(tmp_path / "s")
            figures = run()
            looker.close()
            looked.append(figures["p99_us"])
            assert looker.shown > 100
            assert figures["qps"] < 10_000 or looker.dropped > looker.shown  # and it says so
        assert min(looked) <= 2 * min(alone), (looked, alone)
        assert memory_kb(server) - before <= GROWTH_KB
