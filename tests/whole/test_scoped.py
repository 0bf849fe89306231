"""`fe80::1%eth0` works wherever an address is connected to or listened on: in a namespace with a cable of two ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.whole import scoped
from tests.whole.server import ROOT
from tests.whole.test_clients import needs_netns

pytestmark = [
    needs_netns,
    pytest.mark.servers,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]

SCRIPT = r"""
set -eu
ip link set dev lo up
ip link add name ours type veth peer name theirs
for end in ours theirs; do ip link set dev "$end" addrgenmode none; done
ip address add fe80::1/64 dev ours nodad
ip address add fe80::2/64 dev theirs nodad
ip link set dev ours up
ip link set dev theirs up
exec "$1" -m tests.whole.scoped
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("SERVICE_", "CONSUL_", "KUBE"))}
    environ |= {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path_factory.mktemp("home"))}
    ran = subprocess.run(
        ["unshare", "-n", "sh", "-c", SCRIPT, "sh", sys.executable],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", scoped.CASES)
def test_a_link_local_address(found, case):
    assert found[case] == ""
