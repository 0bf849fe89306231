"""Reloads under load: `python -m tests.whole.reloads [--reloads 20] [--seconds 8] [--workers 2]` prints what was asked, and what was lost.

A server as its own processes, questions over UDP and TCP at a steady pace (names of ours, forwarded ones that are new each time, forwarded
ones from the cache), and SIGHUP after SIGHUP with another configuration each time: other zones, other upstreams, another ACL, another cache,
other health policy, nothing new at all, and one that is faulty. Lost is what was not answered in 5 s; wrong is any other answer than that.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import dns.message

from tests.forward.upstream import a_record, reply, ScriptedUpstream
from tests.whole.server import Server

ANSWER_S = 5.0  # what a stub resolver waits for
WINDOW = 64  # questions of one client on their way
CONNECTION_QUERIES = 200  # over one TCP connection, then a new one
SERVICES = "web: {instances: [{id: a, address: 10.0.0.1, port: 80}, {id: b, address: 10.0.0.2, port: 80}]}\n"
WANTED = {"web.svc.local.": 2, "kept.test.": 1}  # answers; of any other name one


@dataclass
class Outcome:
    """Of one client."""

    sent: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def take(self, octets: bytes, name: str, seconds: float) -> None:
        self.seconds.append(seconds)
        _, flags, _, answers = struct.unpack("!4H", octets[:8])
        if flags & 0x820F != 0x8000 or answers != WANTED.get(name, 1):
            self.wrong.append(f"{name}: flags {flags:04x}, {answers} answers")


def questions() -> Iterator[tuple[str, bytes]]:
    """Without end: a name, and the query for it without its id."""
    made = {name: dns.message.make_query(name, "A", use_edns=0).to_wire()[2:] for name in WANTED}
    fresh = bytearray(dns.message.make_query("n000000.fresh.test.", "A", use_edns=0).to_wire()[2:])
    for number in range(10**6):
        if number % 8 == 3:
            fresh[12:18] = b"%06d" % number
            yield f"n{number:06}.fresh.test.", bytes(fresh)
        else:
            name = "kept.test." if number % 4 == 1 else "web.svc.local."
            yield name, made[name]


def ask_udp(address: tuple[str, int], pace: float, is_over: Callable[[], bool], outcome: Outcome) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.settimeout(0.002)
        waiting: dict[bytes, tuple[str, float]] = {}
        source, number, began = questions(), 0, time.monotonic()
        while not is_over() or waiting:
            now = time.monotonic()
            while not is_over() and len(waiting) < WINDOW and number < (now - began) * pace:
                name, rest = next(source)
                key = (number % 65536).to_bytes(2, "big")
                waiting[key] = (name, time.monotonic())
                sock.send(key + rest)
                number += 1
            try:
                octets = sock.recv(4096)
            except (TimeoutError, ConnectionRefusedError):  # refused: nobody held the port for a moment; what was sent then is lost
                octets = b""
            if octets[:2] in waiting:
                name, at = waiting.pop(octets[:2])
                outcome.take(octets, name, time.monotonic() - at)
            for key in [key for key, (_, at) in waiting.items() if now - at > ANSWER_S]:
                del waiting[key]
                outcome.lost += 1
        outcome.sent = number


def ask_tcp(address: tuple[str, int], pace: float, is_over: Callable[[], bool], outcome: Outcome) -> None:
    source, began = questions(), time.monotonic()
    while not is_over():
        with socket.create_connection(address, ANSWER_S) as sock:
            waiting: dict[bytes, tuple[str, float]] = {}
            unread = b""
            sock.settimeout(ANSWER_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            left = CONNECTION_QUERIES
            while (left and not is_over()) or waiting:
                due = int((time.monotonic() - began) * pace) - outcome.sent
                for name, rest in islice(source, max(0, min(due, left, WINDOW - len(waiting))) if not is_over() else 0):
                    key = left.to_bytes(2, "big")
                    left -= 1
                    waiting[key] = (name, time.monotonic())
                    sock.sendall((len(rest) + 2).to_bytes(2, "big") + key + rest)
                    outcome.sent += 1
                if not waiting:
                    time.sleep(0.002)
                    continue
                try:
                    more = sock.recv(65536)
                except (TimeoutError, ConnectionError):
                    more = b""
                if not more:
                    outcome.lost += len(waiting)
                    break
                unread += more
                while len(unread) >= 2 and len(unread) >= 2 + int.from_bytes(unread[:2], "big"):
                    octets, unread = (
                        unread[2 : 2 + int.from_bytes(unread[:2], "big")],
                        unread[2 + int.from_bytes(unread[:2], "big") :],
                    )
                    name, at = waiting.pop(octets[:2])
                    outcome.take(octets, name, time.monotonic() - at)


def configurations(upstreams: list[str]) -> list[tuple[str, bool]]:
    """What is written before each SIGHUP, and whether it can be used."""
    common = f"providers: [{{type: static, path: services.yaml}}]\nhttp: off\nstate_dir: state\nworkers: %d\nforward: {{upstreams: [{upstreams[0]}]}}\n"
    first = common.replace("state_dir", "zones: [svc.local]\nstate_dir")
    return [
        (first.replace("[svc.local]", "[svc.local, svc.internal]"), True),
        (first.replace(upstreams[0], upstreams[1]), True),
        (first + "acl: {allow: [127.0.0.1, 10.0.0.0/8]}\n", True),
        (first + "cache: {size: 50, serve_stale: 0}\nttl: 1\n", True),
        (first + "forward: [nonsense\n", False),
        (first, True),
        (first, True),
        (first.replace(upstreams[0], upstreams[1]).replace("}}", f", zones: {{fresh.test: ['{upstreams[0]}']}}}}"), True),
        (first + "unknown_key: 1\n", False),
        (first + "when_all_unhealthy: empty\nrate_limit: {responses_per_second: off}\nnegative_ttl: 9\n", True),
    ]


@dataclass
class Result:
    reloads: int
    used: int
    refused: int
    udp: Outcome
    tcp: Outcome

    def as_text(self) -> str:
        lines = [f"{self.reloads} reloads: {self.used} used, {self.refused} refused as faulty"]
        for name, each in (("UDP", self.udp), ("TCP", self.tcp)):
            taken = sorted(each.seconds) or [0.0]
            p99, most = (1000 * taken[min(len(taken) * 99 // 100, len(taken) - 1)], 1000 * taken[-1])
            lines.append(
                f"{name}: {each.sent} asked, {each.lost} lost, {len(each.wrong)} wrong, p99 {p99:.1f} ms, slowest {most:.0f} ms"
            )
        return "\n".join(lines)


def run(folder: Path, *, reloads: int, seconds: float, workers: int, pace: float) -> Result:
    """*pace*: questions a second, over UDP and over TCP each."""
    with ScriptedUpstream() as one, ScriptedUpstream() as two:
        for upstream in (one, two):
            upstream.on(lambda _: True, lambda asked: reply(asked, records=(a_record("192.0.2.1", 600),)))
        texts = [(text % workers, is_usable) for text, is_usable in configurations([one.address, two.address])]
        (folder / "services.yaml").write_text(SERVICES)
        (folder / "dnsdisco.yaml").write_text(texts[5][0])
        udp, tcp, over = Outcome(), Outcome(), threading.Event()
        with Server("--config", "dnsdisco.yaml", cwd=folder) as server:
            address = (server.address, server.port)
            threads = [
                threading.Thread(target=ask, args=(address, pace, over.is_set, outcome))
                for ask, outcome in ((ask_udp, udp), (ask_tcp, tcp))
            ]
            for thread in threads:
                thread.start()
            used = refused = 0
            for text, is_usable in islice(cycle(texts), reloads):
                time.sleep(seconds / (reloads + 1))
                (folder / "dnsdisco.yaml").write_text(text)
                server.process.send_signal(signal.SIGHUP)
                used, refused = used + is_usable, refused + (not is_usable)
                line = r"event=reloaded" if is_usable else r'event="the new configuration is not used"'
                server.wait_for(rf"(?s)(?:{line}.*?){{{used if is_usable else refused}}}", 20)
                if "svc.internal" in text:
                    server.until("web.svc.internal", {"10.0.0.1", "10.0.0.2"}, 5.0)
            time.sleep(seconds / (reloads + 1))
            over.set()
            for thread in threads:
                thread.join()
            assert reloads < 2 or two.queries, "no reload has changed the upstreams"
            assert re.search("Traceback|internal error", server.stderr) is None, server.stderr
        return Result(reloads, used, refused, udp, tcp)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reloads", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pace", type=float, default=2000.0, help="questions a second, over UDP and over TCP each")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), reloads=given.reloads, seconds=given.seconds, workers=given.workers, pace=given.pace)
    if given.json:
        told = {
            name: {"asked": each.sent, "lost": each.lost, "wrong": len(each.wrong)}
            for name, each in (("udp", result.udp), ("tcp", result.tcp))
        }
        print(json.dumps({"reloads": result.reloads, "used": result.used, "refused": result.refused, **told}))
    else:
        print(result.as_text())
        for wrong in (result.udp.wrong + result.tcp.wrong)[:10]:
            print("wrong:", wrong)
    return 1 if result.udp.lost or result.tcp.lost or result.udp.wrong or result.tcp.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
