"""docs/from-*.md: each page's files are put before dnsdisco and before the program they are from, and both are asked the page's questions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsdisco.testing import one_port
from tests.providers.beside import outcome
from tests.providers.consul.real import binary, RealConsul
from tests.providers.kubernetes.real import find
from tests.whole.server import ROOT, Server

DNSMASQ = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin")
COREDNS = find("coredns")
PAGES = {path.stem: path.read_text() for path in (ROOT / "docs").glob("from-*.md")}
needs_dnsmasq = pytest.mark.skipif(DNSMASQ is None, reason="dnsmasq is not installed")
needs_coredns = pytest.mark.skipif(COREDNS is None, reason="no coredns here; .ci/servers builds it")


def files(page, folder):
    """Those that the page shows, written into *folder*."""
    found = dict(re.findall(r"^`([\w.]+)`[^\n`]*:\n\n```\w*\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    for name, text in found.items():
        (folder / name).write_text(text)
    return found


def questions(page):
    (block,) = re.findall(r"^```questions\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [tuple(line.split()) for line in block.splitlines()]


def differing(page):
    return [(m[1], m[2], m[3], m[4]) for m in re.finditer(r"^\| `(\S+) (\w+)` \| (.+?) \| (.+?) \|", page, re.MULTILINE)]


def free_port():
    udp, tcp = one_port()
    with udp, tcp:
        return tcp.getsockname()[1]


@contextmanager
def peer(*command, folder, port):
    """The other program, once it answers on *port*. All of them have the zone lab.example."""
    with (folder / "peer.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 20
        while not is_up(port):
            assert process.poll() is None, (folder / "peer.log").read_text()
            assert time.monotonic() < until, (folder / "peer.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(10)


def is_up(port):
    with suppress(dns.exception.Timeout, OSError):
        return bool(ask(port, "auth.lab.example", "A", within_s=0.2).answer)
    return False


def ask(port, name, rtype, within_s=5.0):
    question = dns.message.make_query(name, rtype, use_edns=0, payload=1232)
    return dns.query.udp(question, "127.0.0.1", within_s, port)


def ours(folder, *arguments):
    """dnsdisco with the page's files, in which `dnsdisco check` finds no fault."""
    command = [sys.executable, "-m", "dnsdisco", "check", "--config", "dnsdisco.yaml"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    checked = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    return Server("--config", "dnsdisco.yaml", "--http", "off", "--state-dir", "off", "--upstream", "none", *arguments, cwd=folder)


def told(reply):
    return dns.rcode.to_text(reply.rcode()), {each.to_text().lower() for rrset in reply.answer for each in rrset}


def compare(page, server, port):
    asked = questions(page)
    assert len(asked) > 5
    found = [(name, rtype, told(server.ask(name, rtype)), told(ask(port, name, rtype))) for name, rtype in asked]
    assert [each for each in found if each[2] != each[3]] == []
    assert any(answer[0] == "NOERROR" and answer[1] for _, _, answer, _ in found)
    seen = [(name, rtype, outcome(server.ask(name, rtype)), outcome(ask(port, name, rtype))) for name, rtype, *_ in differing(page)]
    assert seen == differing(page)


@needs_dnsmasq
def test_from_dnsmasq(tmp_path):
    page = PAGES["from-dnsmasq"]
    port = free_port()
    config = tmp_path / "dnsmasq.conf"
    assert set(files(page, tmp_path)) == {"dnsmasq.conf", "dnsdisco.yaml", "services.yaml", "lab.zone"}
    config.write_text(config.read_text().replace("port=5353\n", f"port={port}\n"))
    command = [DNSMASQ, "--keep-in-foreground", f"--conf-file={config}", "--pid-file", "--user=root"]
    with peer(*command, folder=tmp_path, port=port), ours(tmp_path) as server:
        compare(page, server, port)


@needs_dnsmasq
def test_from_a_hosts_file(tmp_path):
    page = PAGES["from-etc-hosts"]
    port = free_port()
    assert set(files(page, tmp_path)) == {"hosts", "dnsdisco.yaml", "services.yaml", "lab.zone"}
    tmp_path.chmod(0o755)
    options = ["--conf-file=/dev/null", "--no-resolv", "--no-hosts", f"--addn-hosts={tmp_path}/hosts", "--local=/lab.example/"]
    where = [f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file", "--user=root"]
    with peer(DNSMASQ, "--keep-in-foreground", *options, *where, folder=tmp_path, port=port), ours(tmp_path) as server:
        compare(page, server, port)
        reverse = server.answers("5.0.0.10.in-addr.arpa", "PTR")
        assert reverse == {"10-0-0-5.auth.lab.example."}
        assert f"`{reverse.pop().rstrip('.')}`" in page


@needs_coredns
@pytest.mark.servers
def test_from_coredns(tmp_path):
    page = PAGES["from-coredns"]
    port = free_port()
    assert set(files(page, tmp_path)) == {"Corefile", "lab.hosts", "lab.zone", "dnsdisco.yaml", "services.yaml"}
    corefile = tmp_path / "Corefile"
    corefile.write_text(corefile.read_text().replace(":53 {", f":{port} {{\n    bind 127.0.0.1"))
    with peer(COREDNS, "-conf", str(corefile), folder=tmp_path, port=port), ours(tmp_path) as server:
        compare(page, server, port)


@pytest.mark.servers
def test_from_consul(tmp_path):
    binary()
    page = PAGES["from-consul-dns"]
    assert set(files(page, tmp_path)) == {"dnsdisco.yaml"}
    with RealConsul(tmp_path) as consul:
        for id_, address, tags in (("w1", "10.1.0.1", ["v1"]), ("w2", "10.1.0.2", ["v2"]), ("w3", "2001:db8::3", ["v2"])):
            consul.register("web", id_, Address=address, Port=8080, Tags=tags)
        config = tmp_path / "dnsdisco.yaml"
        config.write_text(config.read_text().replace("http://127.0.0.1:8500", consul.address))
        with ours(tmp_path) as server:
            for name, rtype in questions(page):
                here, there = server.ask(name, rtype), ask(consul.dns, name, rtype)
                if rtype != "SRV":
                    assert told(here) == told(there), name
                    continue
                ports = [sorted((each.weight, each.port) for rrset in reply.answer for each in rrset) for reply in (here, there)]
                assert ports[0] == ports[1] != []


def test_every_page_says_the_same_of_keys_that_exist():
    """A key named on these pages is one of docs/configuration.md."""
    configuration = (ROOT / "docs" / "configuration.md").read_text()
    for name, page in PAGES.items():
        for row in re.findall(r"^\| .* \| (.*) \|$", page, re.MULTILINE):
            for key in re.findall(r"`((?:forward|cache|rate_limit|identity)\.\w+)[:`]", row):
                assert f"| `{key}`" in configuration, f"{name}: {key}"
