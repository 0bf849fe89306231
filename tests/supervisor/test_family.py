"""The supervisor as a process, with stand-in children: who lives, who dies, and that nothing asked is lost meanwhile."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.testing import one_port
from tests.supervisor.harness import ask, ask_tcp, is_alive, RUN, Running, STANDIN, until

pytestmark = pytest.mark.slow


@pytest.fixture
def start() -> Iterator[Any]:
    running: list[Running] = []

    def starter(*args: Any, **kwargs: Any) -> Running:
        running.append(Running(*args, **kwargs))
        return running[-1]

    yield starter
    for each in running:
        each.close()


def test_from_start_to_ready_to_the_end(start: Any) -> None:
    run = start()
    address = run.ready()
    assert run.lines[:2] == [
        f"ready: listening on udp+tcp 127.0.0.1:{address[1]}, zones svc.local, providers env, static",
        f"try: dig @127.0.0.1 -p {address[1]} auth.svc.local",
    ]
    udp, tcp = ask(address), ask_tcp(address)
    assert udp["pid"] == tcp["pid"]
    assert udp["address"] == f"127.0.0.1:{address[1]}"
    assert udp["ppid"] == run.popen.pid
    assert len(udp["secret"]) == 32
    assert udp["pgid"] == udp["pid"]  # Ctrl-C at a terminal does not reach it
    code, took_s = run.end()
    assert code == 0
    assert took_s < 1
    assert not is_alive(udp["pid"])
    assert len(run.lines) == 2
    with pytest.raises(OSError, match="refused"):
        ask(address)


def test_ready_comes_once_and_not_before_control_says_so(start: Any) -> None:
    started = time.monotonic()
    run = start(control="slow", workers=2)
    run.ready()
    assert time.monotonic() - started > 0.5
    worker = ask(run.ready())["pid"]
    os.kill(worker, signal.SIGKILL)
    run.line("worker . ended: SIGKILL")
    time.sleep(0.3)
    assert sum(line.startswith("ready:") for line in run.lines) == 1


def test_a_child_that_will_not_end_is_killed_within_five_seconds(start: Any) -> None:
    run = start(worker="deaf")
    worker = ask(run.ready())["pid"]
    code, took_s = run.end()
    assert code == 0
    assert 4 < took_s < 5
    assert not is_alive(worker)


def test_a_second_signal_ends_it_now(start: Any) -> None:
    run = start(worker="deaf")
    run.ready()
    run.popen.send_signal(signal.SIGINT)
    time.sleep(0.2)
    code, took_s = run.end(signal.SIGINT)
    assert code == 0
    assert took_s < 1


def test_a_killed_worker_is_replaced_and_what_was_sent_meanwhile_is_answered(start: Any) -> None:
    run = start()
    address = run.ready()
    first = ask(address)["pid"]
    os.kill(first, signal.SIGKILL)
    started = time.monotonic()
    second = ask(address, "sent while there was nobody")
    assert second["echo"] == "sent while there was nobody"
    assert second["pid"] != first
    assert time.monotonic() - started < 1
    assert run.line(r'level=warning event="worker 0 ended: SIGKILL; it is started again now" pid=(\d+) restarts=1')[1] == str(first)
    assert ask_tcp(address)["pid"] == second["pid"]


def test_not_one_query_is_lost_while_workers_are_killed(start: Any) -> None:
    run = start(workers=2)
    address = run.ready()
    lost, asked = [], 0
    ends = time.monotonic() + 1.5
    killed: set[int] = set()
    while time.monotonic() < ends:
        asked += 1
        try:
            answer = ask(address, str(asked))
            assert answer["echo"] == str(asked)
            if asked % 300 == 299:
                os.kill(answer["pid"], signal.SIGKILL)
                killed.add(answer["pid"])
        except OSError as error:
            lost.append((asked, error))
    assert len(killed) >= 1
    assert asked > 300
    assert lost == []


def test_a_killed_control_is_replaced_and_told_what_the_last_one_kept(start: Any) -> None:
    run = start(workers=2)
    address = run.ready()
    first = ask(address, "control")
    assert (first["restarts"], first["kept"]) == (0, {})
    os.kill(first["pid"], signal.SIGKILL)
    assert ask(address)["pid"]  # answered meanwhile
    run.line(r"control ended: SIGKILL; it is started again now")
    second = until(lambda: ask(address, "control"))
    assert second["pid"] != first["pid"]
    assert (second["restarts"], second["kept"]) == (1, {"restarts": 0, "kept": {}})


def test_a_child_that_dies_soon_is_started_with_growing_waits_and_before_ready_that_ends_the_start(start: Any) -> None:
    run = start(control="dies")
    assert run.wait() == 1
    waits = [line.partition("started ")[2].partition('"')[0] for line in run.lines[:-1]]
    assert waits == ["again now"] * 5 + ["again in 0.25 s", "again in 0.5 s"]
    assert run.lines[-1] == "dnsdisco: control cannot start (exit status 3); see the lines above"


def test_a_child_that_says_another_start_is_useless_is_believed(start: Any) -> None:
    run = start(worker="useless")
    assert run.wait(2) == 1
    assert run.lines == ["dnsdisco: worker 0 cannot start (exit status 78); see the lines above"]


def test_what_control_calls_fatal_ends_the_start_with_its_message(start: Any) -> None:
    run = start(control="fatal")
    assert run.wait() == 1
    assert run.lines == ["dnsdisco: services.yaml:3:5: expected a mapping"]


@pytest.mark.parametrize("control", ["-", "late"])
def test_sighup_reaches_control_and_new_settings_reach_those_who_start_later(start: Any, control: str) -> None:
    run = start(control=control)
    if control == "late":
        # The family has been started, and control is not up yet: the signal waits for it.
        until(lambda: len(Path(f"/proc/{run.popen.pid}/task/{run.popen.pid}/children").read_text().split()) == 2)
        run.popen.send_signal(signal.SIGHUP)
    address = run.ready()
    worker = ask(address)
    assert worker["settings"] in ({"ttl": 5}, {"ttl": 6})  # its own part, and nothing of the whole
    if control == "-":
        run.popen.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    os.kill(worker["pid"], signal.SIGKILL)
    assert until(lambda: ask(address)["ttl"] == 6)
    assert ask(address, "control")["settings"]["ttl"] == 5  # the same process, not restarted


def test_children_end_with_a_supervisor_that_is_killed(start: Any) -> None:
    run = start(worker="deaf")
    address = run.ready()
    pids = [ask(address)["pid"], ask(address, "control")["pid"]]
    run.popen.kill()
    run.wait()
    until(lambda: not any(map(is_alive, pids)), 2)


def test_a_child_that_closes_its_status_costs_no_cpu(start: Any) -> None:
    run = start(worker="mute")
    time.sleep(0.6)

    def spent_s() -> float:
        fields = Path(f"/proc/{run.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before_s = spent_s()
    time.sleep(0.5)
    assert spent_s() - before_s < 0.1


def test_no_descriptor_leaks_over_restarts(start: Any) -> None:
    run = start()
    address = run.ready()

    def fds() -> int:
        return len(list(Path(f"/proc/{run.popen.pid}/fd").iterdir()))

    before = fds()
    for _ in range(3):
        pid = ask(address)["pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: ask(address)["pid"] != pid)
    assert fds() == before


# ------------------------------------------------------------------------------------------------------------ systemd


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path.replace("@", "\0"))
        self.sock.settimeout(5)

    def heard(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.sock.recv(4096).decode().split("\n"))


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_service_manager_is_told(start: Any, tmp_path: Any, kind: str) -> None:
    path = str(tmp_path / "notify") if kind == "path" else f"@dnsdisco-test-{os.getpid()}"
    manager = Manager(path)
    run = start(environ={"NOTIFY_SOCKET": path})
    address = run.ready()
    heard = manager.heard()
    assert heard["READY"] == "1"
    assert heard["STATUS"] == f"answering on 127.0.0.1:{address[1]}; workers: 1"
    run.popen.send_signal(signal.SIGHUP)
    heard = manager.heard()
    assert heard["RELOADING"] == "1"
    assert int(heard["MONOTONIC_USEC"]) > 0
    assert manager.heard()["READY"] == "1"
    assert run.end()[0] == 0
    assert manager.heard()["STOPPING"] == "1"
    manager.sock.close()


def test_given_sockets_take_the_place_of_listen_and_all_workers_share_them(start: Any) -> None:
    udp, tcp = one_port()
    address = tcp.getsockname()
    other, its_peer = socket.socketpair()

    def as_systemd_does() -> None:
        for at, fd in enumerate([os.dup(sock.fileno()) for sock in (udp, tcp, other)]):
            os.dup2(fd, 3 + at)
        os.environ["LISTEN_PID"] = str(os.getpid())

    # The shell takes the pid that the supervisor will have, as systemd knows it before it executes anything.
    run = start(
        ["127.0.0.1:1"],
        2,
        command=[
            "/bin/sh",
            "-c",
            f'LISTEN_PID=$$ exec {shlex.quote(sys.executable)} -c "$0" - - "$1"',
            RUN.format(standin=str(STANDIN)),
        ],
        environ={"LISTEN_FDS": "3", "LISTEN_FDNAMES": "dns-udp:dns-tcp:odd"},
        wrap=as_systemd_does,
        pass_fds=(3, 4, 5),
    )
    assert run.ready() == address
    assert run.line("a given socket is not used")[0]
    assert any("odd is neither" in line for line in run.lines)
    seen: set[int] = set()  # which of the two wakes up first for a socket that they share is the kernel's business
    until = time.monotonic() + 10
    while seen != {0, 1} and time.monotonic() < until:
        seen |= {ask(address)["worker"], ask_tcp(address)["worker"]}
    assert seen == {0, 1}
    assert run.end()[0] == 0
    for sock in (udp, tcp, other, its_peer):
        sock.close()


def test_sockets_given_to_another_process_are_not_taken(start: Any) -> None:
    run = start(environ={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert ask(run.ready())["worker"] == 0


def test_many_ask_at_once_and_every_worker_has_its_share(start: Any) -> None:
    run = start(workers=3)
    address = run.ready()
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.extend(ask(address)["worker"] for _ in range(30))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {0, 1, 2}
    assert {ask_tcp(address)["worker"] for _ in range(40)} == {0, 1, 2}
