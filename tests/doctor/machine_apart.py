"""A machine apart: network, processes, /etc and /run of its own, in which real resolvers run on port 53 and each fault is real.

The files below `etc` may be written from outside while it lives. Programs that are started in it end with it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest

from dnsdisco.doctor.finding import Finding
from tests.whole.server import ROOT
from tests.whole.test_clients import needs_netns

MARKS = [pytest.mark.netns, pytest.mark.slow, needs_netns]
EXTRACTED = Path.home() / ".cache" / "dnsdisco" / "extracted"  # .ci/run unpacks there what must not be installed
ENTER = ["nsenter", "--net", "--mount", "--pid"]
WAIT_S = 20.0

BEGIN = """
set -e
mount --make-rprivate /
mount --bind "$1/etc" /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /usr/local/bin
mount -t proc proc /proc
ip link set lo up
ip link add outside type veth peer name wire
ip addr add 192.0.2.10/24 dev outside
ip link set outside up; ip link set wire up
touch "$1/up"
exec sleep 1000
"""
SERVICES = "web: {instances: [{address: 10.0.0.1, port: 80, weight: 10}, {address: 10.0.0.2, port: 80, weight: 20}]}\n"
CONFIGURATION = "listen: ['127.0.0.1:53', '[::1]:53']\nforward: {upstreams: []}\nhttp: off\n"


def program(*names: str) -> str:
    """The first that is there, in PATH or unpacked; skips with the name where there is none."""
    for name in names:
        if found := shutil.which(name) or next(
            (str(path) for path in (Path(name), EXTRACTED / name.lstrip("/")) if path.exists()), None
        ):
            return found
    pytest.skip(f"no {names[0]} on this machine")


class MachineApart:
    """Context manager. `etc` is its /etc, `folder` the working folder of its server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.etc = folder, folder / "etc"
        self.started: list[tuple[subprocess.Popen[str], Path]] = []

    def __enter__(self) -> Self:
        left_out = shutil.ignore_patterns("ssl", "init.d", "rc?.d")
        shutil.copytree("/etc", self.etc, symlinks=True, ignore=left_out)
        self.healthy()
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", BEGIN, "sh", str(self.folder)],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.until((self.folder / "up").exists)
        self._pid = _children(self._holder.pid)[0]
        return self

    def __exit__(self, *_exception: object) -> None:
        self._holder.kill()  # and with it everything inside
        self._holder.communicate()
        for started, _ in self.started:
            started.wait(10)

    def healthy(self) -> None:
        """The files of a machine whose programs ask the server alone."""
        for name in ("docker", "haproxy", "systemd/resolved.conf.d"):
            shutil.rmtree(self.etc / name, ignore_errors=True)
        for name in ("resolv.conf", "mdns.allow"):
            (self.etc / name).unlink(missing_ok=True)
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        users = (self.etc / "passwd").read_text()
        if "systemd-resolve:" not in users:
            self.write("/etc/passwd", f"{users}systemd-resolve:x:0:0::/:/bin/sh\n")
        self.write("services.yaml", SERVICES)
        self.write("dnsdisco.yaml", CONFIGURATION)

    def write(self, path: str, text: str) -> None:
        """A file of /etc, or with a relative name one of the working folder."""
        target = self.etc / path.removeprefix("/etc/") if path.startswith("/etc/") else self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def run(self, *command: str, **more: Any) -> subprocess.CompletedProcess[str]:
        how = {**self._how(), "capture_output": True, "timeout": 60, **more}
        return subprocess.run(self._inside(*command), check=False, **how)

    def start(self, *command: str, **more: Any) -> subprocess.Popen[str]:
        path = self.folder / f"log{len(self.started)}"
        with path.open("w") as log:
            started = subprocess.Popen(self._inside(*command), stdout=log, stderr=log, **{**self._how(), **more})
        self.started.append((started, path))
        return started

    def log(self, started: subprocess.Popen[str]) -> str:
        return next(path for each, path in self.started if each is started).read_text()

    def serve(self, *arguments: str) -> subprocess.Popen[str]:
        """A dnsdisco with the configuration of the folder, when it is ready."""
        server = self.start(*self.command("serve"), *arguments)
        self.until(lambda: "ready: " in self.log(server) or server.poll() is not None)
        assert server.poll() is None, self.log(server)
        return server

    def command(self, name: str) -> tuple[str, ...]:
        return sys.executable, "-m", "dnsdisco", name

    def inside(self, word: str) -> list[int]:
        """The pids, outside, of the processes in here whose command has the word."""
        here = Path(f"/proc/{self._pid}/ns/pid").readlink()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "ns" / "pid").readlink() == here and word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def end(self, started: subprocess.Popen[str]) -> None:
        """nsenter has a child where it enters a namespace of processes, and hands no signal on."""
        for pid in _children(started.pid):
            os.kill(int(pid), signal.SIGTERM)
        started.wait(10)

    def asks(self, host: str, name: str = "web.svc.local", *more: str) -> str:
        """What dig prints."""
        return self.run("dig", f"@{host}", "+tries=1", "+time=2", *more, name).stdout

    def wait_for_resolver(self, host: str, *more: str) -> None:
        self.until(lambda: "status: " in self.asks(host, "localhost", *more))

    def doctor(self, *arguments: str) -> dict[str, Finding]:
        """What it finds, by code; of several with one code the last."""
        done = self.run(*self.command("doctor"), "--json", *arguments)
        assert done.returncode in (0, 1), done.stderr
        reply = json.loads(done.stdout)
        found = [Finding(**each) for each in reply["findings"]]
        assert reply["ok"] == (done.returncode == 0) == all(each.level != "error" for each in found)
        return {each.code: each for each in found}

    def status(self) -> Any:
        """What the server says of itself."""
        return json.loads(self.run(*self.command("status"), "--json").stdout)

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + WAIT_S
        while not condition():
            assert self._holder.poll() is None, self._holder.communicate()[1]
            assert time.monotonic() < end, "\n".join(path.read_text() for _, path in self.started)
            time.sleep(0.05)

    def _inside(self, *command: str) -> list[str]:
        return [*ENTER, "--target", self._pid, f"--wdns={self.folder}", "--", *command]

    def _how(self) -> dict[str, Any]:
        strange = ("SERVICE_", "CONSUL_", "KUBE", "DNSDISCO")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(strange)}
        return {"env": {**environ, "PYTHONPATH": str(ROOT), "HOME": str(self.folder)}, "text": True}


def bad(found: Mapping[str, Finding]) -> set[str]:
    """What makes a machine less than well; a note does not."""
    return {code for code, each in found.items() if each.level in ("warning", "error")}


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
