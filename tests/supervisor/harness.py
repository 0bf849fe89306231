"""Starts a real supervisor process, with stand-in children or the real ones, and talks to what it listens on."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dnsdisco.supervisor.sockets import bind_all, Listening, ListenPlace
from dnsdisco.written.endpoints import listener

ROOT = Path(__file__).parents[2]
STANDIN = Path(__file__).with_name("standin.py")

RUN = """
import sys
from dnsdisco.supervisor.__main__ import main
from dnsdisco.supervisor.family import Commands
control, worker, fd = sys.argv[1:]
standin = [sys.executable, {standin!r}]
sys.exit(main(int(fd), Commands([*standin, "control", control], [*standin, "worker", worker])))
"""


def place(text: str) -> ListenPlace:
    """An entry of `listen` as `dnsdisco serve` hands it over."""
    plain = json.loads(json.dumps(listener(text).apart()))
    return ListenPlace(**{**plain, "sockets": tuple(plain["sockets"])})


def bind_texts(listen: Iterable[str], workers: int) -> tuple[list[Listening], list[str]]:
    return bind_all([place(text) for text in listen], workers)


class Running:
    """A supervisor and what it wrote to stderr."""

    def __init__(
        self,
        listen: list[str] | None = None,
        workers: int = 1,
        *,
        control: str = "-",
        worker: str = "-",
        environ: dict[str, str] | None = None,
        wrap: Callable[[], None] | None = None,
        pass_fds: tuple[int, ...] = (),
        command: list[str] | None = None,
        **settings: Any,
    ) -> None:
        plain = {"listen": listen or ["127.0.0.1:0"], "workers": workers, "zones": ["svc.local"], "ttl": 5, **settings}
        document = os.memfd_create("parameters")
        os.write(
            document,
            json.dumps(
                {
                    "source": {"config": None, "flags": {}},
                    "settings": plain,
                    "worker_settings": {"ttl": plain["ttl"]},
                    "listen": [listener(entry).apart() for entry in plain["listen"]],
                }
            ).encode(),
        )
        os.lseek(document, 0, os.SEEK_SET)
        run = command or [sys.executable, "-c", RUN.format(standin=str(STANDIN)), control, worker]
        self.popen = subprocess.Popen(
            [*run, str(document)],
            pass_fds=[document, *pass_fds],
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
            preexec_fn=wrap,  # noqa: PLW1509  dup2 and nothing else
            text=True,
        )
        os.close(document)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        self.lines.extend(line.rstrip("\n") for line in self.popen.stderr)

    def line(self, pattern: str, timeout_s: float = 8.0) -> re.Match[str]:
        """The first line that matches."""
        ends = time.monotonic() + timeout_s
        while True:
            for line in self.lines:
                if match := re.search(pattern, line):
                    return match
            assert time.monotonic() < ends, self.lines
            assert self._reader.is_alive(), self.lines
            time.sleep(0.005)

    def ready(self) -> tuple[str, int]:
        """The first address that it says it listens on."""
        match = self.line(r"^ready: listening on udp\+tcp (\S+):(\d+),")
        return match[1].strip("[]"), int(match[2])

    def end(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 6.0) -> tuple[int, float]:
        """Exit code and seconds until it came."""
        started = time.monotonic()
        self.popen.send_signal(number)
        return self.wait(timeout_s), time.monotonic() - started

    def wait(self, timeout_s: float = 8.0) -> int:
        code = self.popen.wait(timeout_s)
        self._reader.join(2)
        return code

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self._reader.join(5)
        assert self.popen.stderr is not None
        self.popen.stderr.close()


def ask(address: tuple[str, int], data: str = "?", timeout_s: float = 3.0) -> dict[str, Any]:
    """One datagram from a new port, so that a group of sockets shares them out."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect(address)
        sock.send(data.encode())
        answer: dict[str, Any] = json.loads(sock.recv(65536))
        return answer


def ask_tcp(address: tuple[str, int]) -> dict[str, Any]:
    with socket.create_connection(address, 3) as sock:
        octets = b""
        while piece := sock.recv(65536):
            octets += piece
        answer: dict[str, Any] = json.loads(octets)
        return answer


def until(condition: Callable[[], Any], timeout_s: float = 6.0) -> Any:
    ends = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < ends
        time.sleep(0.01)
    return value


def is_alive(pid: int) -> bool:
    """Running, and not merely waiting to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
