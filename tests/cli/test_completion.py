"""The lines of docs/command-line.md make bash, zsh and fish complete commands, options, files, providers and record types."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whole.server import Server

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
LINES = dict(re.findall(r"^(.*_DNSDISCO_COMPLETE=(?:bash|zsh|fish)_source.*?)\s+# ~/\.(?:config/)?(\w+)", PAGE, re.MULTILINE))
LINE_OF = {name.removesuffix("rc"): line for line, name in LINES.items()}

CASES = [
    ("dnsdisco se", {"serve", "services", "setup"}),
    ("dnsdisco serve --st", {"--state-dir"}),
    ("dnsdisco serve --log-format j", {"json"}),
    ("dnsdisco services --provider st", {"static"}),
    ("dnsdisco query web SR", {"SRV"}),
    ("dnsdisco cache --control ./here", {"./here.sock"}),
]


@pytest.fixture
def place(tmp_path):
    """A folder with a file, and `dnsdisco` in PATH."""
    program = tmp_path / "bin" / "dnsdisco"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dnsdisco "$@"\n')
    program.chmod(0o755)
    (tmp_path / "here.sock").write_text("")
    return tmp_path


def run(place, shell, script):
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    environ = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "HOME": str(place), "XDG_CONFIG_HOME": str(place)}
    environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([*shell, script], cwd=place, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_a_line_for_each_shell():
    assert set(LINE_OF) == {"bash", "zsh", "fish"}


def test_bash(place):
    asked = "\n".join(
        f"""words=({line}); COMP_WORDS=("${{words[@]}}"); COMP_CWORD=$((${{#words[@]}} - 1)); COMPREPLY=()
        _dnsdisco_completion dnsdisco; [ "${{#COMPREPLY[@]}}" -gt 0 ] || COMPREPLY=($(compgen -f -- "${{words[-1]}}")); echo "${{COMPREPLY[*]}}" """
        for line, _ in CASES
    )
    said = run(place, ["bash", "-c"], f"complete() {{ :; }}; compopt() {{ :; }}; {LINE_OF['bash']}\n{asked}")
    answers = [set(line.split()) for line in said.splitlines()]
    assert answers[:-1] == [wanted for _, wanted in CASES[:-1]]
    assert answers[-1] <= {"./here", "./here.sock"}  # a file: bash's own file completion does the rest
    assert answers[-1]


def test_fish(place):
    asked = "\n".join(
        f"echo (string join -- ' ' (complete --do-complete '{line}' | string replace -r '\\t.*' ''))" for line, _ in CASES
    )
    said = run(place, ["fish", "--no-config", "-c"], f"{LINE_OF['fish']}\n{asked}")
    assert [set(line.split()) for line in said.splitlines()] == [wanted for _, wanted in CASES]


def test_zsh(place):
    """Its completion runs in a terminal alone; here, with the functions that it calls in place of zsh's own."""
    asked = "\n".join(
        f"words=({line}); CURRENT=${{#words}}; said=''; _dnsdisco_completion; print -r -- ${{said:-files}}" for line, _ in CASES
    )
    stubs = """
compdef() { :; }
_files() { said=(./here.sock); }
_path_files() { said=(./here.sock); }
compadd() { local -a given; given=(${(P)@[-1]}); said+=($given); }
_describe() { local -a given; given=(${(P)3}); said+=(${given%%:*}); }
"""
    said = run(place, ["zsh", "-f", "-c"], f"{stubs}{LINE_OF['zsh']}\n{asked}")
    assert [set(line.split()) for line in said.splitlines()] == [wanted for _, wanted in CASES]


@pytest.mark.parametrize(
    ("line", "wanted"), [("services w", {"web", "web2"}), ("watch ", {"auth", "web", "web2"}), ("query a", {"auth"})]
)
def test_services_of_the_running_server(place, line, wanted):
    """As the shells ask, whichever."""
    (place / "services.yaml").write_text("web: {address: 10.0.0.1}\nweb2: {address: 10.0.0.2}\nauth: {address: 10.0.0.3}\n")
    with Server("--services", "services.yaml", "--http", "off", "--upstream", "none", "--control", "here", cwd=place):
        words = ["dnsdisco", *line.split(" ")]
        environ = {"COMP_WORDS": "dnsdisco " + line, "COMP_CWORD": str(len(words) - 1), "_DNSDISCO_COMPLETE": "bash_complete"}
        environ |= {
            "DNSDISCO_CONTROL": "here",
            "HOME": str(place),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PATH": os.environ["PATH"],
        }
        command = [str(place / "bin" / "dnsdisco")]
        done = subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert {each.partition(",")[2] for each in done.stdout.splitlines()} == wanted, done.stderr


def test_a_server_that_does_not_answer_holds_nobody_up(place):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place / "silent"))
        silent.listen()
        environ = {"COMP_WORDS": "dnsdisco watch w", "COMP_CWORD": "2", "_DNSDISCO_COMPLETE": "bash_complete"}
        environ |= {"DNSDISCO_CONTROL": "silent", "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]}
        done = subprocess.run([str(place / "bin" / "dnsdisco")], cwd=place, env=environ, capture_output=True, text=True, timeout=20, check=False)  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("", "")
