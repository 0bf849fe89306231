"""The load: queries in wire form, sent by a small C program (`load.c`) that a Python program could not saturate a server with."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

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
