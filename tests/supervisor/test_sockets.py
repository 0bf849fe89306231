"""What is listened on: nobody is hidden, nobody is hurt, and the message says who and what to do."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from dnsdisco.errors import ListenError
from dnsdisco.supervisor import port_holder, sockets
from dnsdisco.supervisor.announce import dig
from dnsdisco.supervisor.late_listening import LateListening
from dnsdisco.supervisor.sockets import Listening
from tests.supervisor.harness import ask, bind_texts, place, Running


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6 on the loopback")


@pytest.fixture
def bound() -> Iterator[Any]:
    held: list[Listening] = []

    def bind(listen: list[str], workers: int = 1) -> list[Listening]:
        got, left_out = bind_texts(listen, workers)
        assert left_out == []
        held.extend(got)
        return got

    yield bind
    for each in held:
        each.close()


def option(sock: socket.socket, level: int, name: int) -> int:
    return sock.getsockopt(level, name)


@pytest.mark.parametrize("workers", [1, 3])
def test_port_0_is_one_port_for_udp_and_tcp_and_all_workers(bound: Any, workers: int) -> None:
    first, second = bound(["127.0.0.1:0", "127.0.0.2:0"], workers)
    for each in (first, second):
        ports = {sock.getsockname()[1] for sock in (*each.udp, *each.tcp)}
        assert len(ports) == 1
        assert each.address.endswith(f":{ports.pop()}")
        assert (len(each.udp), len(each.tcp)) == (workers, workers)
        assert all(option(sock, socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for sock in each.tcp)
    assert [name for name, _ in first.of_worker(workers - 1)] == ["udp", "tcp"]
    assert first.of_worker(workers - 1)[0][1] is first.udp[-1]
    assert str(first).startswith("udp+tcp 127.0.0.1:")


def test_every_socket_of_a_group_gets_its_share(bound: Any) -> None:
    (listening,) = bound(["127.0.0.1:0"], 4)
    target = listening.udp[0].getsockname()
    for _ in range(200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", target)
    for sock in listening.udp:
        sock.setblocking(False)
        assert sock.recv(1) == b"x"


def test_options_of_udp_sockets(bound: Any) -> None:
    loopback, wildcard = bound(["127.0.0.1:0", "0.0.0.0:0"])
    for each in (loopback, wildcard):
        assert option(each.udp[0], socket.SOL_SOCKET, socket.SO_RCVBUF) > 400_000
        assert option(each.udp[0], socket.IPPROTO_IP, 10) == 5  # IP_MTU_DISCOVER: IP_PMTUDISC_OMIT
    assert not option(loopback.udp[0], socket.IPPROTO_IP, sockets._IP_PKTINFO)
    assert option(wildcard.udp[0], socket.IPPROTO_IP, sockets._IP_PKTINFO)
    assert not option(loopback.udp[0], socket.SOL_SOCKET, socket.SO_REUSEPORT)  # one worker: nobody can join


@needs_ipv6
def test_ipv6_beside_ipv4(bound: Any) -> None:
    for _ in range(8):  # a port that is free for IPv6 may be one that a client's connection over IPv4 has or had
        (first,) = bound(["[::]:0"], 2)
        port = first.udp[0].getsockname()[1]
        with suppress(ListenError):
            (second,) = bound([f"0.0.0.0:{port}"], 2)  # possible only because the first is for IPv6 alone
            break
    else:
        pytest.fail("never beside each other")
    assert first.address == f"[::]:{port}"
    assert option(first.udp[0], socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO)
    assert option(first.udp[0], socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    assert option(first.udp[0], socket.IPPROTO_IPV6, 23) == 5
    assert second.udp


@pytest.mark.parametrize(("kind", "name"), [(socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("workers", [1, 2])
def test_another_holder_shows_even_one_that_would_share_and_is_named(
    kind: socket.SocketKind, name: str, host: str, workers: int
) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((host, 0))
        port = other.getsockname()[1]
        if kind == socket.SOCK_STREAM:
            other.listen()
        with pytest.raises(ListenError) as caught:
            bind_texts(["127.0.0.1:0", f"127.0.0.1:{port}"], workers)
        text = str(caught.value)
        assert text.startswith(f"cannot listen on 127.0.0.1:{port}: {name} port {port} is in use by pid {os.getpid()} (")
        assert "choose another port" in text
        with socket.socket(socket.AF_INET, kind) as client:  # it is not hurt
            client.connect(("127.0.0.1", port))
            client.send(b"x")
            other.setblocking(True)
            other.settimeout(2)
            assert other.accept()[0].close() is None if kind == socket.SOCK_STREAM else other.recv(1) == b"x"


@needs_ipv6
def test_an_ipv6_wildcard_that_takes_ipv4_too_is_named() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        other.bind(("::", 0))
        with pytest.raises(ListenError, match=f"in use by pid {os.getpid()} "):
            bind_texts([f"127.0.0.1:{other.getsockname()[1]}"], 1)


def test_two_dnsdiscos_do_not_share_a_port() -> None:
    first = Running(workers=2)
    try:
        address = first.ready()
        before = ask(address)["pid"]
        second = Running([f"127.0.0.1:{address[1]}"], 2)
        assert second.wait() == 1
        second.close()
        (line,) = second.lines
        assert re.match(
            rf"dnsdisco: cannot listen on 127\.0\.0\.1:{address[1]}: UDP port {address[1]} is in use by pid \d+ \(.*python", line
        )
        pids = {ask(address)["pid"] for _ in range(20)}
        assert before in pids
        assert len(pids) == 2
    finally:
        first.close()


def test_connections_of_an_earlier_run_do_not_hinder_the_next() -> None:
    """TIME_WAIT is no holder."""
    (listening,), _ = bind_texts(["127.0.0.1:0"], 1)
    target = listening.tcp[0].getsockname()
    with socket.create_connection(target):
        connection, _ = listening.tcp[0].accept()
        connection.close()  # this side first: the port lingers
    time.sleep(0.05)
    listening.close()
    again, _ = bind_texts([f"127.0.0.1:{target[1]}"], 2)
    again[0].close()


@pytest.mark.parametrize("address", ["192.0.2.1:0", "tls://192.0.2.1:0", "[2001:db8::1]:0"])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_address_that_may_come_later_is_bound(bound: Any, address: str, workers: int) -> None:
    (listening,) = bound([address], workers)
    assert len(listening.tcp) == workers
    with pytest.raises(ListenError, match="in use"):  # which is told at once, as for any other
        bind_texts([listening.address], 1)


@pytest.mark.parametrize(
    "address", ["192.0.2.1:53", "tls://192.0.2.1:853", "[fe80::1%nope]:53", "https://[fe80::1%nope]:443/q", "[fe80::1%4000]:53"]
)
def test_an_address_that_cannot_be_bound_yet_costs_no_other(bound: Any, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """There is no such interface; or no such address, where the system does not wait for it."""
    monkeypatch.setattr(sockets, "_FREEBIND", {})
    absent, here = bound([address, "127.0.0.1:0"], 2)
    assert (absent.is_bound, here.is_bound) == (False, True)
    assert (absent.address, absent.of_worker(0), absent.of_worker(1)) == (address, [], [])
    assert str(absent) == (address if "://" in address else f"udp+tcp {address}")
    assert dig([absent, here], "web", ["svc.local"]).startswith("dig @127.0.0.1 ")


class Said:
    def __init__(self) -> None:
        self.events: list[str] = []

    def event(self, _level: str, event: str, **_fields: object) -> None:
        self.events.append(event)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_bound_when_it_can_be_and_handed_to_every_worker(bound: Any, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    (stand_in,) = bound(["127.0.0.1:0"])
    port = stand_in.place.port
    stand_in.close()
    absent = Listening(place(f"127.0.0.1:{port}"))
    said = Said()
    late = LateListening([absent], workers, said)  # type: ignore[arg-type]
    channels = [socket.socket(fileno=os.dup(late.channel(number) or -1)) for number in range(workers)]
    with socket.create_server(("127.0.0.1", port)):  # it has come, and another server has its port
        assert late.look() == late.look() == []
        assert not absent.is_bound
        assert len([event for event in said.events if "is in use by" in event]) == 1
    assert late.look() == []
    assert absent.is_bound
    assert said.events[-1] == "listened on from now on"
    for number, channel in enumerate(channels):
        octets, fds, _, _ = socket.recv_fds(channel, 65536, 16)
        told = json.loads(octets)
        assert [each["transport"] for each in told] == ["udp", "tcp"]
        assert {(each["detail"], each["replaces"]) for each in told} == {(f"127.0.0.1:{port}", 0)}
        for fd, (_, ours) in zip(fds, absent.of_worker(number), strict=True):
            assert os.path.sameopenfile(fd, ours.fileno())
            os.close(fd)
        channel.close()
    events = len(said.events)
    assert late.look() == []  # nothing is missing now
    assert len(said.events) == events
    late.close()
    absent.close()


def test_a_worker_that_does_not_read_is_named_and_gets_all_at_its_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    (free,), _ = bind_texts(["127.0.0.1:0"], 1)
    free.close()
    absent = Listening(place(free.address))
    late = LateListening([absent], 2, Said())  # type: ignore[arg-type]
    for number in range(2):
        late.channel(number)
    late._channels[1][1].close()
    assert late.look() == [1]
    late.channel(1)
    assert absent.of_worker(1)
    late.close()
    absent.close()


def test_nothing_stays_bound_after_a_refusal(bound: Any) -> None:
    (free,) = bound(["127.0.0.1:0"])
    address = free.address
    free.close()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ListenError):
        bind_texts([address, f"127.0.0.1:{taken.getsockname()[1]}"], 2)
    assert bound([address])


@pytest.mark.parametrize(
    ("number", "is_left_out"), [(errno.EADDRNOTAVAIL, True), (errno.EAFNOSUPPORT, True), (errno.EACCES, False)]
)
def test_ipv6_that_nobody_asked_for_may_be_absent(monkeypatch: pytest.MonkeyPatch, number: int, is_left_out: bool) -> None:
    made = sockets._socket
    (stand_in,), _ = bind_texts(["127.0.0.1:0"], 1)  # free for UDP and TCP alike, in the place of 53
    free = int(stand_in.address.rpartition(":")[2])
    stand_in.close()

    def refusing(kind: socket.SocketKind, host: str, port: int, *, shares: bool, must_be_here: bool) -> socket.socket:
        if ":" in host:
            raise OSError(number, os.strerror(number))
        return made(kind, host, free if port == 53 else port, shares=shares, must_be_here=must_be_here)

    monkeypatch.setattr(sockets, "_socket", refusing)
    if is_left_out:
        got, left_out = bind_texts(sockets.DEFAULT_LISTEN, 1)
        assert left_out == ["[::1]:53"]
        assert len(got) == 1
        got[0].close()
    else:
        with pytest.raises(ListenError, match="permission denied; ports below 1024 need CAP_NET_BIND_SERVICE"):
            bind_texts(sockets.DEFAULT_LISTEN, 1)
    if number == errno.EADDRNOTAVAIL:  # asked for: it may come
        (asked_for,), left_out = bind_texts(["[::1]:53"], 1)
        assert (asked_for.is_bound, left_out) == (False, [])
        return
    with pytest.raises(ListenError, match=r"cannot listen on \[::1\]:53"):
        bind_texts(["[::1]:53"], 1)


def test_the_ways_out_that_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(address: str, number: int, who: str = "another process") -> str:
        monkeypatch.setattr(sockets, "holder", lambda *_: who)
        return str(sockets._refused(place(address), "udp", OSError(number, os.strerror(number))))

    assert "DNSStubListener=no" in refused("127.0.0.53:53", errno.EADDRINUSE)
    assert "DNSStubListener=no" in refused("0.0.0.0:53", errno.EADDRINUSE, "pid 1 (/lib/systemd/systemd-resolved)")
    assert "DNSStubListener" not in refused("127.0.0.1:53", errno.EADDRINUSE, "pid 9 (dnsmasq)")
    assert "sysctl net.ipv4.ip_unprivileged_port_start=53" in refused("127.0.0.1:53", errno.EACCES)
    assert "no IPv6" in refused("[::1]:53", errno.EAFNOSUPPORT)
    assert "Too many open files" in refused("127.0.0.1:53", errno.EMFILE)


def test_the_holder_is_named_by_pid_and_command() -> None:
    code = "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "a\x1b[31m"], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        who = port_holder.holder(socket.SOCK_STREAM, "127.0.0.1", port)
        child.kill()
    assert who.startswith(f"pid {child.pid} (")
    assert "python" in who
    assert "\x1b" not in who
    assert port_holder.holder(socket.SOCK_STREAM, "127.0.0.1", port) == "another process"


def test_a_socket_whose_owner_cannot_be_seen_has_at_least_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_holder, "_owner", lambda _: None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        who = port_holder.holder(socket.SOCK_DGRAM, "127.0.0.1", sock.getsockname()[1])
    assert who.startswith("a process of user ")
    assert port_holder._user(4_000_000_000) == "user 4000000000"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the kernel prints in its own byte order")
def test_the_kernels_addresses(text: str, address: str) -> None:
    assert str(port_holder._address(text)) == address
