"""The load: queries in wire form, sent by a small C program (`load.c`) that a Python program could not saturate a server with."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import dns.edns
import dns.message

SOURCE = Path(__file__).with_name("load.c")


@cache
def program() -> str:
    """The compiled load program. Raises RuntimeError when there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("the load program needs a C compiler (cc); on Debian: apt-get install gcc libc6-dev")
    target = Path(tempfile.gettempdir()) / f"dnsdisco-load-{os.getuid()}-{SOURCE.stat().st_mtime_ns}"
    if not target.exists():
        subprocess.run([compiler, "-O2", "-o", f"{target}.new", str(SOURCE)], check=True)
        Path(f"{target}.new").rename(target)
    return str(target)


def query(name: str, qtype: int, *, edns: bool = True, options: bytes = b"") -> bytes:
    """A query with RD, and an OPT record of 1,232 octets."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(options)) + options if edns else b""
    return struct.pack("!HHHHHH", 0, 0x0100, 1, 0, 0, 1 if edns else 0) + labels + struct.pack("!HH", qtype, 1) + opt


def with_cookie(messages: Iterable[bytes], address: str, port: int) -> Iterable[bytes]:
    """*messages*, each of which ends in a client cookie, with the server's behind it; as they are if it gives none."""
    messages = list(messages)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, port))
        sock.send(messages[0])
        cookies = [each for each in dns.message.from_wire(sock.recv(4096)).options if isinstance(each, dns.edns.CookieOption)]
    if not cookies:
        return messages
    option = dns.edns.CookieOption(cookies[0].client, cookies[0].server).to_wire()
    end = struct.pack("!HHH", 4 + len(option), dns.edns.OptionType.COOKIE, len(option)) + option
    return [message[:-14] + end for message in messages]


def write(path: Path, queries: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(struct.pack("!H", len(octets)) + octets for octets in queries))
    return path


def run(
    address: str,
    port: int,
    path: Path,
    *,
    seconds: float,
    window: int = 128,
    flows: int = 8,
    rate: float = 0,
    cpu: int | None = None,
) -> dict[str, Any]:
    """One run of the load, on processor *cpu*; what it printed."""
    command = [program(), address, str(port), str(path), str(seconds), str(window), str(flows), str(rate)]
    if cpu is not None and shutil.which("taskset"):
        command = ["taskset", "-c", str(cpu), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run_tcp(address: str, port: int, path: Path, *, seconds: float, connections: int = 8, cpu: int | None = None) -> dict[str, Any]:
    """The same over TCP, by `dnsperf`. Raises RuntimeError where there is none. It tells the mean latency only."""
    if shutil.which("dnsperf") is None:
        raise RuntimeError("the TCP case needs dnsperf; on Debian: apt-get install dnsperf")
    names = path.with_suffix(".names")
    names.write_text("".join(f"{name} {qtype}\n" for name, qtype in _questions(path.read_bytes())))
    command = ["dnsperf", "-m", "tcp", "-s", address, "-p", str(port), "-d", str(names), "-l", str(seconds), "-c", str(connections)]
    command += ["-q", "256"]
    if cpu is not None and shutil.which("taskset"):
        command = ["taskset", "-c", str(cpu), *command]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def figure(label: str) -> float:
        return float(re.search(rf"{label}:\s+([0-9.]+)", said)[1])  # type: ignore[index]

    mean = figure(r"Average Latency \(s\)") * 1e6
    return {
        "qps": figure("Queries per second"),
        "received": figure("Queries completed"),
        "lost": figure("Queries lost"),
        "mean_us": mean,
    }


def _questions(octets: bytes) -> Iterable[tuple[str, str]]:
    at = 0
    while at < len(octets):
        size = int.from_bytes(octets[at : at + 2], "big")
        message = octets[at + 2 : at + 2 + size]
        labels, place = [], 12
        while message[place]:
            labels.append(message[place + 1 : place + 1 + message[place]].decode())
            place += 1 + message[place]
        yield ".".join(labels), {1: "A", 28: "AAAA", 33: "SRV"}[int.from_bytes(message[place + 1 : place + 3], "big")]
        at += 2 + size
