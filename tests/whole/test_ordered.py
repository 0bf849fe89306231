"""The order of a resolv.conf means to us what it means to the C library and to `dnsmasq --strict-order`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.whole import ordered
from tests.whole.server import ROOT
from tests.whole.test_clients import needs_netns

pytestmark = [
    needs_netns,
    pytest.mark.servers,
    pytest.mark.skipif(shutil.which("getent") is None, reason="no getent on this machine"),
]

SCRIPT = r"""
set -eu
ip link set dev lo up
printf 'nameserver 127.0.0.11\nnameserver 127.0.0.12\n' > "$1/resolv.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
printf 'hosts: files dns\n' > "$1/nsswitch.conf"
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
exec "$2" -m tests.whole.ordered "$1"
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ordered")
    ran = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", SCRIPT, "sh", str(folder), sys.executable],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", ordered.CASES)
def test_the_first_has_the_word(found, case):
    expected = [ordered.CORP if "corp" in name else ordered.PUBLIC for name in ordered.NAMES]
    if case == "notimp":
        found[case].pop("dnsmasq", None)  # it passes that on, and would not ask the second at all
    assert found[case] == dict.fromkeys(found[case], expected)
    assert {"dnsdisco", "the C library"} <= set(found[case])
