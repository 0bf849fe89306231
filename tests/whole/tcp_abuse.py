"""Abuse over TCP: `python -m tests.whole.tcp_abuse [--drip 200] [--idle 200] [--deaf 100] [--seconds 20]` prints what others notice of it.

A server as its own processes (one worker, its usual bounds), and clients of three kinds that come again whenever they are sent away: some
send one octet of a message a second, some connect and say nothing, some ask for large answers without end and read none. Meanwhile a
client comes four times a second over a new connection, another asks over UDP, and the worker's descriptors are counted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import selectors
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import dns.message

from tests.whole.server import Server

SERVICES = (
    "web: {address: 10.0.0.1, port: 80}\nmany: {instances: ["
    + ", ".join(f"{{address: 10.1.{n // 200}.{n % 200}, port: 80}}" for n in range(600))
    + "]}\n"
)
PACE = 200  # questions over UDP a second
AGAIN_S = 0.25  # between two new clients
FILES = 8192  # descriptors that the abusers may need
NEWCOMER_S = 5.0  # a newcomer gives up then


@dataclass
class Seen:
    udp_sent: int = 0
    udp_lost: int = 0
    udp_seconds: list[float] = field(default_factory=list)
    newcomers: list[float] = field(default_factory=list)  # seconds from connect() to the answer
    failed: int = 0  # newcomers without an answer
    abusers: int = 0  # connections that abusers have made
    before: int = 0  # descriptors of the worker
    most: int = 0
    after: int = 0
    processor_share: float = 0.0  # of one processor, that the worker took

    def as_text(self) -> str:
        return (
            f"{self.abusers} connections of abusers\n"
            f"new clients over TCP: {len(self.newcomers)} answered, {self.failed} not, slowest {1000 * max(self.newcomers, default=0):.0f} ms\n"
            f"UDP: {self.udp_sent} asked, {self.udp_lost} lost, slowest {1000 * max(self.udp_seconds, default=0):.0f} ms\n"
            f"descriptors of the worker: {self.before} before, {self.most} at the most, {self.after} after\n"
            f"the worker took {self.processor_share:.0%} of a processor"
        )

    @property
    def is_well(self) -> bool:
        is_served = not self.failed and max(self.newcomers, default=9.0) <= 1.0
        return is_served and not self.udp_lost and abs(self.after - self.before) <= 2


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def framed(name: str) -> bytes:
    octets = dns.message.make_query(name, "A").to_wire()
    return len(octets).to_bytes(2, "big") + octets


class Abusers:
    """All of them, in one thread; whoever is sent away comes back a moment later."""

    def __init__(self, address: tuple[str, int], kinds: dict[str, int], seen: Seen) -> None:
        self._address, self._seen = address, seen
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[socket.socket, str] = {}
        self._due: list[tuple[float, str]] = [(0.0, kind) for kind, count in kinds.items() for _ in range(count)]
        self._flood = framed("many.svc.local.") * 20

    def run(self, is_over: Callable[[], bool]) -> None:
        dripped_at = 0.0
        while not is_over():
            now = time.monotonic()
            due, self._due = [kind for at, kind in self._due if at <= now], [(at, kind) for at, kind in self._due if at > now]
            for kind in due:
                self._come(kind, now)
            if now - dripped_at >= 1.0:
                dripped_at = now
                for sock in [sock for sock, kind in self._sockets.items() if kind == "drip"]:
                    self._send(sock, b"\0", now)
            for key, events in self._selector.select(0.05):
                if isinstance(key.fileobj, socket.socket):
                    self._look(key.fileobj, events, now)
        for sock in list(self._sockets):
            self._go(sock)
        self._selector.close()

    def _come(self, kind: str, now: float) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if kind == "deaf":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(self._address)
        self._seen.abusers += 1
        self._sockets[sock] = kind
        # The deaf ones write for as long as they are read from; the others hear when they are sent away.
        self._selector.register(sock, selectors.EVENT_WRITE if kind == "deaf" else selectors.EVENT_READ)

    def _look(self, sock: socket.socket, events: int, now: float) -> None:
        if events & selectors.EVENT_WRITE:
            self._send(sock, self._flood, now)
        elif events & selectors.EVENT_READ:
            try:
                is_gone = not sock.recv(1)
            except OSError:
                is_gone = True
            if is_gone:
                self._again(sock, now)

    def _send(self, sock: socket.socket, octets: bytes, now: float) -> None:
        try:
            sock.send(octets)
        except BlockingIOError:
            pass
        except OSError:
            self._again(sock, now)

    def _again(self, sock: socket.socket, now: float) -> None:
        self._due.append((now + 0.2, self._go(sock)))

    def _go(self, sock: socket.socket) -> str:
        self._selector.unregister(sock)
        sock.close()
        return self._sockets.pop(sock)


def ask_udp(address: tuple[str, int], is_over: Callable[[], bool], seen: Seen) -> None:
    message = dns.message.make_query("web.svc.local.", "A").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.settimeout(NEWCOMER_S)
        while not is_over():
            began = time.monotonic()
            sock.send(message)
            seen.udp_sent += 1
            try:
                sock.recv(4096)
            except TimeoutError:
                seen.udp_lost += 1
            seen.udp_seconds.append(time.monotonic() - began)
            time.sleep(max(0.0, 1 / PACE - (time.monotonic() - began)))


def come_anew(address: tuple[str, int], is_over: Callable[[], bool], seen: Seen) -> None:
    message = framed("web.svc.local.")
    while not is_over():
        began = time.monotonic()
        try:
            with socket.create_connection(address, NEWCOMER_S) as sock:
                sock.settimeout(NEWCOMER_S)
                sock.sendall(message)
                if not sock.recv(4096):
                    raise ConnectionResetError
            seen.newcomers.append(time.monotonic() - began)
        except OSError:
            seen.failed += 1
        time.sleep(AGAIN_S)


def run(folder: Path, *, drip: int, idle: int, deaf: int, seconds: float) -> Seen:
    """With *drip*, *idle* and *deaf* abusers at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard))
    seen, over = Seen(), threading.Event()
    (folder / "services.yaml").write_text(SERVICES)
    arguments = ["--services", "services.yaml", "--upstream", "none", "--http", "off", "--state-dir", "off", "--control", "off"]
    with Server(*arguments, cwd=folder) as server:
        address = (server.address, server.port)
        (worker,) = server.children()["server"]

        def descriptors() -> int:
            return len(os.listdir(f"/proc/{worker}/fd"))  # noqa: PTH208

        seen.before = descriptors()
        abusers = Abusers(address, {"drip": drip, "idle": idle, "deaf": deaf}, seen)
        targets: list[tuple[Callable[..., None], tuple[object, ...]]] = [
            (abusers.run, (over.is_set,)),
            (ask_udp, (address, over.is_set, seen)),
            (come_anew, (address, over.is_set, seen)),
        ]
        threads = [threading.Thread(target=target, args=arguments) for target, arguments in targets]
        for thread in threads:
            thread.start()
        began, used = time.monotonic(), processor_s(worker)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seen.most = max(seen.most, descriptors())
            time.sleep(0.1)
        seen.processor_share = (processor_s(worker) - used) / (time.monotonic() - began)
        over.set()
        for thread in threads:
            thread.join()
        until = time.monotonic() + 15.0
        seen.after = descriptors()
        while seen.after > seen.before and time.monotonic() < until:
            time.sleep(0.05)
            seen.after = descriptors()
        assert "Traceback" not in server.stderr
        assert "internal error" not in server.stderr
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("drip", 200), ("idle", 200), ("deaf", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = run(Path(folder), drip=given.drip, idle=given.idle, deaf=given.deaf, seconds=given.seconds)
    print(seen.as_text())
    return 0 if seen.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
