"""`dnsdisco serve` as a process, on a port that the kernel chooses, and questions to it over real sockets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "zones" / "services.yaml"


class Server:
    """Context manager, entered when it is ready (or, without *wait*, has been started). `stderr` holds what was printed so far; `address` and `port` are those of the ready line."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        env: dict[str, str] | None = None,
        listen: str | None = "127.0.0.1:0",
        wait: bool = True,
        **popen: Any,
    ):
        self.arguments = ["serve", *(["--listen", listen] if listen else []), *arguments]
        self.cwd, self.env, self.popen, self.wait = cwd, env or {}, popen, wait
        self.stderr = ""
        self.address, self.port = "127.0.0.1", 0
        self.process: subprocess.Popen[str] = None  # type: ignore[assignment]

    def __enter__(self) -> Self:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("SERVICE_", "CONSUL_", "KUBE"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dnsdisco.cli", *self.arguments],
            cwd=self.cwd,
            env={**environ, "PYTHONPATH": str(ROOT), "HOME": str(self.cwd), **self.env},
            stderr=subprocess.PIPE,
            text=True,
            **self.popen,
        )
        threading.Thread(target=self._read, daemon=True).start()
        if self.wait:
            try:
                self._ready()
            except AssertionError:
                self.__exit__()
                raise
        return self

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.process.stderr.close()  # type: ignore[union-attr]

    def _ready(self, seconds: float = 15.0) -> None:
        line = self.wait_for(r"ready: listening on udp\+tcp (\S+?):(\d+)[, ]", seconds)
        self.address, self.port = line[1].strip("[]"), int(line[2])

    def wait_for(self, pattern: str, seconds: float = 10.0) -> re.Match[str]:
        """The first match of *pattern* in what is printed to stderr."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if match := re.search(pattern, self.stderr):
                return match
            if self.process.poll() is not None:
                time.sleep(0.1)
                break
            time.sleep(0.01)
        if match := re.search(pattern, self.stderr):
            return match
        raise AssertionError(f"no {pattern!r} within {seconds} s (exit {self.process.poll()}):\n{self.stderr}")

    def ask(self, name: str, rtype: str = "A", *, tcp: bool = False, timeout: float = 5.0, **query: Any) -> dns.message.Message:
        """A reply, which an independent codec has parsed and matched with the question."""
        question = dns.message.make_query(name if name.endswith(".") else name + ".", rtype, **{"use_edns": 0, **query})
        send = dns.query.tcp if tcp else dns.query.udp
        return send(question, self.address, timeout, self.port)

    def answers(self, name: str, rtype: str = "A") -> set[str]:
        return {rdata.to_text() for rrset in self.ask(name, rtype).answer for rdata in rrset}

    def until(self, name: str, expected: set[str], seconds: float = 1.0, rtype: str = "A") -> float:
        """Seconds until the answer is *expected*; AssertionError when it takes longer."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if self.answers(name, rtype) == expected:
                return time.monotonic() - start
            time.sleep(0.005)
        raise AssertionError(f"{name} is {self.answers(name, rtype)} after {seconds} s, not {expected}\n{self.stderr}")

    def children(self) -> dict[str, list[int]]:
        """Pids of the processes below the supervisor by kind: "control", "server"."""
        found: dict[str, list[int]] = {"control": [], "server": []}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            for pid in (task / "children").read_text().split():
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                for kind, pids in found.items():
                    if f"dnsdisco.{kind}".encode() in words:
                        pids.append(int(pid))
        return found

    def stop(self, sig: int = signal.SIGTERM, seconds: float = 6.0) -> int:
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Traffic:
    """Asks one name over and over from its own thread, on a new socket each time, and keeps what came back."""

    def __init__(
        self, server: Server, name: str = "web.svc.local", rtype: str = "A", *, tcp: bool = False, pause: float = 0.001
    ) -> None:
        self.server, self.name, self.rtype, self.tcp, self.pause = server, name, rtype, tcp, pause
        self.replies: list[tuple[float, str]] = []  # seconds taken, rcode or the error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                reply = self.server.ask(self.name, self.rtype, tcp=self.tcp, timeout=4.0)
                outcome = dns.rcode.to_text(reply.rcode()) if reply.answer else f"{dns.rcode.to_text(reply.rcode())} without answer"
            except (OSError, dns.exception.DNSException) as error:
                outcome = type(error).__name__
            self.replies.append((time.monotonic() - start, outcome))
            self._stop.wait(self.pause)

    def wait_until_prompt(self, seconds: float = 10.0) -> None:
        """Until twenty in a row were answered at once: by every worker, each new socket being anyone's."""
        until = time.monotonic() + seconds
        while len(last := self.replies[-20:]) < 20 or any(took > 0.1 for took, _ in last):
            assert time.monotonic() < until, last
            time.sleep(0.05)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def outcomes(self) -> dict[str, int]:
        result: dict[str, int] = {}
        for _, outcome in self.replies:
            result[outcome] = result.get(outcome, 0) + 1
        return result
