"""docs/troubleshooting.md: each row is caused for real, and its command says what the row says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import make
from tests.forward.upstream import free_port
from tests.whole.server import ROOT, Server

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
ROWS = re.findall(r"^\| ([^|]+) \| `(dnsdisco [^`]+)` \| `([^`]+)` \| [^|]+ \|$", PAGE, re.MULTILINE)
SERVICES = """\
web: {address: 10.0.0.1, port: 80}
empty: {instances: []}
six: {address: "2001:db8::1", port: 80}
bad: {address: 10.0.0.1, port: 70000}
"""
QUIET = "http: off\nstate_dir: state\nforward: {upstreams: []}\nproviders: [{type: static, path: services.yaml}]\n"
World = Callable[[Path], "Iterator[dict[str, str]]"]


def _write(folder: Path, services: str = SERVICES, config: str = QUIET) -> None:
    (folder / "services.yaml").write_text(services)
    (folder / "dnsdisco.yaml").write_text(config)


def _no_server(folder: Path, services: str = SERVICES, config: str = "") -> Iterator[dict[str, str]]:
    _write(folder, services, f"listen: [127.0.0.1:{free_port()}]\n{config}{QUIET}")
    yield {}


def _faulty(folder: Path) -> Iterator[dict[str, str]]:
    yield from _no_server(folder, config="ttl: soon\n")


def _collision(folder: Path) -> Iterator[dict[str, str]]:
    yield from _no_server(folder, "my-app: {address: 10.0.0.1}\nmy_app: {address: 10.0.0.2}\n")


def _taken(folder: Path) -> Iterator[dict[str, str]]:
    _write(folder)
    with Server(cwd=folder) as server:
        _write(folder, config=f"listen: [127.0.0.1:{server.port}]\n{QUIET}")
        yield {}


def _running(folder: Path, services: str = SERVICES, config: str = QUIET, *arguments: str) -> Iterator[dict[str, str]]:
    _write(folder, services, config)
    with Server(*arguments, cwd=folder):
        yield {}


def _sick(folder: Path) -> Iterator[dict[str, str]]:
    check = "{tcp: '{address}:{port}', interval: 200ms, timeout: 300ms, fall: 1}"
    yield from _running(folder, f"sick:\n  check: {check}\n  instances: [{{address: 127.0.0.1, port: {free_port()}}}]\n")


def _shadowed(folder: Path) -> Iterator[dict[str, str]]:
    (folder / "second.yaml").write_text(SERVICES.replace("10.0.0.1", "10.0.0.2"))
    both = "providers: [{type: static, path: services.yaml}, {type: static, path: second.yaml}]"
    yield from _running(folder, config=QUIET.replace(QUIET.splitlines()[-1], both))


def _silent_backend(folder: Path) -> Iterator[dict[str, str]]:
    both = "providers: [{type: static, path: services.yaml}, {type: consul, address: '127.0.0.1:1'}]"
    yield from _running(folder, config=QUIET.replace(QUIET.splitlines()[-1], both))


def _spoilt_file(folder: Path) -> Iterator[dict[str, str]]:
    _write(folder)
    with Server(cwd=folder):
        (folder / "services.yaml").write_text("web: [\n")
        yield {}


def _spoilt_configuration(folder: Path) -> Iterator[dict[str, str]]:
    _write(folder)
    with Server(cwd=folder):
        (folder / "dnsdisco.yaml").write_text(QUIET + "ttl: soon\n")
        yield {}


def _dead_upstream(folder: Path) -> Iterator[dict[str, str]]:
    _write(folder, config=QUIET.replace("upstreams: []", 'upstreams: ["127.0.0.1:9"]'))
    with Server(cwd=folder) as server:
        for number in range(10):
            server.ask(f"www{number}.example.com", timeout=8)
        yield {}


def _not_allowed(folder: Path) -> Iterator[dict[str, str]]:
    yield from _running(folder, SERVICES, QUIET + "acl: {allow: [192.0.2.0/24]}\n")


def _absent_address(folder: Path) -> Iterator[dict[str, str]]:
    yield from _running(folder, SERVICES, QUIET, "--listen", f"192.0.2.53:{free_port()}")


def _encrypted(folder: Path) -> Iterator[dict[str, str]]:
    made, port = make(folder), free_port()
    tls = f"tls: {{certificate: {made.certificate}, key: {made.key}}}\n"
    _write(folder, config=f"listen: [127.0.0.1:0, tls://127.0.0.1:{port}]\n{tls}{QUIET}")
    with Server(cwd=folder, listen=None):
        yield {"TLS": str(port), "SSL_CERT_FILE": str(made.certificate)}


CAUSES: dict[str, World] = {
    "nothing answers at all": _no_server,
    "it ran, and does not start any more": _faulty,
    "it was started, and the client still gets nothing": _no_server,
    "the start says that the address is taken": _taken,
    "no such name, and you are sure of it": _running,
    "the name is there on one machine and not on another": _running,
    "no address, although the instance runs": _sick,
    "an answer although every instance is sick": _sick,
    "the name exists, and has no address": _running,
    "no IPv4 address": _running,
    "an entry of the services file is not served": _running,
    "the wrong instance answers": _shadowed,
    "two services, and one is not found": _collision,
    "SERVFAIL for names of the zone": _silent_backend,
    "the same, seen by a client": _silent_backend,
    "a changed services file has no effect": _spoilt_file,
    "a changed configuration has no effect": _spoilt_configuration,
    "a setting has no effect": _running,
    "names of the Internet fail": _dead_upstream,
    "names of the Internet are refused": _running,
    "everything is refused, for some clients": _not_allowed,
    "only a new address is not served": _absent_address,
    "an encrypted client refuses the server": _encrypted,
}


def test_every_row_of_the_page_is_caused_and_there_are_twenty() -> None:
    assert [symptom for symptom, _, _ in ROWS] == list(CAUSES)
    assert len(ROWS) == PAGE.count("\n| ") - 1  # the head: no row was passed over
    assert len(ROWS) >= 20


@pytest.mark.parametrize(("symptom", "command", "words"), ROWS, ids=[symptom for symptom, _, _ in ROWS])
def test_its_command_says_so(symptom: str, command: str, words: str, tmp_path: Path) -> None:
    with contextmanager(CAUSES[symptom])(tmp_path) as more:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SERVICE_", "CONSUL_", "KUBE", "DNSDISCO_"))}
        environ = {**kept, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **more}
        line = re.sub(r"\$([A-Z]+)", lambda name: more[name[1]], command)
        deadline = time.monotonic() + 20
        while True:
            done = subprocess.run(
                [sys.executable, "-m", *shlex.split(line)], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=30, check=False
            )  # fmt: skip
            if words in done.stdout + done.stderr:
                break
            assert time.monotonic() < deadline, done.stdout + done.stderr
            time.sleep(0.2)
