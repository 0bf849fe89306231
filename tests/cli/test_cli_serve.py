"""`dnsdisco serve` up to the moment when it becomes the supervisor."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import subprocess
import sys

import pytest

from dnsdisco.cli import main, serve
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import from_plain, to_plain

ENVIRON = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


class Became(Exception):
    """The process would be another one now."""

    def __init__(self, path, arguments):
        super().__init__(arguments)
        self.path, self.arguments = path, arguments


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    def become(path, arguments):
        raise Became(path, arguments)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", become)
    monkeypatch.setenv("DNSDISCO_TRACEBACK", "1")  # so that Became gets through
    for variable in ("SERVICE_DISCOVERY_PROVIDER", "SERVICE_DISCOVERY_CONFIG_FILE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def become(*args):
    """What the supervisor would be started with."""
    with pytest.raises(Became) as caught:
        main(["serve", *args])
    assert caught.value.path == sys.executable
    *command, fd = caught.value.arguments
    assert command[0] == sys.executable
    assert command[-2:] == ["-m", "dnsdisco.supervisor"]
    assert not fcntl.fcntl(int(fd), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    with os.fdopen(int(fd), "rb") as stream:
        return json.loads(stream.read())


def test_what_the_supervisor_gets(folder):
    (folder / "f.yaml").write_text("zones: [a.example]\nttl: 7\n")
    flags = [
        "--config", "f.yaml", "--listen", "127.0.0.1:5300", "--listen", "[::1]:5300", "--zone", "svc.local", "--zone", "B.example.",
        "--provider", "env", "--services", "s.yaml", "--upstream", "192.0.2.1", "--upstream", "tls://192.0.2.2#x", "--workers", "2",
        "--http", "off", "--state-dir", "state",
    ]  # fmt: skip
    got = become(*flags)
    assert set(got) == {"source", "settings", "worker_settings", "listen", "origins"}
    assert [(each["host"], each["port"]) for each in got["listen"]] == [("127.0.0.1", 5300), ("::1", 5300)]
    assert got["worker_settings"].items() < got["settings"].items()
    assert "providers" not in got["worker_settings"]
    assert got["source"] == {
        "config": "f.yaml",
        "is_found": False,
        "flags": {
            "listen": ["127.0.0.1:5300", "[::1]:5300"],
            "zone": ["svc.local", "b.example"],
            "provider": ["env"],
            "services": "s.yaml",
            "upstream": ["192.0.2.1:53", "tls://192.0.2.2:853#x"],
            "workers": 2,
            "http": "off",
            "state_dir": "state",
        },
    }
    settings = got["settings"]
    assert to_plain(from_plain(Settings, settings)) == settings
    assert settings["listen"] == ["127.0.0.1:5300", "[::1]:5300"]
    assert settings["zones"] == ["svc.local", "b.example"]
    assert settings["ttl"] == 7
    assert [(entry["type"], entry.get("path")) for entry in settings["providers"]] == [
        ("static", str(folder / "s.yaml")),
        ("env", None),
    ]
    assert settings["forward"]["upstreams"] == ["192.0.2.1:53", "tls://192.0.2.2:853#x"]
    assert (settings["workers"], settings["http"], settings["state_dir"]) == (2, None, str(folder / "state"))


def test_flags_that_were_not_given_are_not_told():
    assert become()["source"] == {"config": None, "flags": {}, "is_found": True}


def test_nothing_is_forwarded():
    got = become("--upstream", "none")
    assert got["source"]["flags"]["upstream"] == ["none"]
    assert got["settings"]["forward"]["upstreams"] == []


def test_nothing_and_something_to_forward_to_is_wrong_usage(capsys):
    assert main(["serve", "--upstream", "none", "--upstream", "192.0.2.1"]) == 2
    assert "--upstream': none and an address contradict each other" in capsys.readouterr().err
    assert become("--upstream", "none", "--upstream", "off")["settings"]["forward"]["upstreams"] == []


@pytest.mark.slow
def test_a_large_configuration_does_not_block(folder):
    zones = "".join(f"    z{at}.example: [10.0.0.1]\n" for at in range(10_000))
    (folder / "dnsdisco.yaml").write_text(f"forward:\n  zones:\n{zones}")
    assert len(become()["settings"]["forward"]["zones"]) == 10_000


def test_the_descriptor_without_memfd(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    assert become()["settings"]["ttl"] == 5


def test_every_fault_is_told_and_nothing_is_started(folder, capsys):
    (folder / "dnsdisco.yaml").write_text("lisen: [x]\nttl: 9999\nproviders: [consol]\n")
    assert main(["serve"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[:2] == [
        "dnsdisco.yaml:1:1: fault: lisen: unknown key; did you mean listen?",
        "dnsdisco.yaml:2:6: fault: ttl: expected a duration from 0 to 3600 seconds, found 9999",
    ]
    assert err.splitlines()[2].startswith(
        "dnsdisco.yaml:3:13: fault: providers[0].type: there is no provider 'consol'; did you mean consul?"
    )
    assert err.splitlines()[3] == "dnsdisco: 3 faults in the configuration; nothing was done"


def test_a_missing_configuration(capsys):
    assert main(["serve", "--config", "gone.yaml"]) == 1
    assert capsys.readouterr().err.startswith("gone.yaml: fault: no such file\n")


def test_an_unknown_provider(capsys):
    assert main(["serve", "--provider", "consol"]) == 1
    assert "--provider: there is no provider 'consol'; did you mean consul?" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_that_lies_about_is_not_imported(tmp_path):
    """With -m Python looks into the working directory first."""
    assert serve._safe_path() == ["-P"] or any(pathlib.Path(entry or ".").resolve() == tmp_path.resolve() for entry in sys.path)
    (tmp_path / "json.py").write_text("raise SystemExit('ran what lay about')")
    (tmp_path / "elsewhere").mkdir()
    for folder, expected in ((tmp_path, ["-P"]), (tmp_path / "elsewhere", [])):
        code = f"import os, sys; os.chdir({str(folder)!r}); sys.path.insert(0, {str(tmp_path / 'elsewhere')!r}); from dnsdisco.cli.serve import _safe_path as p; print(p())"
        done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env=ENVIRON, check=True)
        assert done.stdout.strip() == str(expected)
