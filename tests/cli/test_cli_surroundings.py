"""The command line where it is not at home: a full disk, no working directory, no colour wanted, strangers' files beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli_main import _on_a_terminal
from tests.whole.server import ROOT, Server

pytestmark = pytest.mark.slow

ENVIRON = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
START = "import sys; from dnsdisco.cli import main; sys.exit(main(sys.argv[1:]))"  # as the console script: nothing of the folder is on the path
STRANGER = 65534

PRINTING = [
    ["services"], ["services", "--json"], ["url", "web"], ["check", "--json"], ["version"], ["--version"], ["--help"], ["serve", "--help"],
    ["register", "db", "--address", "10.0.0.2", "--port", "1"], ["query", "web", "--help"],
]  # fmt: skip


def run(cwd: Path, *arguments: str, **more) -> subprocess.CompletedProcess[str]:
    more = {"stdout": subprocess.PIPE, "cwd": cwd, "env": {**ENVIRON, "HOME": str(cwd)}, **more}
    return subprocess.run(
        [sys.executable, "-c", START, *arguments], stderr=subprocess.PIPE, text=True, timeout=30, check=False, **more
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "services.yaml").write_text("web: {address: 10.0.0.1, port: 80}\n")
    return tmp_path


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_what_cannot_be_printed_is_status_1_and_a_line(folder: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(folder, *arguments, stdout=full)
    assert done.returncode == 1
    assert "what was to be printed cannot be written: No space left on device\n" in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_is_gone_is_no_line(folder: Path, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = run(folder, *arguments, stdout=pipe)
    assert (done.returncode, done.stderr.replace("dnsdisco: read services.yaml\ndnsdisco: no fault\n", "")) == (1, "")


NEEDING = [["services"], ["url", "web"], ["check"], ["serve"], ["cache"], ["register", "db", "--address", "10.0.0.2", "--port", "1"], ["deregister", "web"],
    ["serve", "--config", "x.yaml"], ["services", "--config", "x.yaml"], ["url", "web", "--services", "x.yaml"]]  # fmt: skip


@pytest.mark.parametrize("arguments", NEEDING, ids=" ".join)
def test_a_working_directory_that_is_gone_is_named(tmp_path: Path, arguments: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os, shutil; shutil.rmtree({str(gone)!r}); {START}"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=gone, env={**ENVIRON, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the working folder has been deleted" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [*PRINTING, ["nonsense"], ["url", "nothing"], ["services", "--config", "gone"], ["query", "x", "--server", "127.0.0.1:1"]], ids=" ".join)  # fmt: skip
def test_no_colour_for_whom_it_is_not_wanted_by(folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(folder)
    shown = _on_a_terminal(*arguments, NO_COLOR="1")
    assert shown
    assert b"\x1b" not in shown


# ----------------------------------------------------------------------------------------- files that only lie in the working directory

CONFIGURED = [["services"], ["url", "web"], ["check"], ["serve", "--listen", "127.0.0.1:0"], ["cache"], ["register", "db", "--address", "10.0.0.2", "--port", "1"], ["deregister", "web"], ["query", "web"]]  # fmt: skip


def spoil(path: Path, how: str) -> str:
    """Make it somebody else's; what is said of it."""
    if how == "everybody":
        path.chmod(0o666)
        return "everybody may write it"
    if os.geteuid() != 0:
        pytest.skip("only root can make a file somebody else's")
    if how == "owner":
        os.chown(path, STRANGER, -1)
        return "it belongs to another user"
    if how == "group":
        os.chown(path, -1, STRANGER)
        path.chmod(0o664)
        return "another group may write it"
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)
    os.chown(path, STRANGER, -1, follow_symlinks=False)
    return "it belongs to another user"


@pytest.mark.parametrize("arguments", CONFIGURED, ids=" ".join)
def test_a_configuration_that_everybody_may_write_is_refused_by_every_command(folder: Path, arguments: list[str]) -> None:
    (folder / "dnsdisco.yaml").write_text("ttl: 5\n")
    said = spoil(folder / "dnsdisco.yaml", "everybody")
    done = run(folder, *arguments)
    assert done.returncode == 1
    assert f"dnsdisco.yaml: fault: {said}, so it is not used" in done.stdout + done.stderr
    assert "--config dnsdisco.yaml" in done.stdout + done.stderr


@pytest.mark.parametrize("how", ["owner", "group", "link", "everybody"])
def test_a_stranger_s_configuration_runs_nothing_and_may_be_named(folder: Path, how: str) -> None:
    ran = folder / "ran"
    kubeconfig = folder / "kubeconfig"
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(ran)]}}
    plain = {
        "current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "u", "user": user}],
    }  # fmt: skip
    kubeconfig.write_text(json.dumps(plain))
    (folder / "dnsdisco.yaml").write_text(f"providers: [{{type: kubernetes, kubeconfig: {kubeconfig}}}]\n")
    said = spoil(folder / "dnsdisco.yaml", how)
    done = run(folder, "services")
    assert done.returncode == 1
    assert said in done.stderr
    assert not ran.exists()
    (folder / "dnsdisco.yaml").write_text("providers: [static]\n")
    assert "web" in run(folder, "services", "--config", "dnsdisco.yaml").stdout


@pytest.mark.parametrize("file", ["services.yaml", "services.json", "zones/services.yaml"])
@pytest.mark.parametrize("how", ["owner", "everybody"])
def test_a_stranger_s_services_are_passed_over_unless_they_are_named(tmp_path: Path, file: str, how: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"evil": {"address": "10.6.6.6", "port": 80}}')
    said = spoil(path, how)
    for arguments in (["services"], ["url", "evil"], ["services", "--provider", "static"]):
        done = run(tmp_path, *arguments)
        assert "10.6.6.6" not in done.stdout
        assert said in done.stderr
        assert f"--services {file}\n" in done.stderr
    assert "10.6.6.6" in run(tmp_path, "services", "--services", file).stdout


def test_modules_that_lie_here_are_not_run(folder: Path) -> None:
    for name in ("json", "yaml", "click", "structlog", "h11"):
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    script = Path(sys.executable).with_name("dnsdisco")
    done = subprocess.run([script, "services"], cwd=folder, env={**ENVIRON, "HOME": str(folder)}, capture_output=True, text=True, timeout=30, check=False)  # fmt: skip
    assert "10.0.0.1" in done.stdout
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "configuration: {}/dnsdisco.yaml, found in the working directory"),
        (("--config", "dnsdisco.yaml"), "configuration: {}/dnsdisco.yaml, named by --config"),
        (None, "no configuration file: there is none at dnsdisco.yaml or /etc/dnsdisco/dnsdisco.yaml"),
    ],
)
def test_serve_says_first_which_configuration_it_uses(folder: Path, arguments: tuple[str, ...] | None, said: str) -> None:
    if arguments is not None:
        (folder / "dnsdisco.yaml").write_text("http: off\n")
    more = ("--state-dir", "off", "--upstream", "none", "--http", "off")
    with Server(*(arguments or ()), *more, cwd=folder) as server:
        assert server.stderr.splitlines()[0] == f"dnsdisco: {said.format(folder)}"
    with Server(*(arguments or ()), *more, "--log-format", "json", cwd=folder, wait=False) as server:
        server.wait_for('"ready"')
        assert all(json.loads(line) for line in server.stderr.splitlines())
        first = json.loads(server.stderr.splitlines()[0])
        assert (first["event"], first["found"]) == (
            "configuration",
            {(): "working directory", None: "none"}.get(arguments, "named"),
        )
