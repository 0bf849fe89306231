"""`dnsdisco cache` beside a running server: what it shows, what it makes every worker forget, and what it says when it cannot."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import stat
from pathlib import Path
from typing import NamedTuple

import pytest

from dnsdisco.cli import main, server_client
from tests.forward.upstream import a_record, reply, ScriptedUpstream
from tests.whole.server import EXAMPLE, Server

NAMES = ("example.test", "www.example.test", "other.test")


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command runs in the test's process, in the place and with the home of the server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def dnsdisco(*arguments: str) -> Done:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(["cache", *arguments])
    return Done(code, out.getvalue(), err.getvalue())


def figures(*arguments: str) -> dict[str, int]:
    shown = dnsdisco("--json", *arguments)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def ask_both_workers(server: Server, upstream: ScriptedUpstream, names: tuple[str, ...] = NAMES) -> int:
    """Until each worker has every name (which of them a new socket meets is the kernel's choice); how often the upstream was asked."""
    before = upstream.count()
    for name in names:
        for _ in range(40):
            assert server.answers(name) == {"192.0.2.1"}
    return upstream.count() - before


@pytest.fixture
def upstream():
    with ScriptedUpstream() as upstream:
        upstream.on(lambda _: True, lambda asked: reply(asked, records=(a_record("192.0.2.1", 600),) if asked.qtype == 1 else ()))
        yield upstream


def test_every_worker_forgets_a_name_a_tree_or_everything(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    path = f"{tmp_path}/.local/state/dnsdisco/control.sock"

    def flush(name: str | None = None, *, tree: bool = False) -> list[int]:
        dropped: list[int] = server_client.ask(path, "POST", "/v1/cache/flush", {"name": name, "tree": tree})["workers"]
        return dropped

    with Server(
        "--services", str(EXAMPLE), "--upstream", upstream.address, "--workers", "2", "--http", "off", cwd=tmp_path
    ) as server:
        assert ask_both_workers(server, upstream) == 6  # each name once for each worker
        assert ask_both_workers(server, upstream) == 0
        assert dnsdisco("flush", "WWW.example.test.").stdout == ("flushed WWW.example.test.: 2 answers dropped in 2 workers\n")
        shown = figures()  # the workers have told of it already
        assert (shown["version"], shown["workers"], shown["entries"], shown["kept"]) == (1, 2, 4, 6)
        assert ask_both_workers(server, upstream) == 2
        assert flush("example.test") == [1, 1]
        assert ask_both_workers(server, upstream) == 2
        assert json.loads(dnsdisco("flush", "example.test", "--tree", "--json").stdout) == {
            "version": 1,
            "dropped": 4,
            "workers": [2, 2],
        }
        assert ask_both_workers(server, upstream) == 4
        assert flush() == [3, 3]
        assert ask_both_workers(server, upstream) == 6
        assert flush("nosuch.test") == [0, 0]
        text = dnsdisco().stdout
        assert re.search(r"^ *6  Forwarded answers that are kept\.$", text, re.MULTILINE)
        assert text.endswith("of the questions were answered from the cache\n")
        wrong = dnsdisco("flush", "a..b")
        assert wrong.returncode == 1
        assert "'a..b' is not a domain name" in wrong.stderr

        # a control process that is killed leaves its socket behind; its successor takes the place
        (pid,) = server.children()["control"]
        os.kill(pid, signal.SIGKILL)
        server.wait_for(r"(?s)control socket.*control socket")
        assert flush() == [3, 3]

        # a second server of the same folder is another server
        with Server("--services", str(EXAMPLE), "--upstream", "none", "--http", "off", cwd=tmp_path) as second:
            second.wait_for("no control socket.*another server listens there")
        assert flush() == [0, 0]
        assert server.stop() == 0
    gone = dnsdisco("flush")
    assert gone.returncode == 1
    assert "no server listens at" in gone.stderr
    assert "--control" in gone.stderr
    assert list((tmp_path / ".local/state/dnsdisco").glob("control*")) == []


def test_without_a_state_folder_and_where_it_is_told_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a" / "socket"
    with Server(
        "--upstream", "none", "--http", "off", "--state-dir", "off", "--control", str(path), cwd=tmp_path
    ) as server:  # fmt: skip
        server.wait_for("control socket")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert figures("--control", str(path))["entries"] == 0
        server.stop()
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with Server("--upstream", "none", "--http", "off", "--state-dir", "off", cwd=tmp_path, env=env) as server:
        server.wait_for("control socket")
        assert figures("--control", f"{tmp_path}/dnsdisco/control.sock")["workers"] == 1


def test_a_server_that_cannot_have_its_socket_serves_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with Server("--upstream", "none", "--http", "off", "--control", "file", cwd=tmp_path) as server:
        server.wait_for("no control socket.*something else has that name")
        assert server.ask("nosuch.svc.local").rcode() == 3
    assert (tmp_path / "file").read_text() == "kept"
    (tmp_path / "off.yaml").write_text("control: off\n")
    off = dnsdisco("--config", "off.yaml")
    assert off.returncode == 1
    assert "control: off" in off.stderr


@pytest.mark.parametrize("arguments", [["show", "x"], ["--tree"], ["flush", "--tree"], ["drop"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", *arguments]) == 2
    assert "Usage: dnsdisco cache" in capsys.readouterr().err
