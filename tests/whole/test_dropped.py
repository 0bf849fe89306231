"""A kept connection whose packets are dropped: the question is asked again on a new one, within its time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.whole import dropped
from tests.whole.server import ROOT
from tests.whole.test_clients import needs_netns


def _can_drop() -> bool:
    command = ["unshare", "-n", "iptables", "-w", "-I", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"]
    return shutil.which("iptables") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = [
    needs_netns,
    pytest.mark.servers,
    pytest.mark.skipif(not _can_drop(), reason="iptables cannot drop here"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


@pytest.fixture(scope="module")
def found():
    command = ["unshare", "-n", "sh", "-c", 'ip link set dev lo up; exec "$0" -m tests.whole.dropped', sys.executable]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("transport", dropped.CASES)
def test_a_connection_that_died_in_silence(found, transport):
    assert found[transport] == ""
