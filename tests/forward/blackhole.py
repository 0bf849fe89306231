"""Our own names while no upstream answers, and memory under names that nobody asks for twice: `python -m tests.forward.blackhole`.

Starts the whole server three times. First all upstreams are black holes (they take everything and say nothing) and RATE new names a second
arrive; then an upstream denies every one of FLOOD_RATE random names a second. Meanwhile one of our own names is asked PROBES times a second,
in rounds: ROUND_S seconds without the flood, ROUND_S with it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.forward.upstream import BlackHole, free_port
from tests.whole.server import ROOT, Server

PROBES = 200
TIMEOUT_S = 2.0
SERVICES = "web: {address: 10.0.0.1, port: 80}\n"
LABEL = b"abcdefghijklmnopqrstuvwxyz0123456789"


def query(labels: list[bytes], message_id: int) -> bytes:
    name = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    return message_id.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"


def flood(port: int, rate: int, seconds: float) -> None:
    """New names, evenly spread; the answers are read and thrown away. Prints how many were sent and answered."""
    sent = answered = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        begin = time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            while sent < elapsed * rate:
                sent += 1
                sock.send(query([bytes(random.choices(LABEL, k=16)), b"example", b"com"], sent & 0xFFFF))
            with contextlib.suppress(BlockingIOError):
                while sock.recv(4096):
                    answered += 1
            time.sleep(0.001)
        time.sleep(2.5)
        with contextlib.suppress(BlockingIOError):
            while sock.recv(4096):
                answered += 1
    print(f"{sent} {answered}")


def deny(port: int) -> None:
    """An upstream that has none of the names: NXDOMAIN with a SOA, for ever."""
    soa = b"\0\0\6\0\1\0\0\x0e\x10\0\x16\0\0" + bytes(4) + b"\0\0\x0e\x10" * 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("127.0.0.1", port))
        while True:
            message, peer = sock.recvfrom(4096)
            end = 12
            while message[end]:
                end += 1 + message[end]
            head = message[:2] + bytes((0x80 | message[2], 0x83)) + b"\0\1\0\0\0\1\0\0"
            sock.sendto(head + message[12 : end + 5] + soa, peer)


def probe(port: int, seconds: float) -> tuple[list[float], int]:
    """Seconds that each answer of web.svc.local took, and how many never came."""
    took: list[float] = []
    lost = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(TIMEOUT_S)
        begin = time.perf_counter()
        for number in range(int(seconds * PROBES)):
            wait_s = begin + number / PROBES - time.perf_counter()
            if wait_s > 0:
                time.sleep(wait_s)
            asked = query([b"web", b"svc", b"local"], number & 0xFFFF)
            start = time.perf_counter()
            sock.send(asked)
            try:
                while sock.recv(4096)[:2] != asked[:2]:
                    pass
            except TimeoutError:
                lost += 1
                continue
            took.append(time.perf_counter() - start)
    return took, lost


def metric(http: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=5) as page:
        found = re.search(rf"^{name} (\S+)$", page.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def resident_kib(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def here(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.forward.blackhole", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def percentile(took: list[float], share: float) -> float:
    return sorted(took)[min(int(len(took) * share), len(took) - 1)]


def rounds(server: Server, http: int, rate: int, count: int, round_s: float) -> None:
    worker = server.children()["server"][0]
    idle: list[list[float]] = []
    busy: list[list[float]] = []
    lost = sent = answered = 0
    most_pending = 0.0
    sizes = []
    probe(server.port, 1)
    for number in range(count):
        took, gone = probe(server.port, round_s)
        idle.append(took)
        lost += gone
        flooding = here("--flood", server.port, "--rate", rate, "--seconds", round_s + 1)
        time.sleep(1.0)
        took, gone = probe(server.port, round_s)
        most_pending = max(most_pending, metric(http, "dnsdisco_forward_pending_queries"))
        busy.append(took)
        lost += gone
        out, _ = flooding.communicate()
        sent += int(out.split()[0])
        answered += int(out.split()[1])
        sizes.append(resident_kib(worker))
        print(f"  round {number + 1}: worker {sizes[-1] / 1024:.1f} MB")
    for what, all_of in (("idle", idle), ("flooded", busy)):
        figures = [statistics.median(percentile(took, share) for took in all_of) * 1000 for share in (0.5, 0.99)]
        worst = statistics.median(max(took) for took in all_of) * 1000
        print(f"  {what:8} p50 {figures[0]:.2f} ms, p99 {figures[1]:.2f} ms, slowest {worst:.2f} ms (medians of {count} rounds)")
    more = statistics.median(percentile(took, 0.99) for took in busy) - statistics.median(percentile(took, 0.99) for took in idle)
    print(f"  own names: {sum(map(len, idle)) + sum(map(len, busy))} answered, {lost} lost; p99 {more * 1000:+.2f} ms")
    print(f"  other names: {sent} asked, {answered} answered; at most {most_pending:.0f} on their way (at the ends of rounds)")
    for name in ("shed", "shed_dead", "jostled", "deadline", "failed"):
        print(f"  {name}: {metric(http, f'dnsdisco_forward_{name}_total'):.0f}", end="")
    print(f"\n  memory: {(sizes[-1] - sizes[0]) / 1024:+.1f} MB from the first round to the last")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--flood", type=int, metavar="PORT", help="be the client")
    parser.add_argument("--deny", type=int, metavar="PORT", help="be the upstream")
    given = parser.parse_args()
    if given.flood:
        flood(given.flood, given.rate, given.seconds)
        return
    if given.deny:
        deny(given.deny)
        return
    with tempfile.TemporaryDirectory() as folder, BlackHole() as one, BlackHole() as other:
        cwd = Path(folder)
        (cwd / "services.yaml").write_text(SERVICES)
        denying = free_port()
        upstream = here("--deny", denying)
        try:
            for what, upstreams in (
                ("all upstreams are black holes", [one.address, other.address]),
                ("an upstream denies every name", [f"127.0.0.1:{denying}"]),
            ):
                http = free_port()
                flags = [flag for each in upstreams for flag in ("--upstream", each)]
                arguments = ("--services", "services.yaml", *flags, "--http", f"127.0.0.1:{http}", "--state-dir", "off")
                print(f"{what}, {given.rate} new names a second, {os.cpu_count()} processors:", flush=True)
                with Server(*arguments, cwd=cwd) as server:
                    rounds(server, http, given.rate, given.rounds, given.seconds)
        finally:
            upstream.kill()
            upstream.communicate()


if __name__ == "__main__":
    main()
