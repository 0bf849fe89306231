"""`status` and `reload`, of real servers: what is printed, the exit status, and how the server is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.cli import main
from tests.whole.server import ROOT, Server

pytestmark = pytest.mark.slow

SERVICES = (
    "web: {instances: [{id: web-1, address: 10.0.0.11, port: 80}, {id: web-2, address: 10.0.0.12, port: 80, health: critical}]}\n"
)
CONFIG = "forward: {upstreams: []}\nhttp: off\nstate_dir: state\nproviders:\n- {type: static, path: services.yaml}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DNSDISCO_CONTROL", raising=False)
    (tmp_path / "services.yaml").write_text(SERVICES)
    (tmp_path / "dnsdisco.yaml").write_text(CONFIG)
    return tmp_path


def said(capsys: Any, *args: str) -> tuple[int, str, str]:
    status = main(list(args))
    out, err = capsys.readouterr()
    return status, out, err


def until(capsys: Any, wanted: int, *args: str, words: str = "", seconds: float = 15.0) -> str:
    """What *args* print once their status is *wanted*, with *words* in it."""
    deadline = time.monotonic() + seconds
    while True:
        status, out, err = said(capsys, *args)
        if status == wanted and words in out:
            return out
        assert time.monotonic() < deadline, out + err
        time.sleep(0.05)


def test_well_degraded_by_a_file_and_well_again(folder: Path, capsys: Any) -> None:
    """An instance that is critical and an entry that is left out are no lack of the server's."""
    (folder / "services.yaml").write_text(f"{SERVICES}bad: {{address: 10.0.0.1, port: 70000}}\n")
    with Server(cwd=folder) as server:
        out = until(capsys, 0, "status", words="worker  0  up  pid ")  # the worker speaks once a second
        assert out.startswith("dnsdisco is well\n\ncontrol ")
        assert f"listening  127.0.0.1:{server.port}\n" in out
        assert f"config     {folder}/dnsdisco.yaml (found)\n" in out
        assert "provider  static  up  1 service, 2 instances, 1 rejected entry\n" in out
        assert "\x1b" not in out
        plain = json.loads(said(capsys, "status", "--json")[1])
        assert (plain["version"], plain["state"], plain["problems"]) == (1, "well", [])
        (folder / "dnsdisco.yaml").write_text(CONFIG + "ttl: soon\n")
        status, out, err = said(capsys, "reload")
        assert (status, out) == (
            1,
            "dnsdisco.yaml:6:6: fault: ttl: expected a duration such as 10s, 500ms or 1m (a number is seconds), found 'soon'\n",
        )
        assert "the server goes on with the one before" in err
        status, out, _ = said(capsys, "status")  # the file is found although it has a fault
        assert (status, out.splitlines()[0]) == (1, "dnsdisco is degraded")
        assert out.splitlines()[1].startswith(f"  file {folder}/dnsdisco.yaml: the configuration is not used: ")
        (folder / "dnsdisco.yaml").write_text(CONFIG + "ttl: 9\nnegative_ttl: 3\n")
        assert said(capsys, "reload") == (0, "", "dnsdisco: reloaded; other settings now: negative_ttl, ttl\n")
        assert said(capsys, "reload") == (0, "", "dnsdisco: reloaded; the settings are the same\n")
        assert until(capsys, 0, "status").startswith("dnsdisco is well\n")


def test_degraded_names_the_provider_and_the_upstream(folder: Path, capsys: Any) -> None:
    (folder / "dnsdisco.yaml").write_text(
        'http: off\nstate_dir: state\nforward: {upstreams: ["127.0.0.1:9"]}\n'
        'providers: [{type: static, path: services.yaml}, {type: consul, address: "127.0.0.1:1"}]\n'
    )
    with Server(cwd=folder) as server:
        deadline = time.monotonic() + 15
        while "upstream 127.0.0.1:9: it does not answer" not in (out := said(capsys, "status")[1]):
            assert time.monotonic() < deadline, out
            server.ask("example.com", timeout=8)
        status, out, _ = said(capsys, "status")
        lines = out.splitlines()
        assert (status, lines[0]) == (1, "dnsdisco is degraded")
        assert any(line.startswith("  provider consul: never_synced: ") and "connection refused" in line for line in lines)
        [provider] = [line for line in lines if line.startswith("provider  consul")]
        assert provider.split() == [
            "provider",
            "consul",
            "never_synced",
            "0",
            "services,",
            "0",
            "instances",
            "never",
            "in",
            "contact",
        ]
        [upstream] = [line for line in lines if line.startswith("upstream  127.0.0.1:9")]
        assert upstream.split()[2] == "dead"


