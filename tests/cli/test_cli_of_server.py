"""`services` and `watch` of a real server: what it answers with, after every change, through its restarts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnsdisco.cli import main
from tests.forward.upstream import free_port
from tests.whole.server import ROOT, Server

CONFIG = "forward: {upstreams: []}\nhttp: off\nstate_dir: state\nproviders:\n- {type: static, path: services.yaml}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in list(os.environ):
        if variable.startswith(("DNSDISCO_CONTROL", "SERVICE_", "CONSUL_", "KUBE")):
            monkeypatch.delenv(variable)
    (tmp_path / "dnsdisco.yaml").write_text(CONFIG)
    write(tmp_path, 1)
    return tmp_path


def write(folder: Path, number: int, more: str = "") -> None:
    """The service `web` with the instances web-1 and web-2; 10.0.0.NUMBER is the address of the first."""
    instances = f"{{id: web-1, address: 10.0.0.{number}, port: 80, tags: [v1]}}, {{id: web-2, address: 10.0.0.200, port: 81}}"
    (folder / "new.yaml").write_text(f"web: {{instances: [{instances}]}}\n{more}")
    (folder / "new.yaml").replace(folder / "services.yaml")


def said(capsys: Any, *args: str) -> tuple[int, str, str]:
    status = main(list(args))
    out, err = capsys.readouterr()
    return status, out, err


def table(out: str) -> list[dict[str, str]]:
    head, *rows = [line.split("\t") for line in out.splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


@contextmanager
def command(*args: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "dnsdisco", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_the_health_that_dns_acts_on_its_reason_and_the_name(folder: Path, capsys: Any) -> None:
    port = free_port()
    (folder / "services.yaml").write_text(
        f"web:\n  check: {{tcp: '{{address}}:{{port}}', interval: 200ms, fall: 1}}\n"
        f"  instances: [{{id: w1, address: 127.0.0.1, port: {port}, weight: 3}}]\nauth: {{address: 10.0.0.5, port: 81}}\nnone: {{instances: []}}\n"
    )
    with Server(cwd=folder) as server:
        deadline = time.monotonic() + 15
        while (rows := table(said(capsys, "services", "web")[1]))[0]["health"] != "critical":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        [row] = rows
        assert (row["instance"], row["port"]) == ("w1", str(port))
        assert "refused" in row["reason"]
        [target] = {rdata.split()[3].rstrip(".") for rdata in server.answers("web.svc.local", "SRV")}  # it fails open
        assert row["name"] == target
        assert server.answers(row["name"]) == {"127.0.0.1"}
        status, out, err = said(capsys, "services", "-o", "wide")
        assert (status, err) == (0, f"dnsdisco: as the server at {folder}/state/control.sock has it\n")
        [wide] = [row for row in table(out) if row["service"] == "web"]
        assert (wide["weight"], wide["provider"]) == ("3", "static")
        assert [row["service"] for row in table(out)] == ["auth", "none", "web"]
        plain = json.loads(said(capsys, "services", "--json")[1])
        assert plain.keys() == {"version", "services"}
        offline = json.loads(said(capsys, "services", "--json", "--offline")[1])
        for name, service in offline["services"].items():  # the same form, and more
            assert service.keys() <= plain["services"][name].keys()
        assert offline["services"]["web"]["health"] == "passing"  # nobody has checked it
        assert yaml.safe_load(said(capsys, "services", "-o", "yaml")[1]) == plain
        for spelling in ("WEB", "web.svc.local", "Web.svc.local."):
            assert [row["service"] for row in table(said(capsys, "services", spelling)[1])] == ["web"]
        assert said(capsys, "services", "wbe")[::2] == (
            1,
            f"dnsdisco: as the server at {folder}/state/control.sock has it\ndnsdisco: there is no service 'wbe'; did you mean web?\n",
        )


def test_whom_it_asks(folder: Path, capsys: Any) -> None:
    """The server, where there is one; the providers with a source option; and never both."""
    write(folder, 1)
    offline = [["--offline"], ["--config", "dnsdisco.yaml"], ["--provider", "static"], ["--services", "services.yaml"]]
    with Server(cwd=folder):
        (folder / "other.yaml").write_text("other: {address: 10.0.0.9, port: 1}\n")
        assert [row["service"] for row in table(said(capsys, "services", "--services", "other.yaml")[1])] == ["other"]
        assert "name" in table(said(capsys, "services")[1])[0]
        assert "name" in table(said(capsys, "services", "--control", "state/control.sock")[1])[0]
        for args in offline:
            status, out, err = said(capsys, "services", *args)
            assert (status, err, set(table(out)[0])) == (0, "", {"service", "instance", "address", "port", "health", "tags"})
            assert said(capsys, "services", "--control", "state/control.sock", *args)[0] == 2
    status, out, err = said(capsys, "services")
    assert (status, err, "name" in table(out)[0]) == (0, "", False)
    status, out, err = said(capsys, "services", "--control", "state/control.sock")
    assert (status, out) == (1, "")
    assert "no server listens at state/control.sock" in err


@pytest.mark.parametrize("args", [[], ["--offline"]])
def test_services_followed(folder: Path, args: list[str]) -> None:
    with Server(cwd=folder), command("services", "-w", "-o", "json", *args) as process:
        assert process.stdout is not None
        for number in (1, 7):
            write(folder, number)
            services = json.loads(process.stdout.readline())["services"]
            while services["web"]["instances"][0]["address"] != f"10.0.0.{number}":
                services = json.loads(process.stdout.readline())["services"]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_watch_prints_now_and_after_every_change_through_a_restart(folder: Path) -> None:
    """Changes of other services, and a restart that changes nothing, are none."""
    with command("watch", "WEB") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "looking for it again each second" in process.stderr.readline()

        def next_address() -> Any:
            assert process.stdout is not None
            page = json.loads(process.stdout.readline())
            assert (page["version"], page["name"].lower()) == (1, "web")
            return page["service"] and page["service"]["instances"][0]["address"]

        with Server(cwd=folder):
            assert next_address() == "10.0.0.1"
            write(folder, 1, "other: {address: 10.0.0.3, port: 1}\n")
            time.sleep(1)
            write(folder, 2)
            assert next_address() == "10.0.0.2"
        assert "looking for it again each second" in process.stderr.readline()
        with Server(cwd=folder):
            time.sleep(2)  # it is found again by now
            (folder / "services.yaml").write_text("other: {address: 10.0.0.3, port: 1}\n")
            assert next_address() is None
            write(folder, 3)
            assert next_address() == "10.0.0.3"
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def test_watch_runs_a_command_after_a_change_and_bursts_are_few(folder: Path) -> None:
    with Server(cwd=folder), command("watch", "web", "--exec", 'echo "$DNSDISCO_NAME" >> names; cat >> log; exit 3') as process:
        assert process.stderr is not None
        time.sleep(2)
        log = folder / "log"
        assert not log.exists()  # nothing has changed
        for number in range(2, 60):
            write(folder, number)
            time.sleep(0.02)
        deadline = time.monotonic() + 15
        while not log.exists() or "10.0.0.59" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert len(lines) <= 10
        assert lines[-1]["service"]["instances"][0]["address"] == "10.0.0.59"
        assert (folder / "names").read_text().split() == ["web"] * len(lines)
        assert process.stderr.readline().startswith("dnsdisco: the command ended with status 3: echo ")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_the_end_of_watch_ends_its_command(folder: Path) -> None:
    with Server(cwd=folder), command("watch", "web", "--exec", "echo $$ > pid; exec sleep 100") as process:
        time.sleep(2)
        write(folder, 9)
        deadline = time.monotonic() + 15
        while not (folder / "pid").exists() or not (folder / "pid").read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not Path(f"/proc/{(folder / 'pid').read_text().strip()}").exists()
