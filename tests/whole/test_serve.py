"""The main job over real sockets: start, answer, change, survive, end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import dns.rcode
import pytest

from dnsdisco.testing import one_port
from tests.conformance.probes import PROBES
from tests.kit import errors, section
from tests.whole.server import EXAMPLE, Server, Traffic

WEB = """
# kept
web: {instances: [{id: a, address: 10.0.0.1, port: 80}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "services.yaml").write_text(WEB)
    return tmp_path


def test_the_example_of_the_readme(tmp_path):
    with Server("--services", str(EXAMPLE), "--upstream", "none", "--http", "off", "--state-dir", "off", cwd=tmp_path) as server:
        assert "dig @127.0.0.1 -p" in server.stderr
        reply = server.ask("web.svc.local", "SRV")
        assert reply.answer
        assert reply.additional
        assert server.ask("web.svc.local", "SRV", tcp=True).answer
        assert server.ask("nosuch.svc.local").rcode() == dns.rcode.NXDOMAIN
        assert server.ask("www.example.com").rcode() == dns.rcode.REFUSED
        assert server.stop() == 0


def test_the_environment_is_a_provider(tmp_path):
    env = {"SERVICE_AUTH_URL": "http://10.0.0.5:5001", "SERVICE_BACKEND_HOST": "10.0.0.6", "SERVICE_BACKEND_PORT": "5000"}
    with Server("--upstream", "none", cwd=tmp_path, env=env) as server:
        assert server.answers("auth.svc.local") == {"10.0.0.5"}
        assert {text.split()[2] for text in server.answers("backend.svc.local", "SRV")} == {"5000"}


@pytest.mark.parametrize("how", ["in place", "by rename", "by symlink swap"])
def test_a_change_of_the_file_is_in_dns_within_a_second(folder, how):
    path = folder / "services.yaml"
    if how == "by symlink swap":  # as Kubernetes replaces the files of a ConfigMap
        for version in ("v1", "v2"):
            (folder / version).mkdir()
        (folder / "v1" / "services.yaml").write_text(WEB)
        (folder / "..data").symlink_to("v1")
        path.unlink()
        path.symlink_to("..data/services.yaml")
    with Server("--services", str(path), "--upstream", "none", cwd=folder) as server:
        assert server.answers("web.svc.local") == {"10.0.0.1"}
        for number in range(2, 5):
            new = WEB.replace("10.0.0.1", f"10.0.0.{number}")
            if how == "in place":
                path.write_text(new)
            elif how == "by rename":
                (folder / "new").write_text(new)
                (folder / "new").rename(path)
            else:
                other = "v2" if number % 2 == 0 else "v1"
                (folder / other / "services.yaml").write_text(new)
                (folder / "..tmp").symlink_to(other)
                (folder / "..tmp").rename(folder / "..data")
            server.until("web.svc.local", {f"10.0.0.{number}"}, 1.0)


def test_a_broken_file_keeps_the_old_data_and_says_where(folder):
    path = folder / "services.yaml"
    with Server("--services", str(path), "--upstream", "none", cwd=folder) as server:
        path.write_text("web: {instances: [")
        server.wait_for(r"services\.yaml:\d:\d+")
        assert server.answers("web.svc.local") == {"10.0.0.1"}
        path.unlink()
        time.sleep(0.5)
        assert server.answers("web.svc.local") == {"10.0.0.1"}
        path.write_text(WEB.replace("10.0.0.1", "10.0.0.7"))
        server.until("web.svc.local", {"10.0.0.7"}, 2.0)
        assert "Traceback" not in server.stderr


@pytest.mark.parametrize(("content", "words"), [(None, "services.yaml"), ("web: [\n", "services.yaml:1:7: this is not YAML")])
def test_a_named_file_that_cannot_be_used_ends_the_start(tmp_path, content, words):
    if content is not None:
        (tmp_path / "services.yaml").write_text(content)
    with Server("--services", "services.yaml", "--upstream", "none", cwd=tmp_path, wait=False) as server:
        assert server.process.wait(15) == 1
        time.sleep(0.2)
        assert words in server.stderr
        assert "Traceback" not in server.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_no_known_name_goes_unanswered_when_a_process_is_killed(folder, workers):
    arguments = ("--services", "services.yaml", "--upstream", "none", "--workers", str(workers))
    with Server(*arguments, cwd=folder) as server, Traffic(server) as first, Traffic(server) as second:
        time.sleep(0.3)
        for number in range(
            3
        ):  # one after the other: what a machine too busy to start one in time would make of both is not the question
            os.kill(server.children()["server"][0], signal.SIGKILL)
            time.sleep(1.2)
            first.wait_until_prompt()
            os.kill(server.children()["control"][0], signal.SIGKILL)
            server.wait_for(rf"(?s)(provider synced\S* provider=static.*){{{number + 2}}}")
            time.sleep(1.2)
        assert set(first.outcomes) == set(second.outcomes) == {"NOERROR"}
        assert len(first.replies) > 500
        children = server.children()
        assert (len(children["server"]), len(children["control"])) == (workers, 1)
        (folder / "services.yaml").write_text(WEB.replace("10.0.0.1", "10.0.0.9"))
        server.until("web.svc.local", {"10.0.0.9"}, 2.0)


def test_a_port_that_is_taken_ends_the_start_and_hurts_nobody(folder):
    arguments = ("--services", "services.yaml", "--upstream", "none")
    with Server(*arguments, cwd=folder) as server, Traffic(server) as traffic:
        with Server(*arguments, cwd=folder, listen=f"127.0.0.1:{server.port}", wait=False) as second:
            assert second.process.wait(10) == 1
            time.sleep(0.2)
            assert str(server.port) in second.stderr
            assert str(server.process.pid) in second.stderr or "dnsdisco" in second.stderr
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:  # TCP alone is taken
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            with Server(*arguments, cwd=folder, listen=f"127.0.0.1:{holder.getsockname()[1]}", wait=False) as third:
                assert third.process.wait(10) == 1
    assert set(traffic.outcomes) == {"NOERROR"}


def test_no_standard_input(folder):
    """Its number must not go to a socket, which a child would lose."""
    with Server("--services", "services.yaml", cwd=folder, preexec_fn=lambda: os.close(0)) as server:
        assert server.ask("web.svc.local").answer
        assert server.ask("web.svc.local", tcp=True).answer


def test_several_addresses_of_both_families(folder):
    arguments = ("--services", "services.yaml", "--upstream", "none", "--listen", "127.0.0.2:0", "--listen", "[::1]:0")
    with Server(*arguments, cwd=folder) as server:
        places = server.wait_for(r"ready: listening on (.*), zones")[1]
        for address in ("127.0.0.1", "127.0.0.2", "::1"):
            server.address = address
            bracketed = f"[{address}]" if ":" in address else address
            server.port = int(places.split(f"{bracketed}:", 1)[1].split()[0].strip(","))
            assert server.answers("web.svc.local") == {"10.0.0.1"}
            assert server.ask("web.svc.local", tcp=True).answer


@pytest.mark.parametrize(("wildcard", "asked"), [("0.0.0.0", "127.0.0.9"), ("[::]", "::1")])
def test_a_reply_comes_from_the_address_that_was_asked(folder, wildcard, asked):
    with Server("--services", "services.yaml", "--upstream", "none", cwd=folder, listen=f"{wildcard}:0") as server:
        server.address = asked
        for name in ("web.svc.local", "web.svc.local", "nosuch.svc.local"):
            server.ask(name)  # the codec checks the source


def test_the_table_of_odd_input_over_sockets(folder):
    (folder / "services.yaml").write_text(
        "web: {instances: [{id: web-1, address: 10.0.0.11, port: 8080}]}\nauth: {address: 10.1.0.1}"
    )
    (folder / "dnsdisco.yaml").write_text("identity: {server_id: here}\nforward: {upstreams: []}\n")
    with (
        Server("--services", "services.yaml", cwd=folder) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        sock.connect((server.address, server.port))
        for probe in PROBES:
            sock.settimeout(0.15 if probe.expected == "-" else 3.0)
            sock.send(probe.message)
            try:
                reply = sock.recv(65535)
            except TimeoutError:
                reply = None
            assert (reply is None) == (probe.expected == "-"), probe.title
            if reply is not None:
                assert dns.rcode.to_text(dns.message.from_wire(reply, keyring=False).rcode()) == probe.expected, probe.title
                assert probe.shape(reply), probe.title
        assert server.answers("web.svc.local") == {"10.0.0.11"}
        assert "Traceback" not in server.stderr


def test_many_large_answers_over_tcp_and_udp(folder):
    lines = "".join(f"    - {{id: i{n}, address: 10.1.{n // 250}.{n % 250 + 1}, port: 80}}\n" for n in range(400))
    (folder / "services.yaml").write_text("big:\n  instances:\n" + lines)
    with Server("--services", "services.yaml", "--upstream", "none", cwd=folder) as server:
        assert len(server.ask("big.svc.local", "SRV", tcp=True).answer[0]) == 400
        reply = server.ask("big.svc.local", "SRV", payload=1232)
        assert reply.flags & dns.flags.TC
        assert 0 < len(reply.answer[0]) < 400


def test_reload_keeps_the_old_configuration_when_the_new_one_is_bad(folder):
    config = folder / "dnsdisco.yaml"
    config.write_text("ttl: 7\nforward: {upstreams: []}\nproviders: [{type: static, path: services.yaml}]\n")
    with Server("--config", str(config), cwd=folder) as server:
        assert server.ask("web.svc.local").answer[0].ttl == 7
        config.write_text("ttl: never\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(r"dnsdisco\.yaml:1:")
        assert server.ask("web.svc.local").answer[0].ttl == 7
        config.write_text("ttl: 9\nforward: {upstreams: []}\nproviders: [{type: static, path: services.yaml}]\n")
        with Traffic(server) as traffic:
            server.process.send_signal(signal.SIGHUP)
            for _ in range(200):
                if server.ask("web.svc.local").answer[0].ttl == 9:
                    break
                time.sleep(0.01)
        assert server.ask("web.svc.local").answer[0].ttl == 9
        assert set(traffic.outcomes) == {"NOERROR"}


def test_a_configuration_that_was_found_and_is_gone_at_a_reload_is_a_bad_one(folder):
    """Not the defaults: those know none of its services."""
    config = folder / "dnsdisco.yaml"
    config.write_text("ttl: 7\nhttp: off\nforward: {upstreams: []}\nproviders: [{type: static, path: s/other.yaml}]\n")
    (folder / "s").mkdir()
    (folder / "s" / "other.yaml").write_text("other: {address: 10.0.0.77}\n")
    with Server(cwd=folder) as server:
        config.unlink()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(r"the new configuration is not used.*no such file")
        assert server.ask("other.svc.local").answer[0].ttl == 7


def test_reloads_under_load_lose_nothing(folder):
    config = folder / "dnsdisco.yaml"
    config.write_text(_config(0))
    with Server("--config", str(config), cwd=folder) as server:
        with Traffic(server) as udp, Traffic(server, tcp=True) as tcp:
            for round_ in range(8):
                config.write_text(_config(round_) if round_ % 3 else "ttl: [")
                server.process.send_signal(signal.SIGHUP)
                time.sleep(0.3)
        assert set(udp.outcomes) == set(tcp.outcomes) == {"NOERROR"}


def _config(round_: int) -> str:
    return f"ttl: {round_ + 1}\nforward: {{upstreams: []}}\nproviders: [{{type: static, path: services.yaml}}]\n"


def test_what_is_in_flight_is_answered_before_the_end(folder):
    with Server("--services", "services.yaml", "--upstream", "none", cwd=folder) as server:
        start = time.monotonic()
        assert server.stop(signal.SIGINT) == 0
        assert time.monotonic() - start < 5


def test_children_end_with_a_killed_supervisor(folder):
    with Server("--services", "services.yaml", "--upstream", "none", cwd=folder) as server:
        children = [pid for pids in server.children().values() for pid in pids]
        assert len(children) == 2
        server.process.kill()
        server.process.wait()
        until = time.monotonic() + 5
        while time.monotonic() < until and any(_is_running(pid) for pid in children):
            time.sleep(0.05)
        assert not [pid for pid in children if _is_running(pid)]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_systemd_gives_sockets_and_hears_of_readiness(folder):
    notify = folder / "notify"
    udp, tcp = one_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear, udp, tcp:
        ear.bind(str(notify))
        ear.settimeout(15)
        port = tcp.getsockname()[1]

        arguments = ["--services", "services.yaml", "--upstream", "none"]
        env = {"LISTEN_FDS": "2", "NOTIFY_SOCKET": str(notify)}
        script = (
            "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid());"
            f"udp, tcp = os.dup({udp.fileno()}), os.dup({tcp.fileno()}); os.dup2(udp, 3); os.dup2(tcp, 4);"
            "[os.set_inheritable(fd, True) for fd in (3, 4)];"
            "os.execv(sys.executable, [sys.executable, '-m', 'dnsdisco.cli', 'serve', *sys.argv[1:]])"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(EXAMPLE.parents[1]), "HOME": str(folder), **env},
            pass_fds=(udp.fileno(), tcp.fileno()),
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            heard = ""
            while "READY=1" not in heard:
                heard += ear.recv(4096).decode() + "\n"
            server = Server(cwd=folder)
            server.address, server.port = "127.0.0.1", port
            assert server.answers("web.svc.local") == {"10.0.0.1"}
            assert server.ask("web.svc.local", tcp=True).answer
        finally:
            process.terminate()
            process.wait(6)
            process.stderr.close()


def test_flattening_and_stale_reasons_are_told(folder):
    (folder / "services.yaml").write_text("far: {instances: [{id: a, address: db.example.net, port: 1}]}")
    with Server("--services", "services.yaml", "--upstream", "none", cwd=folder) as server:
        reply = server.ask("far.svc.local")
        assert reply.rcode() == dns.rcode.SERVFAIL
        assert 22 in errors(reply)
        assert section(server.ask("far.svc.local", "SRV").answer)


def test_a_signal_during_the_start_does_not_end_it(tmp_path):
    """Those that mean something later, and those that mean something to other servers, from the moment that the command has begun."""
    with Server("--upstream", "none", "--http", "off", "--state-dir", "off", cwd=tmp_path, wait=False) as server:
        status = Path(f"/proc/{server.process.pid}/status")
        until = time.monotonic() + 10
        while not int(status.read_text().split("SigIgn:")[1].split()[0], 16) >> (signal.SIGUSR1 - 1) & 1:
            assert time.monotonic() < until
            time.sleep(0.001)
        while "ready:" not in server.stderr:
            assert server.process.poll() is None
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
                server.process.send_signal(number)
            time.sleep(0.02)
        server.wait_for("ready:")
