"""Each finding about the server, its files and its backends, where the fault is real."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

import pytest

from dnsdisco.doctor import check_server
from dnsdisco.doctor.known import Known
from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.doctor.probe import ResolverProbe
from tests.certificates import make
from tests.doctor.machine_apart import bad, MachineApart, MARKS, program
from tests.providers.consul.real import binary

pytestmark = MARKS

WITHOUT = "forward: {upstreams: []}\nhttp: off\n"
USUAL = "listen: ['127.0.0.1:53', '[::1]:53']\n" + WITHOUT
MANAGER = "11111111-1111-1111-1111-111111111111"
CONSUL = f"providers: [{{type: consul, address: 'http://127.0.0.1:8500'}}]\nstartup_timeout: 1\n{USUAL}"


@pytest.fixture
def machine(tmp_path):
    with MachineApart(tmp_path) as apart:
        yield apart


def test_no_server_runs(machine):
    found = machine.doctor()
    assert bad(found) == {"DD001"}
    assert "nobody answers for svc.local on 127.0.0.1 port 53" in found["DD001"].text
    machine.serve()
    assert bad(machine.doctor()) == set()


def test_a_server_that_cannot_be_asked(machine):
    machine.serve()
    found = machine.doctor("--control", "/run/nothing.sock")
    assert bad(found) == set()
    assert "/run/nothing.sock" in found["DD002"].text


def test_what_was_written(machine):
    machine.serve()
    machine.write("services.yaml", "web: {instances: [{address: 10.0.0.1, port: 70000}]}\n")
    found = machine.doctor()
    assert "DD003" in found
    assert "services.yaml:1:" in found["DD003"].text
    assert "70000" in found["DD003"].text
    machine.write("services.yaml", "web: {address: 10.0.0.1}\n")
    machine.until(lambda: bad(machine.doctor()) == set())
    machine.write("dnsdisco.yaml", f"{USUAL}ttl: never\n")
    found = machine.doctor()
    assert bad(found) == {"DD003"}
    assert found["DD003"].subject == "dnsdisco.yaml"


def test_a_server_that_starts(machine):
    machine.write("dnsdisco.yaml", CONSUL.replace("127.0.0.1:8500", "192.0.2.99:8500").replace("timeout: 1", "timeout: 100"))
    server = machine.start(*machine.command("serve"))
    machine.until((machine.folder / ".local/state/dnsdisco/control.sock").exists)
    machine.until(lambda: "DD004" in machine.doctor())
    machine.end(server)


@pytest.mark.parametrize("has_reported", [False, True])
def test_workers_that_hang(machine, has_reported):
    """The supervisor, which would end each of them after two seconds, hangs as well."""
    server = machine.serve()
    hanging = [*machine.inside("dnsdisco.supervisor"), *machine.inside("dnsdisco.server")]
    assert len(hanging) > 1
    if has_reported:
        machine.until(lambda: machine.status()["workers"][0]["pid"])
    for pid in hanging:
        os.kill(pid, signal.SIGSTOP)
    try:
        machine.until(lambda: "DD005" in machine.doctor())
    finally:
        for pid in (*hanging, server.pid):  # nsenter stops with what it has started
            os.kill(pid, signal.SIGCONT)
    machine.until(lambda: bad(machine.doctor()) == set())


def test_an_address_that_is_not_here(machine):
    machine.write("dnsdisco.yaml", "listen: ['127.0.0.1:53', '[::1]:53', '192.0.2.77:53']\n" + WITHOUT)
    machine.serve()
    found = machine.doctor()
    assert bad(found) == {"DD006"}
    assert "192.0.2.77" in found["DD006"].subject
    machine.run("ip", "address", "add", "192.0.2.77/24", "dev", "outside")
    machine.until(lambda: bad(machine.doctor()) == set())


def test_a_state_folder_that_cannot_be_written(machine):
    machine.serve()
    folder = f"{machine.folder}/.local/state/dnsdisco"
    assert machine.run("mount", "-o", "bind,ro", folder, folder).returncode == 0
    found = machine.doctor()
    assert bad(found) == {"DD007"}
    assert found["DD007"].subject == folder
    machine.run("umount", folder)
    assert bad(machine.doctor()) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
@pytest.mark.parametrize(
    ("owner", "mode", "server", "is_found"),
    [
        (1234, 0o700, 1234, False),
        (0, 0o700, 1234, True),
        (0, 0o700, 0, False),
        (1234, 0o500, 1234, True),
        (1234, 0o500, 0, False),
        (0, 0o777, 1234, False),
    ],
)
def test_a_state_folder_of_another_user(tmp_path, owner, mode, server, is_found):
    """A server that runs as a user of its own, and a folder that root has made for it."""
    for path, user in (("proc/77", server), ("state", owner)):
        (tmp_path / path).mkdir(parents=True)
        os.chown(tmp_path / path, user, user)
    (tmp_path / "state").chmod(mode)
    status = {"workers": [{"pid": 77}]}
    known = Known(MachineFiles(str(tmp_path)), ResolverProbe(), status, settings={"state_dir": "/state"})
    assert [each.code for each in check_server.files(known)] == (["DD007"] if is_found else [])


@pytest.mark.parametrize(("days", "code"), [((-9, 3), "DD008"), ((-9, -1), "DD009"), ((1, 9), "DD009"), ((-9, 90), "")])
def test_a_certificate(machine, days, code):
    made = make(machine.folder)
    machine.write(
        "dnsdisco.yaml",
        f"{USUAL}tls: {{certificate: {made.certificate}, key: {made.key}}}\n".replace(
            "'[::1]:53'", "'[::1]:53', 'tls://127.0.0.1:853'"
        ),
    )
    machine.serve()
    later = make(machine.folder, begins=timedelta(days=days[0]), ends=timedelta(days=days[1]))
    assert later.certificate == made.certificate
    assert bad(machine.doctor()) - {"DD003"} == ({code} if code else set())


def test_programs_with_musl(machine):
    loader = program("/lib/x86_64-linux-musl/libc.so", "/usr/lib/x86_64-linux-musl/libc.so")
    (machine.folder / "lower").mkdir()
    (machine.folder / "lower" / "ld-musl-x86_64.so.1").symlink_to(loader)
    machine.serve()
    assert "DD050" not in machine.doctor()
    mounted = machine.run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={machine.folder}/lower:/usr/lib", "/usr/lib")
    if mounted.returncode:
        pytest.skip(f"no overlay can be mounted here: {mounted.stderr}")
    assert "musl libc" in machine.run("/lib/ld-musl-x86_64.so.1").stderr
    found = machine.doctor()
    assert found["DD050"].subject == "/lib/ld-musl-x86_64.so.1"
    assert bad(found) == set()


def test_the_clock(machine):
    machine.serve()
    later = time.time() + 3 * 3600
    os.utime(machine.etc / "resolv.conf", (later, later))
    found = machine.doctor()
    assert bad(found) == {"DD055"}
    assert "3.0 hours" in found["DD055"].text


def test_a_file_that_hangs(machine):
    machine.serve()
    (machine.etc / "hosts").unlink()
    os.mkfifo(machine.etc / "hosts")
    found = machine.doctor()
    assert found["DD090"].subject == "the hosts file"
    assert found["DD000"].level == "ok"


def consul(machine: MachineApart, hcl: str = ""):
    (machine.folder / "consul.hcl").write_text(hcl or "\n")
    command = (
        binary(),
        "agent",
        "-dev",
        "-bind",
        "127.0.0.1",
        "-client",
        "127.0.0.1",
        "-dns-port",
        "-1",
        "-grpc-port",
        "-1",
        "-grpc-tls-port",
        "-1",
    )
    started = machine.start(*command, "-config-file", str(machine.folder / "consul.hcl"))
    machine.until(lambda: '"' in machine.run("curl", "-s", "http://127.0.0.1:8500/v1/status/leader").stdout.replace('""', ""))
    return started


@pytest.mark.servers
def test_a_consul_that_refuses(machine):
    machine.write("dnsdisco.yaml", CONSUL.replace("8500'", "8500', token: 22222222-2222-2222-2222-222222222222"))
    machine.serve()
    assert bad(machine.doctor()) == {"DD060"}
    consul(machine, f'acl {{ enabled = true default_policy = "deny" tokens {{ initial_management = "{MANAGER}" }} }}')
    machine.until(lambda: bad(machine.doctor()) == {"DD061"})
    found = machine.doctor()
    assert "403" in found["DD061"].text
    assert "22222222" not in str(found)


@pytest.mark.servers
def test_a_consul_that_goes_away(machine):
    machine.write("dnsdisco.yaml", CONSUL)
    started = consul(machine)
    service = '{"Name": "web", "Address": "10.0.0.1", "Port": 80}'
    machine.run("curl", "-s", "-X", "PUT", "-d", service, "http://127.0.0.1:8500/v1/agent/service/register")
    machine.serve()
    machine.until(lambda: bad(machine.doctor()) == set())
    broken = '{"Name": "bad", "ID": "bad", "Address": "not an address", "Port": 80}'
    machine.run("curl", "-s", "-X", "PUT", "-d", broken, "http://127.0.0.1:8500/v1/agent/service/register")
    machine.until(lambda: bad(machine.doctor()) == {"DD063"})
    machine.run("curl", "-s", "-X", "PUT", "http://127.0.0.1:8500/v1/agent/service/deregister/bad")
    machine.until(lambda: bad(machine.doctor()) == set())
    machine.end(started)
    machine.until(lambda: bad(machine.doctor()) == {"DD062"})
