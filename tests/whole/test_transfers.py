"""Transfers, updates and notices by the programs that send them: refused, in words that they understand."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.whole.server import EXAMPLE, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server("--services", str(EXAMPLE), "--upstream", "none", cwd=tmp_path_factory.mktemp("transfers")) as started:
        yield started


def run(*words: str, said: str = "") -> str:
    path = shutil.which(words[0], path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
    if path is None:
        pytest.skip(f"no {words[0]} on this machine")
    ran = subprocess.run([path, *words[1:]], input=said, capture_output=True, text=True, timeout=30, check=False)
    return ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["ixfr=1", "+notcp"],
        ["ixfr=1", "+tcp"],
        ["ixfr=1", "+tcp", "+noedns"],
        ["ixfr=1", "+notcp", "+nocookie", "+dnssec"],
        ["axfr"],
        ["+tcp", "-t", "SOA", "+opcode=NOTIFY"],
        ["-t", "SOA", "+opcode=UPDATE"],
    ],
    ids=" ".join,
)
def test_dig(server, words):
    words = ["-t", words[0], *words[1:]] if "xfr" in words[0] else words
    said = run("dig", f"@{server.address}", "-p", str(server.port), "+tries=1", "+time=5", "+comments", "svc.local", *words)
    assert "REFUSED" in said or "Transfer failed" in said, said
    assert "FORMERR" not in said


@pytest.mark.parametrize(
    "words", [["-t", "IXFR=1", "+notcp"], ["-t", "IXFR=1"], ["-t", "AXFR"], ["-t", "NOTIFY"], ["-t", "NOTIFY=7"]], ids=" ".join
)
def test_kdig(server, words):
    said = run("kdig", f"@{server.address}", "-p", str(server.port), "+retry=0", "+timeout=5", "svc.local", *words)
    assert "REFUSED" in said, said


def test_nsupdate(server):
    said = f"server {server.address} {server.port}\nzone svc.local\nupdate add x.svc.local 60 A 192.0.2.1\nsend\n"
    assert "REFUSED" in run("nsupdate", "-t", "5", said=said)


def test_ldns_notify(server):
    said = run("ldns-notify", "-p", str(server.port), "-z", "svc.local", "-r", "1", "-s", "7", "-I", server.address, server.address)
    assert "REFUSED" in said, said
