"""A real Consul agent. Found by CONSUL_BIN, in the cache of `.ci/servers`, or in PATH."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
from typing import Any, Self

import pytest

START_S = 20


def binary() -> str:
    """Skips, and says so, where there is none."""
    cached = pathlib.Path(os.environ.get("DNSDISCO_SERVERS") or "~/.cache/dnsdisco/servers").expanduser() / "bin" / "consul"
    found = os.environ.get("CONSUL_BIN") or (str(cached) if cached.exists() else shutil.which("consul"))
    if not found:
        pytest.skip('no Consul: eval "$(.ci/servers consul)" gets one')
    return found


class RealConsul:
    """A server of its own without data on disk: kill() and begin() lose everything, as with a new cluster. *keeps_data*: on disk."""

    def __init__(
        self, folder: pathlib.Path, *, hcl: str = "", https: bool = False, token: str | None = None, keeps_data: bool = False
    ) -> None:
        self.folder, self.token = folder, token
        self._keeps_data = keeps_data
        self.http, self.https, self.dns, self._server, self._serf = _free_ports(5)
        self._hcl, self._has_https = hcl, https
        self._binary = binary()
        self._process: subprocess.Popen[bytes] | None = None
        self.begin()

    def __enter__(self) -> Self:
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def begin(self) -> None:
        """Does not wait for it."""
        # fmt: off
        command = [
            self._binary, "agent", *(["-server", "-bootstrap-expect", "1", "-data-dir", "data"] if self._keeps_data else ["-dev"]), "-bind", "127.0.0.1", "-client", "127.0.0.1", "-node", "here",
            "-http-port", str(self.http), "-dns-port", str(self.dns), "-grpc-port", "-1", "-grpc-tls-port", "-1",
            "-https-port", str(self.https) if self._has_https else "-1",
            "-server-port", str(self._server), "-serf-lan-port", str(self._serf), "-serf-wan-port", "-1", "-log-level", "warn",
            "-hcl", "disable_update_check = true", "-hcl", self._hcl,
        ]
        # fmt: on
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CONSUL_")}
        with (self.folder / "consul.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, cwd=self.folder)

    def wait(self) -> None:
        ends_at = time.monotonic() + START_S
        while True:
            try:
                services = self.get("/v1/catalog/services")
                if "consul" in services:
                    return
            except (OSError, http.client.HTTPException, AssertionError):
                pass
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "consul.log").read_text()[-2000:]
            assert time.monotonic() < ends_at, "no leader"
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def tell(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def put(self, path: str, data: Any = None) -> Any:
        return self._ask("PUT", path, data)

    def register(self, name: str, id_: str, **fields: Any) -> None:
        self.put("/v1/agent/service/register", {"Name": name, "ID": id_, "Address": "10.0.0.1", "Port": 80, **fields})

    def check(self, id_: str, verb: str) -> None:
        self.put(f"/v1/agent/check/{verb}/service:{id_}")

    def _ask(self, method: str, path: str, data: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
        headers = {"Content-Type": "application/json"} | ({"X-Consul-Token": self.token} if self.token else {})
        try:
            connection.request(method, path, body=None if data is None else json.dumps(data), headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, (answer.status, body)
        return json.loads(body) if body.strip() else None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
