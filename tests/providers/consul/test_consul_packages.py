"""python-consul and its fork py-consul: the contract holds on either. They share a module name, so each gets a process of its own."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import NoReturn

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dnsdisco" / "consul-packages"
INSTALL_S = 60
SUITES = (
    "test_consul_contract.py",
    "test_consul_agent.py",
    "test_consul_registration.py",
    "test_consul_options.py",  # ConsulServiceDiscovery(host=, port=, token=, scheme=)
)
# Before a real agent as well: python-consul, which the extra brings, is what test_consul_real.py runs on anyway.
REAL = {"py-consul": ("test_consul_real.py::test_register_and_deregister",)}
# Set by .ci/run: there, what cannot be installed is a failure, for nobody would see that it was passed over.
MUST = os.environ.get("DNSDISCO_GATE") == "1"
REQUIREMENTS = ("python-consul==1.1.0", "py-consul==1.8.0")


def installed(requirement: str) -> pathlib.Path:
    """A folder with that package alone, kept for the next run. Skips, or in the gate fails, where it cannot be installed."""
    folder = CACHE / requirement
    if not folder.exists():
        unfinished = CACHE / f".{requirement}-{os.getpid()}"
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--disable-pip-version-check",
            "--target",
            str(unfinished),
            requirement,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            _passed_over(f"{requirement} could not be installed within {INSTALL_S} s")
        if done.returncode:
            _passed_over(f"{requirement} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
        try:
            unfinished.rename(folder)
        except OSError:  # another run was faster
            assert folder.exists()
    return folder


def _passed_over(reason: str) -> NoReturn:
    if MUST:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def runs():
    """Both at once: most of a run is waiting."""
    here = pathlib.Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"]
    running: dict[str, str | subprocess.Popen[str]] = {}
    for requirement in REQUIREMENTS:
        try:
            folder = installed(requirement)
        except pytest.skip.Exception as skipped:
            running[requirement] = str(skipped)
            continue
        environ = os.environ | {"DNSDISCO_TEST_CONSUL_PACKAGE": str(folder), "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
        suites = (*SUITES, *REAL.get(requirement.partition("==")[0], ()))
        running[requirement] = subprocess.Popen(
            [*command, *(str(here / suite) for suite in suites)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
            cwd=ROOT,
        )
    yield running
    for process in running.values():
        if isinstance(process, subprocess.Popen):
            process.kill()
            process.communicate()


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_the_contract_holds_on(requirement, runs):
    process = runs[requirement]
    if isinstance(process, str):
        pytest.skip(process)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output[-3000:]
    # Only a real agent may be missing, and where it is, these tests' own skips have said so.
    skips = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    assert all("no Consul" in line for line in skips), skips