def test_not_reached_says_which_path_was_tried_and_how_to_start_one(folder: Path, capsys: Any) -> None:
    for args in ([], ["--json"]):
        status, out, err = said(capsys, "status", *args)
        assert (status, out) == (2, "")
        assert f"no server listens at {folder}/state/control.sock" in err
        assert "`dnsdisco serve`" in err
    status, _, err = said(capsys, "reload")
    assert (status, "no server listens at" in err) == (1, True)


@pytest.mark.parametrize(
    ("args", "variable", "config", "tried"),
    [
        (["--control", "a.sock"], "b.sock", "control: c.sock", "a.sock"),
        ([], "b.sock", "control: c.sock", "b.sock"),
        ([], "", "control: c.sock", "{folder}/c.sock"),
        (["--config", "other.yaml"], "", "control: c.sock", "{folder}/other.sock"),
        ([], "", "control: c.sock\nttl: soon", "{folder}/c.sock"),
        ([], "", "providers: [{type: nobody}]", "{folder}/.local/state/dnsdisco/control.sock"),
        (["--state-dir", "here"], "", "ttl: 5", "{folder}/here/control.sock"),
        ([], "", "state_dir: off", "/run/dnsdisco/control.sock"),
    ],
)
def test_where_it_is_looked_for(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, args: list[str], variable: str, config: str, tried: str
) -> None:
    """The flag, the variable, the configuration, also one with faults elsewhere, the default."""
    (folder / "dnsdisco.yaml").write_text(config)
    (folder / "other.yaml").write_text("control: other.sock")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    if variable:
        monkeypatch.setenv("DNSDISCO_CONTROL", variable)
    status, _, err = said(capsys, "status", *args)
    assert status == 2
    assert f"no server listens at {tried.format(folder=folder)}." in err


@pytest.mark.parametrize(
    ("args", "config", "words"),
    [
        ([], "control: off", "`control: off`"),
        (["--config", "gone.yaml"], "", "gone.yaml: fault: no such file"),
        (["--state-dir", ""], "", "--state-dir"),
    ],
)
def test_what_leads_to_no_socket_is_not_reached_either(folder: Path, capsys: Any, args: list[str], config: str, words: str) -> None:
    (folder / "dnsdisco.yaml").write_text(config)
    status, _, err = said(capsys, "status", *args)
    assert (status, words in err) == (2, True), err


def test_a_server_that_does_not_answer_is_not_reached(folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dnsdisco.cli import server_client

    monkeypatch.setattr(server_client.ask, "__kwdefaults__", {"seconds": 0.5})
    with Server(cwd=folder) as server:
        until(capsys, 0, "status")
        [control] = server.children()["control"]
        os.kill(control, signal.SIGSTOP)
        try:
            status, out, err = said(capsys, "status")
        finally:
            os.kill(control, signal.SIGCONT)
        assert (status, out) == (2, "")
        assert "does not answer" in err


def test_followed_through_a_restart(folder: Path) -> None:
    """A line of JSON when something is new, and nothing in between."""
    with Server(cwd=folder):
        process = subprocess.Popen(
            [sys.executable, "-m", "dnsdisco", "status", "-w", "--json"],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        states = []
        while "well" not in states:
            states.append(json.loads(process.stdout.readline())["state"])
    assert "no server listens at" in process.stderr.readline()
    with Server(cwd=folder):
        (folder / "dnsdisco.yaml").write_text(CONFIG + "ttl: soon\n")
        assert main(["reload"]) == 1
        while "degraded" not in states:
            states.append(json.loads(process.stdout.readline())["state"])
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    process.stdout.close()
    process.stderr.close()
