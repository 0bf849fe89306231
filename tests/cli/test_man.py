"""Manual pages: made from docs/, whole, read by mandoc and by man without a complaint, and in the wheel."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dnsdisco.cli import COMMANDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NAMES = {"dnsdisco.1", *(f"dnsdisco-{name}.1" for name in COMMANDS), "dnsdisco.yaml.5", "dnsdisco-services.5"}


@pytest.fixture(scope="module")
def build():
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("build_man", ROOT / "deploy" / "man" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    return {path.name: path for path in build.write(folder)}


def shown(path):
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", str(path)], capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", done.stdout)


needs_mandoc = pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")


def test_every_command_and_file_has_its_page(written):
    assert set(written) == NAMES


@needs_mandoc
@pytest.mark.parametrize("name", sorted(NAMES))
def test_it_is_read_without_a_complaint(written, name):
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", str(written[name])], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stdout.splitlines() if "missing date" not in line]  # the same octets for every build
    assert complaints == []


@needs_mandoc
def test_it_says_what_the_page_of_docs_says(written):
    serve = shown(written["dnsdisco-serve.1"])
    assert "dnsdisco-serve - answer DNS queries" in serve
    assert "[--upstream ADDR[:PORT]]... [--workers N] [--http ADDR:PORT|off]" in serve
    assert re.search(r"--zone NAME\s+Serve the services under this name\.", serve)
    assert re.search(r"SIGHUP\s+the configuration is read again", serve)
    configuration = shown(written["dnsdisco.yaml.5"])
    assert re.search(r"workers\s+Processes that answer\..* default: 1", configuration)
    for text in (serve, configuration, shown(written["dnsdisco-services.5"])):
        assert not re.search(r"^\||\]\(|^#|```", text, re.MULTILINE)  # no Markdown is left


def test_roff_of_what_could_be_taken_for_a_request(build):
    made = build.page(
        "x",
        1,
        "it's a `x`",
        "## A\n\n.hidden\n\n```\n'tis -1 \\n\n.end\n```\n\n- one\n- two\n\n| a | b |\n|---|---|\n| `.c\\|d` | e |\n",
    )
    assert not re.search(r"^\.(hidden|end|c)|^'", made, re.MULTILINE)
    assert r"\(aqtis \-1 \en" in made
    assert made.count(".IP") == 2
    assert r"\fB.c|d\fP" in made


def test_the_wheel_has_them(tmp_path):
    pytest.importorskip("hatchling")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    found = {name.rpartition("/")[2] for name in inside if re.search(r"\.data/data/share/man/man[15]/", name)}
    assert found == NAMES
    assert not [name for name in inside if name.startswith(("tests/", "docs/", "deploy/"))]
