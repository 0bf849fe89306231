"""`dnsdisco serve` with HTTP, as processes: what it counts, what a killed process costs, and a port that is taken."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.whole.server import ROOT, Server, Traffic

pytestmark = pytest.mark.slow

WEB = "web: {instances: [{id: a, address: 10.0.0.1, port: 80}, {id: b, address: 10.0.0.2, port: 80}]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "services.yaml").write_text(WEB)
    return tmp_path


def serve(folder: Path, *arguments: str, http: str = "127.0.0.1:0") -> Server:
    return Server(
        "--services", "services.yaml", "--provider", "static", "--upstream", "none", "--http", http, "--state-dir", "off", *arguments,
        cwd=folder,
    )  # fmt: skip


class Pages:
    def __init__(self, server: Server) -> None:
        self.url = server.wait_for(r'event="http listening" address=(\S+)')[1]

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, timeout=5)

    def metrics(self) -> dict[str, float]:
        """By `name` or `name{label=value,…}`."""
        return {
            sample.name
            + ("{" + ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())) + "}" if sample.labels else ""): sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
        }

    def until(self, name: str, value: float, seconds: float = 4.0) -> dict[str, float]:
        deadline = time.monotonic() + seconds
        while (told := self.metrics()).get(name, 0) < value:
            assert time.monotonic() < deadline, (name, value, told.get(name))
            time.sleep(0.1)
        return told


ANSWERS = "dnsdisco_server_answers_total{rcode=NOERROR,type=A}"
DENIED = "dnsdisco_server_answers_total{rcode=NXDOMAIN,type=AAAA}"


def test_everything_is_counted_and_no_total_falls_when_processes_die(folder: Path) -> None:
    with serve(folder, "--workers", "2") as server:
        pages = Pages(server)
        for _ in range(150):
            server.ask("web.svc.local")
        for _ in range(30):
            server.ask("nosuch.svc.local", "AAAA")
        told = pages.until(ANSWERS, 150)
        told = pages.until(DENIED, 30)
        assert (told[ANSWERS], told[DENIED], told["dnsdisco_server_workers"]) == (150, 30, 2)
        assert told["dnsdisco_server_answer_seconds_count"] >= 1
        assert 0 < told["dnsdisco_server_answer_seconds_sum"] < 1
        assert told["dnsdisco_control_catalog_instances"] == 2
        assert pages.get("/ready").status_code == 200
        assert pages.get("/v1/services/web").json()["service"]["provenance"]["provider"] == "static"
        assert (told["dnsdisco_server_restarts_total"], told["dnsdisco_control_restarts_total"]) == (0, 0)
        assert told["dnsdisco_control_provider_state{provider=static,state=up}"] == 1

        time.sleep(1.1)  # the last second of a killed worker is lost
        os.kill(server.children()["server"][0], signal.SIGKILL)
        told = pages.until("dnsdisco_server_restarts_total", 1)
        assert told[ANSWERS] == 150
        for _ in range(10):
            server.ask("web.svc.local")
        assert pages.until(ANSWERS, 160)[ANSWERS] == 160

        os.kill(server.children()["control"][0], signal.SIGKILL)
        server.wait_for(r"(?s)http listening.*http listening", 8)
        pages = Pages(server)
        pages.url = server.stderr.rpartition("address=")[2].split()[0]
        told = pages.until(ANSWERS, 160)
        assert (told[ANSWERS], told["dnsdisco_control_restarts_total"], told["dnsdisco_server_restarts_total"]) == (160, 1, 1)
        assert server.answers("web.svc.local") == {"10.0.0.1", "10.0.0.2"}
        assert server.stop() == 0
        assert "Traceback" not in server.stderr


def test_a_flood_of_requests_is_paced_and_dns_goes_on(folder: Path) -> None:
    """How DNS fares beside it is a measurement (tests/admin/flood.py); that a flood gets little of the processor is a bound."""
    with serve(folder) as server:
        pages = Pages(server)
        (control,) = server.children()["control"]
        arguments = [
            sys.executable,
            "-c",
            "from tests.admin import flood; flood.flood()",
            pages.url.rpartition(":")[2],
            "/v1/services",
            "2.5",
        ]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(arguments, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as flooding:
            time.sleep(0.5)
            before, began = cpu_s(control), time.monotonic()
            with Traffic(server, pause=0.002) as traffic:
                time.sleep(1.5)
            share = (cpu_s(control) - before) / (time.monotonic() - began)
            told = json.loads(flooding.communicate()[0])
        assert traffic.outcomes.keys() == {"NOERROR"}
        assert len(traffic.replies) > 50
        assert told["200"] > 100
        assert told["a second"] < 300  # 200, and the 100 at once
        assert share < 0.6


def cpu_s(pid: int) -> float:
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def test_a_port_that_is_taken_does_not_stop_dns(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with serve(folder, http=address) as server:
            assert server.answers("web.svc.local") == {"10.0.0.1", "10.0.0.2"}
            line = server.wait_for(r"level=error event=\"http is not listened on[^\n]*")[0]
            assert address in line
            assert server.stop() == 0
